"""Headers of the models in the bucket: what they are, and which instance types have no room for them."""

from collections.abc import Mapping
from typing import Any

import pytest

from generator.models import contents, header
from generator.preflight import model_fit
from generator.preflight.model_fit import Reader
from generator.preflight.result import CheckStatus, Result
from testing import model_files as files
from testing.model_files import Shapes
from testing.preflight import MODEL
from tests.preflight.conftest import RUNTIME, Sandbox, subject_of

CHECK = f"{MODEL} of turbo"
GIB_HALVES = 2**29


def of_size(shapes: Shapes, gib: float, part: str) -> Shapes:
    """The same with so many GiB of halves in one part, described and not written."""
    return {**shapes, f"{part}.more": (int(gib * GIB_HALVES),)}


SDXL_MODEL = of_size(of_size(files.SDXL, 4.8, "model.diffusion_model"), 1.6, "conditioner")
FLUX_MODEL = of_size(files.FLUX, 22.1, "double_blocks.1")
SD3_LARGE = of_size(files.FLUX, 15.5, "double_blocks.1")


def judged(
    shapes: Shapes, kind: str, types: list[str], dtype: str = "F16", pods: Mapping[str, Any] | None = None
) -> Result:
    """The verdict on a model of a runtime that may be started on these types."""
    start, _ = files.header(shapes, dtype)
    model = contents.contents(header.parse(start[header.LENGTH_BYTES :]))
    entry = (
        {"name": "one", "type": kind, "modelFilename": MODEL}
        if kind == "sdwebui"
        else {"name": "one", "type": kind}
    )
    provisioner = {"provisioner": {"instanceType": types}}
    entry["extraValues"] = {"karpenter": provisioner, "runtime": {"inferenceApi": dict(pods or {})}}
    subject = subject_of("123456789012", {"modelsRuntime": [entry]})
    [result] = model_fit.judge(Reader(subject, subject.solution.runtimes[0]), "a model", model)
    return result


def test_a_model_that_fits_is_named_with_its_architecture(sandbox: Sandbox) -> None:
    result = sandbox.one("models", CHECK)

    assert result.status is CheckStatus.PASSED
    assert result.message.startswith("SDXL checkpoint, F16")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"PK\x03\x04\x14\x00\x08\x00" + bytes(100), "does not start as a safetensors file does"),
        (files.model(files.SDXL)[:-1], "its header describes"),
        (files.model(files.SDXL)[:100], "the file ends in its header, after 100 bytes"),
    ],
    ids=["empty", "zip", "cut-off", "cut-off-in-the-header"],
)
def test_a_damaged_model_fails(sandbox: Sandbox, content: bytes, reason: str) -> None:
    bucket = f"models-{sandbox.account.id}"
    sandbox.client("s3").put_object(Bucket=bucket, Key=f"Stable-diffusion/{MODEL}", Body=content)

    result = sandbox.one("models", CHECK)
    assert result.status is CheckStatus.FAILED and reason in result.message


def test_a_lora_is_no_checkpoint(sandbox: Sandbox) -> None:
    bucket, body = f"models-{sandbox.account.id}", files.model(files.LORA)
    sandbox.client("s3").put_object(Bucket=bucket, Key=f"Stable-diffusion/{MODEL}", Body=body)

    result = sandbox.one("models", CHECK)
    assert result.status is CheckStatus.FAILED and "this is a lora" in result.message


def test_a_pickle_is_not_read(sandbox: Sandbox) -> None:
    runtime = {**RUNTIME, "modelFilename": "old.ckpt"}
    bucket = f"models-{sandbox.account.id}"
    sandbox.client("s3").put_object(Bucket=bucket, Key="Stable-diffusion/old.ckpt", Body=b"x")

    result = sandbox.one("models", "old.ckpt of turbo", config={"modelsRuntime": [runtime]})
    assert result.status is CheckStatus.NOT_ASKED


def test_a_listed_model_that_is_not_there_yet_names_the_command(sandbox: Sandbox) -> None:
    entry = {"source": f"hf://a/b@{'0' * 40}/flux.safetensors", "type": "diffusionModel"}
    config = {"models": [entry], "modelsRuntime": [{"name": "comfy", "type": "comfyui"}]}

    result = sandbox.one("models", "flux.safetensors of comfy", config=config)
    assert result.status is CheckStatus.WARNING and "generator models pull" in result.help


