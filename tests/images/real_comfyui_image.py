"""ComfyUI's image, built and run on the CPU: `make test-images COMFYUI=DIR`."""

import json
import os
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader
from local.emulator import free_port
from testing import pod_containers
from testing.account import Account
from testing.images import Containers, Image
from testing.world import World, wait_for
from tests.images import runtime_images
from tests.images.runtime_images import NO_RIGHTS, ROOT, START_SECONDS, Server, Source, answers

REPOSITORY = "https://github.com/Comfy-Org/ComfyUI.git"
# Of the checkout: its environment, what it was given and has made.
NOT_OF_IT = (".venv", "venv", "models", "input", "output", "temp", "user")
PROFILE = yaml_loader.load((ROOT / "charts/sd-runtimes/profiles/comfyui.yaml").read_text("utf-8"))
POD = pod_containers.rendered(
    "comfyui", extraValues={"runtime": {"inferenceApi": {"commandArguments": "--cpu"}}}
)
PROMPT = json.loads(PROFILE["firstTask"]["content"])
# What these publish holds no text of a license: the list of packages names it (make sbom-images).
UNLICENSED = {
    *("PyOpenGL", "comfy-angle", "comfyui_frontend_package", "nvidia-cusparselt-cu12", "sentencepiece"),
    *("spandrel", "tokenizers", "trampoline"),
}

pytestmark = pytest.mark.skipif("COMFYUI" not in os.environ, reason="COMFYUI= names a clone")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image; its source is the checkout in place of the network."""
    source = Source(REPOSITORY, "COMFYUI_COMMIT", Path(os.environ["COMFYUI"]), NOT_OF_IT)
    return runtime_images.build(
        "comfyui", runtime_images.from_checkouts([source], tmp_path_factory.mktemp("sources"))
    )


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket without models: the workflow of the profile needs none."""
    return tmp_path_factory.mktemp("bucket")


class TestImage(runtime_images.EachImage):
    """What holds for the image of each runtime."""


def test_it_holds_the_license_of_the_program_and_of_its_packages(
    image: Image, containers: Containers
) -> None:
    text = containers.output(image.name, ["/bin/cat", "/opt/ml/code/LICENSE"])
    without = runtime_images.unlicensed(image, containers)

    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert {name for name in without if not name.startswith("comfyui-workflow-templates-")} <= UNLICENSED


def test_it_holds_what_its_lock_names(image: Image, containers: Containers) -> None:
    assert runtime_images.installed(image, containers) == runtime_images.locked("comfyui")


def test_it_is_the_version_that_the_profile_names(image: Image, containers: Containers) -> None:
    version = containers.output(image.name, ["/bin/cat", "/opt/ml/code/comfyui_version.py"])

    assert f'__version__ = "{PROFILE["image"]["tag"]}"' in version


def test_it_has_every_argument_that_the_profile_passes_where_it_is_known(server: Server) -> None:
    passed = set(re.findall(r"--[a-z][a-z-]+", " ".join(PROFILE["command"]))) - {"--help"}
    commands = [
        Path(f"/proc/{number}/cmdline").read_bytes().decode().split("\0")
        for number in server.container.processes()
    ]

    [program] = [words for words in commands if words[1:2] == ["main.py"]]
    assert passed | {"--cpu"} == {word for word in program if word.startswith("--")}


def ask(server: Server, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_it_runs_without_rights(server: Server) -> None:
    assert NO_RIGHTS.items() <= server.container.status().items()


def test_it_makes_a_picture(server: Server) -> None:
    number = ask(server, "/prompt", {"prompt": PROMPT})["prompt_id"]
    history = wait_for(lambda: ask(server, f"/history/{number}"), 60)

    assert history[number]["status"]["status_str"] == "success"


def test_the_agent_runs_a_task(account: Account, server: Server, tmp_path: Path) -> None:
    with World(account.env, account.endpoint, tmp_path) as world:
        world.agent(server.url, RUNTIME_TYPE="comfyui", MODEL_FILENAME="")
        task = {"id": "one", "runtime": "painter", "tasktype": "pipeline"}
        world.send_body(json.dumps({"metadata": task, "content": PROMPT}))
        callback = world.callbacks_for(["one"], 120)["one"]

    assert callback["status"] == "completed", (callback, server.container.log())


def test_without_the_charts_files_it_starts(image: Image, bucket: Path, containers: Containers) -> None:
    port = free_port()
    program = ["python", "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port)]
    volumes = ("--tmpfs=/tmp:rw,U,mode=1777",)
    container = containers.start(image.name, {}, command=program, volumes=volumes, writable=True)
    url = f"http://127.0.0.1:{port}{POD.probe}"
    wait_for(lambda: container.exited() or answers(url), START_SECONDS, 0.5)

    assert not container.exited(), container.log()
