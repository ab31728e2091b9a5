"""InvokeAI's image, built and run on the CPU: `make test-images INVOKEAI=1`."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.emulator import free_port
from testing import pod_containers
from testing.account import Account
from testing.images import Containers, Image
from testing.world import World, wait_for
from tests.images import runtime_images
from tests.images.runtime_images import NO_RIGHTS, PYTHON, ROOT, START_SECONDS, Server, answers, running
from tests.local.invokeai_server import ask

POD = pod_containers.rendered("invokeai")
# What the bucket holds: a model, and a file that is none.
MODEL, BROKEN = "main/tiny", "lora/broken.safetensors"
# The license of onnxruntime is next to its code. What the others publish holds no text of a license: the
# list of packages names it (make sbom-images).
UNLICENSED = {
    *("flatbuffers", "nvidia-cusparselt-cu12", "onnxruntime", "sentencepiece", "spandrel", "tokenizers"),
    "trampoline",
}


@pytest.fixture(scope="module")
def image() -> Image:
    return runtime_images.build("invokeai")


@pytest.fixture(scope="module")
def bucket(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with a small Stable Diffusion 1, and a file that is no model."""
    folder = tmp_path_factory.mktemp("bucket")
    (folder / MODEL).parent.mkdir()
    (folder / BROKEN).parent.mkdir()
    (folder / BROKEN).write_bytes(b"{" * 1000)
    folder.chmod(0o777)
    (folder / MODEL).parent.chmod(0o777)
    script = ROOT / "tests" / "local" / "invokeai_model.py"
    mounts = (f"--volume={script}:/model.py:ro", f"--volume={folder}:/bucket:rw", "--tmpfs=/tmp")
    with Containers(tmp_path_factory.mktemp("made")) as made:
        made.output(image.name, [PYTHON, "/model.py", f"/bucket/{MODEL}"], mounts)
    return folder


class TestImage(runtime_images.EachImage):
    """What holds for the image of each runtime."""


def test_it_holds_what_its_lock_names(image: Image, containers: Containers) -> None:
    assert runtime_images.installed(image, containers) == runtime_images.locked("invokeai")


def test_it_holds_the_licenses_of_its_packages(image: Image, containers: Containers) -> None:
    assert runtime_images.unlicensed(image, containers) <= UNLICENSED
    command = ["/bin/sh", "-c", "cat /opt/venv/lib/*/site-packages/onnxruntime/LICENSE"]
    assert "MIT License" in containers.output(image.name, command)


def test_it_runs_without_rights_on_a_root_that_is_read_only(server: Server) -> None:
    assert NO_RIGHTS.items() <= server.container.status().items()


def models(server: Server) -> dict[str, dict[str, Any]]:
    """What its scan of the bucket has found, by name."""
    return {model["name"]: model for model in ask(server.url, "/api/v2/models/")["models"]}


def test_its_scan_finds_the_models_of_the_bucket_and_goes_on_after_a_broken_file(server: Server) -> None:
    found = models(server)

    assert list(found) == ["tiny"]
    assert (found["tiny"]["base"], found["tiny"]["format"]) == ("sd-1", "diffusers")
    assert found["tiny"]["path"] == f"/opt/ml/code/models/{MODEL}"


def picture(model: dict[str, Any], prompt: str) -> dict[str, Any]:
    """A graph that makes a picture with a model of Stable Diffusion 1."""
    node = {"is_intermediate": True}
    nodes: dict[str, Any] = {
        "model": {"type": "main_model_loader", "model": model},
        "text": {"type": "compel", "prompt": prompt},
        "noise": {"type": "noise", "width": 64, "height": 64, "seed": 7, "use_cpu": True},
        "steps": {"type": "denoise_latents", "steps": 2, "cfg_scale": 1.0, "scheduler": "euler"},
        "picture": {"type": "l2i", "is_intermediate": False},
    }
    links = [
        ("model", "clip", "text", "clip"),
        ("model", "unet", "steps", "unet"),
        ("text", "conditioning", "steps", "positive_conditioning"),
        ("text", "conditioning", "steps", "negative_conditioning"),
        ("noise", "noise", "steps", "noise"),
        ("steps", "latents", "picture", "latents"),
        ("model", "vae", "picture", "vae"),
    ]
    edges = [
        {"source": {"node_id": a, "field": b}, "destination": {"node_id": c, "field": d}}
        for a, b, c, d in links
    ]
    return {"nodes": {name: node | {"id": name} | each for name, each in nodes.items()}, "edges": edges}


def test_the_agent_makes_a_picture_with_a_model_of_the_bucket(
    account: Account, server: Server, tmp_path: Path
) -> None:
    found = models(server)["tiny"]
    model = {key: found[key] for key in ("key", "hash", "name", "base", "type")}
    with World(account.env, account.endpoint, tmp_path) as world:
        world.agent(server.url, RUNTIME_TYPE="invokeai", MODEL_FILENAME="")
        task = {"metadata": {"id": "one", "runtime": "painter", "tasktype": "graph"}}
        world.send_body(json.dumps(task | {"content": picture(model, "a lighthouse")}))
        callback = world.callbacks_for(["one"], 120)["one"]

    assert callback["status"] == "completed", (callback, server.container.log())
    assert len(callback["image_url"]) == 1


def test_it_maps_no_file_of_the_bucket(server: Server) -> None:
    paths = runtime_images.mapped(server.container)

    assert [path for path in paths if path.startswith("/opt/ml/code/models")] == []


def test_without_the_charts_files_it_starts_by_its_own_command(image: Image, containers: Containers) -> None:
    port = free_port()
    volumes = ("--tmpfs=/invokeai:rw,U", "--tmpfs=/tmp:rw,U,mode=1777")
    container = containers.start(image.name, {"INVOKEAI_PORT": str(port)}, volumes=volumes)
    url = f"http://127.0.0.1:{port}{POD.probe}"
    wait_for(lambda: container.exited() or answers(url), START_SECONDS, 0.5)

    assert not container.exited(), container.log()


def test_a_bucket_that_is_empty_is_no_error(image: Image, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with running(image, POD, tmp_path / "empty", tmp_path / "server") as server:
        assert models(server) == {}
