"""Models: the bucket, the folders and the checkpoints that the runtimes need are there, or are named."""

from typing import Any

import pytest

from generator.preflight.result import CheckStatus
from testing.preflight import MODEL
from tests.preflight.conftest import RUNTIME, Sandbox

CLIP_VISION = "ControlNetPreprocessor/clip_vision"


def persistence(**values: Any) -> dict[str, Any]:
    """The persistence of a runtime, which holds its models."""
    return {"extraValues": {"runtime": {"persistence": values}}}


def test_a_model_that_is_missing_fails_and_its_neighbours_are_named(sandbox: Sandbox) -> None:
    runtime = {**RUNTIME, "modelFilename": "other.safetensors"}

    result = sandbox.one("models", "other.safetensors", config={"modelsRuntime": [runtime]})

    assert result.status is CheckStatus.FAILED
    assert f"there are Stable-diffusion/{MODEL}" in result.message


@pytest.mark.thorough
def test_a_bucket_that_is_not_there_fails(sandbox: Sandbox) -> None:
    result = sandbox.one("models", "nowhere-at-all", config={"modelBucketArn": "arn:aws:s3:::nowhere-at-all"})

    assert (result.status, result.message) == (CheckStatus.FAILED, "the bucket does not exist")


def test_a_folder_that_sd_webui_would_have_to_make_fails_with_the_command(sandbox: Sandbox) -> None:
    bucket = f"models-{sandbox.account.id}"
    sandbox.client("s3").delete_object(Bucket=bucket, Key="VAE/")

    result = sandbox.one("models", f"folders in {bucket}")

    assert result.status is CheckStatus.FAILED
    assert result.message.startswith("VAE missing")
    assert result.help.endswith(f"for f in VAE; do aws s3api put-object --bucket {bucket} --key $f/; done")


@pytest.mark.parametrize("folder", ["diffusers", CLIP_VISION])
def test_a_folder_that_only_forge_would_have_to_make_is_a_warning(sandbox: Sandbox, folder: str) -> None:
    bucket = f"models-{sandbox.account.id}"
    sandbox.client("s3").delete_object(Bucket=bucket, Key=f"{folder}/")

    result = sandbox.one("models", f"folders in {bucket}")

    assert result.status is CheckStatus.WARNING
    assert result.message.startswith(f"{folder} missing: Forge (not A1111) would create them")
    assert f"for f in {folder}; do" in result.help


def test_a_folder_in_a_folder_is_missed_where_only_the_outer_one_is_there(sandbox: Sandbox) -> None:
    bucket = f"models-{sandbox.account.id}"
    sandbox.client("s3").delete_object(Bucket=bucket, Key=f"{CLIP_VISION}/")
    sandbox.client("s3").put_object(Bucket=bucket, Key="ControlNetPreprocessor/one.pth", Body=b"")

    assert CLIP_VISION in sandbox.one("models", f"folders in {bucket}").message


def test_missing_folders_of_both_are_named_together(sandbox: Sandbox) -> None:
    bucket = f"models-{sandbox.account.id}"
    for name in ("VAE", "diffusers"):
        sandbox.client("s3").delete_object(Bucket=bucket, Key=f"{name}/")

    result = sandbox.one("models", f"folders in {bucket}")

    assert result.status is CheckStatus.FAILED and "for f in VAE diffusers; do" in result.help


def test_a_folder_that_holds_a_file_is_there(sandbox: Sandbox) -> None:
    bucket = f"models-{sandbox.account.id}"
    sandbox.client("s3").delete_object(Bucket=bucket, Key="VAE/")
    sandbox.client("s3").put_object(Bucket=bucket, Key="VAE/one.pt", Body=b"")

    assert sandbox.one("models", f"folders in {bucket}").status is CheckStatus.PASSED


def test_runtimes_that_make_no_folders_need_none(sandbox: Sandbox) -> None:
    report = sandbox.run(config={"modelsRuntime": [{"name": "graphs", "type": "comfyui"}]})

    assert [result.name for result in report.results if "folders" in result.name] == []


@pytest.mark.thorough
def test_models_below_a_prefix_are_looked_for_there(sandbox: Sandbox) -> None:
    bucket, s3 = f"models-{sandbox.account.id}", sandbox.client("s3")
    for row in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        copy = {"CopySource": {"Bucket": bucket, "Key": row["Key"]}}
        s3.copy_object(Bucket=bucket, Key=f"team a/{row['Key']}", **copy)
    runtime = {**RUNTIME, **persistence(s3={"mountOptions": ["prefix team a/"]})}

    ready = sandbox.run(config={"modelsRuntime": [runtime]})
    s3.delete_object(Bucket=bucket, Key=f"team a/Stable-diffusion/{MODEL}")
    s3.delete_object(Bucket=bucket, Key="team a/VAE/")
    missing = sandbox.run(config={"modelsRuntime": [runtime]})

    assert ready.not_passed() == []
    model = missing.one("models", f"team a/Stable-diffusion/{MODEL} for turbo")
    assert model.status is CheckStatus.FAILED
    assert f"'s3://{bucket}/team a/Stable-diffusion/{MODEL}'" in model.help
    folder = missing.one("models", f"folders in {bucket}/team a")
    assert f"for f in VAE; do aws s3api put-object --bucket {bucket} --key 'team a/'$f/; done" in folder.help


def test_a_runtime_with_a_bucket_of_its_own_is_checked_there(sandbox: Sandbox) -> None:
    runtime = {**RUNTIME, **persistence(s3={"modelBucket": "nowhere-at-all"})}

    results = [
        r
        for r in sandbox.run(config={"modelsRuntime": [runtime]}, theme="models").results
        if r.theme == "models"
    ]

    assert (results[0].name, results[0].message) == ("nowhere-at-all", "the bucket does not exist")
    assert not any(f"models-{sandbox.account.id}" in result.name for result in results)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "values", [{"enabled": False}, {"existingClaim": "mine"}, {"s3": {"enabled": False}, "storageClass": "x"}]
)
def test_models_that_come_from_elsewhere_are_reported_as_not_checked(
    sandbox: Sandbox, values: dict[str, Any]
) -> None:
    report = sandbox.run(config={"modelsRuntime": [{**RUNTIME, **persistence(**values)}]})

    [result] = [result for result in report.results if result.theme == "models"]
    assert (result.name, result.status) == ("models of turbo", CheckStatus.NOT_ASKED)
