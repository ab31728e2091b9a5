"""SD WebUI's image, built and run on the CPU: `make test-images SDWEBUI=DIR`."""

import base64
import io
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture

from generator import yaml_loader
from local.emulator import free_port
from testing import pod_containers
from testing.account import Account
from testing.images import Containers, Image
from testing.world import World, wait_for
from tests.images import runtime_images
from tests.images.runtime_images import (
    NO_RIGHTS,
    PYTHON,
    ROOT,
    START_SECONDS,
    Server,
    Source,
    answers,
)

GITHUB = "https://github.com"
# Of the checkout: its environment, what it was given and has made, what its installer clones.
NOT_OF_IT = ("venv", "models", "outputs", "repositories", "extensions", "cache", "tmp", "log", "config.json")
# Where the installer clones what, and the one that it installs with pip.
REPOSITORIES = {
    "stable-diffusion-webui-assets": ("AUTOMATIC1111/stable-diffusion-webui-assets", "ASSETS_COMMIT_HASH"),
    "stable-diffusion-stability-ai": ("w-e-w/stablediffusion", "STABLE_DIFFUSION_COMMIT_HASH"),
    "generative-models": ("Stability-AI/generative-models", "STABLE_DIFFUSION_XL_COMMIT_HASH"),
    "k-diffusion": ("crowsonkb/k-diffusion", "K_DIFFUSION_COMMIT_HASH"),
    "BLIP": ("salesforce/BLIP", "BLIP_COMMIT_HASH"),
    "CLIP": ("openai/CLIP", "CLIP_COMMIT"),
}
PROFILE = yaml_loader.load((ROOT / "charts/sd-runtimes/profiles/sdwebui.yaml").read_text("utf-8"))
CHECKPOINT, FOLDER = "tiny.safetensors", "Stable-diffusion"
ON_CPU = {"inferenceApi": {"commandArguments": "--use-cpu all --no-half"}, "models": {"load": "mount"}}
POD = pod_containers.rendered("sdwebui", modelFilename=CHECKPOINT, extraValues={"runtime": ON_CPU})
# What these publish holds no text of a license: the list of packages names it (make sbom-images).
UNLICENSED = {
    *(
        "aenum",
        "antlr4-python3-runtime",
        "ffmpy",
        "gradio_client",
        "protobuf",
        "safetensors",
        "sentencepiece",
    ),
    *("spandrel", "spandrel_extra_arches", "tokenizers", "trampoline", "triton"),
}
SMALL = {"prompt": "a lighthouse", "steps": 2, "width": 64, "height": 64, "seed": 7, "cfg_scale": 1}

pytestmark = pytest.mark.skipif("SDWEBUI" not in os.environ, reason="SDWEBUI= names a checkout")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image; its sources are the checkouts in place of the network."""
    checkout = Path(os.environ["SDWEBUI"])
    url = f"{GITHUB}/AUTOMATIC1111/stable-diffusion-webui.git"
    sources = [Source(url, "WEBUI_COMMIT", checkout, NOT_OF_IT)]
    sources += [
        Source(f"{GITHUB}/{path}.git", argument, checkout / "repositories" / name)
        for name, (path, argument) in REPOSITORIES.items()
    ]
    flags = runtime_images.from_checkouts(sources, tmp_path_factory.mktemp("sources"))
    return runtime_images.build("sdwebui", flags, base="SDWEBUI_BASE")


@pytest.fixture(scope="module")
def bucket(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with the folders that SD WebUI needs, and a small checkpoint."""
    folder = tmp_path_factory.mktemp("bucket")
    folder.chmod(0o755)
    for name in PROFILE["modelFolders"]:
        (folder / name).mkdir()
    (folder / FOLDER).chmod(0o777)
    script = ROOT / "tests" / "local" / "sdwebui_checkpoint.py"
    mounts = (f"--volume={script}:/checkpoint.py:ro", f"--volume={folder}:/bucket:rw", "--tmpfs=/tmp")
    with Containers(tmp_path_factory.mktemp("made")) as made:
        made.output(image.name, [PYTHON, "/checkpoint.py", f"/bucket/{FOLDER}/{CHECKPOINT}"], mounts)
    return folder


class TestImage(runtime_images.EachImage):
    """What holds for the image of each runtime."""

    end_codes = (0, 143)

    def test_sigterm_ends_it_while_it_loads(
        self,
        request: pytest.FixtureRequest,
        image: Image,
        bucket: Path,
        containers: Containers,
        tmp_path: Path,
    ) -> None:
        self.test_sigterm_ends_it_while_it_starts(request, image, bucket, containers, tmp_path, 15.0)


def test_it_holds_what_its_lock_names_and_clip(image: Image, containers: Containers) -> None:
    found = runtime_images.installed(image, containers)

    assert found == runtime_images.locked("sdwebui") | {("clip", "1.0")}


def test_it_holds_the_licenses_of_the_program_and_of_its_packages(
    image: Image, containers: Containers
) -> None:
    text = containers.output(image.name, ["/bin/cat", "LICENSE.txt"])
    files = containers.output(image.name, ["/bin/sh", "-c", "ls -d repositories/*/LICENSE*"])
    repositories = {line.split("/")[1] for line in files.split()}

    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in text
    # The assets have none; CLIP is one of the packages.
    assert repositories == REPOSITORIES.keys() - {"stable-diffusion-webui-assets", "CLIP"}
    assert runtime_images.unlicensed(image, containers) <= UNLICENSED


def test_it_runs_without_rights(server: Server) -> None:
    assert NO_RIGHTS.items() <= server.container.status().items()


def ask(server: Server, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{server.url}/sdapi/v1{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.load(answer)


def test_it_makes_a_picture_with_the_checkpoint_of_the_pod(server: Server) -> None:
    answer = ask(server, "/txt2img", SMALL)

    picture = Picture.open(io.BytesIO(base64.b64decode(answer["images"][0])))
    assert (picture.size, json.loads(answer["info"])["sd_model_name"]) == ((64, 64), "tiny")


def test_the_files_of_the_chart_are_used(server: Server) -> None:
    chosen = json.loads(PROFILE["files"]["config.json"])
    options = ask(server, "/options")

    assert {name: options[name] for name in chosen} == chosen


def test_it_maps_no_file_of_the_bucket(server: Server) -> None:
    paths = runtime_images.mapped(server.container)

    assert [path for path in paths if path.startswith("/opt/ml/code/models")] == []


def test_the_agent_runs_a_task(account: Account, server: Server, tmp_path: Path) -> None:
    with World(account.env, account.endpoint, tmp_path) as world:
        world.agent(server.url, MODEL_FILENAME=CHECKPOINT)
        world.send(["one"], SMALL)
        callback = world.callbacks_for(["one"], 300)["one"]

    assert callback["status"] == "completed", (callback, server.container.log())


def test_without_the_charts_files_it_starts_by_its_own_command(
    image: Image, bucket: Path, containers: Containers
) -> None:
    port = free_port()
    words = f"--use-cpu all --no-half --skip-load-model-at-start --port {port}"
    volumes = ("--tmpfs=/tmp:rw,U,mode=1777", f"--volume={bucket}:/opt/ml/code/models:ro")
    container = containers.start(image.name, {"EXTRA_CMD_ARG": words}, volumes=volumes, writable=True)
    url = f"http://127.0.0.1:{port}{POD.probe}"
    wait_for(lambda: container.exited() or answers(url), START_SECONDS, 0.5)

    assert not container.exited(), container.log()