def test_the_largest_models_are_looked_at_where_tasks_name_them(sandbox: Sandbox) -> None:
    config = {"modelsRuntime": [{"name": "comfy", "type": "comfyui"}]}

    result = sandbox.one("models", f"{MODEL} of comfy", config=config)
    assert result.status is CheckStatus.PASSED


def test_sdxl_fits_on_every_usual_gpu() -> None:
    assert judged(SDXL_MODEL, "sdwebui", ["g4dn.2xlarge", "g5.2xlarge"]).status is CheckStatus.PASSED


def test_a_model_in_full_precision_needs_more_main_memory() -> None:
    result = judged(SDXL_MODEL, "sdwebui", ["g4dn.xlarge", "g5.2xlarge"], dtype="F32")

    assert result.status is CheckStatus.FAILED
    assert "too large for g4dn.xlarge" in result.message and "of memory for a pod" in result.message
    assert result.help.startswith("allow only g5.2xlarge, or set instanceType: [")


def test_a_model_that_is_larger_than_the_gpu_is_refused_with_the_cheapest_that_fits() -> None:
    result = judged(FLUX_MODEL, "comfyui", ["g4dn.8xlarge"])

    assert result.status is CheckStatus.FAILED
    assert "Flux diffusionModel, F16, 23.73 GB: too large for g4dn.8xlarge" in result.message
    assert "16 GiB of GPU memory, of 22.1 GiB needed" in result.message
    assert "set instanceType: [g6.2xlarge], the cheapest that fits (0.98 an hour)" in result.help


def test_a_model_that_fits_only_without_room_to_work_is_a_warning_where_it_can_be_split() -> None:
    result = judged(FLUX_MODEL, "comfyui", ["g5.4xlarge"])

    assert result.status is CheckStatus.WARNING
    assert "on g5.4xlarge a part of it stays in main memory" in result.message


def test_a_text_encoder_that_is_larger_than_the_gpu_is_a_warning() -> None:
    encoder = of_size({"model.layers.0.self_attn.q_proj.weight": (64, 64)}, 18, "model.layers.1")
    result = judged(encoder, "comfyui", ["g4dn.8xlarge"])

    assert result.status is CheckStatus.WARNING
    assert "textEncoder, F16, 19.33 GB: on g4dn.8xlarge a part of it stays in main memory" in result.message


def test_nothing_is_claimed_of_the_gpu_memory_of_a_model_that_is_not_recognized() -> None:
    unknown = of_size({"blocks.0.new.weight": (64, 64)}, 30, "blocks.1")
    result = judged(unknown, "comfyui", ["g5.12xlarge"])

    assert result.status is CheckStatus.NOT_ASKED
    assert "nothing is known of its GPU memory" in result.message
    assert judged(unknown, "comfyui", ["g5.xlarge"]).status is CheckStatus.FAILED  # for its main memory


def test_half_the_precision_needs_half_the_gpu() -> None:
    assert judged(FLUX_MODEL, "comfyui", ["g5.4xlarge"], dtype="F8_E4M3").status is CheckStatus.PASSED


def test_a_limit_of_the_container_below_the_file_is_refused() -> None:
    pods = {"resources": {"limits": {"memory": "6Gi"}, "requests": {"memory": "6Gi"}}}

    result = judged(SDXL_MODEL, "sdwebui", ["g5.2xlarge"], pods=pods)
    assert result.status is CheckStatus.FAILED and "the memory limit of 6 GiB" in result.message


def test_forge_has_more_architectures_than_a1111() -> None:
    result = judged(SD3_LARGE, "sdwebui", ["g5.4xlarge"])

    assert result.status is CheckStatus.WARNING and "A1111 does not load it; Forge does" in result.message


def test_medvram_keeps_less_on_the_gpu() -> None:
    large = of_size(SDXL_MODEL, 8.0, "conditioner")

    assert judged(large, "sdwebui", ["g4dn.8xlarge"]).status is CheckStatus.FAILED
    pods = {"commandArguments": "--medvram"}
    assert judged(large, "sdwebui", ["g4dn.8xlarge"], pods=pods).status is CheckStatus.PASSED
