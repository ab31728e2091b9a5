"""ComfyUI's image, built and run on the CPU: `make test-images COMFYUI=DIR`."""

import json
import os
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import paths
from local.emulator import free_port
from testing import containers, images
from testing.images import Container, Containers, Image
from testing.world import wait_for

ROOT = paths.root()
FOLDER = ROOT / "images" / "comfyui"
CHART = ROOT / "charts" / "sd-runtimes"
NAME = "localhost/sd-on-eks/comfyui:test"
REPOSITORY = "https://github.com/Comfy-Org/ComfyUI.git"
START_SECONDS = 240
# The level `restricted`, volumes and files as the chart has them.
SCRATCH = ("--tmpfs=/data:rw,mode=1777", "--tmpfs=/tmp:rw,mode=1777")
BUILD_TOOLS = "for name in git gcc cc make /opt/venv/bin/pip; do command -v $name; done; true"

pytestmark = pytest.mark.skipif("COMFYUI" not in os.environ, reason="COMFYUI= names a clone")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image; its source is the checkout in place of the network, as a repository with one commit."""
    source = tmp_path_factory.mktemp("source")
    git("init", "--quiet", str(source))
    git("-C", str(source), f"--work-tree={Path(os.environ['COMFYUI']).resolve()}", "add", "--all", "--force")
    git("-C", str(source), "commit", "--quiet", "--message=checkout")
    commit = git("-C", str(source), "rev-parse", "HEAD").strip()
    settings = tmp_path_factory.mktemp("git") / "gitconfig"
    settings.write_text(f'[safe]\n\tdirectory = *\n[url "file:///source"]\n\tinsteadOf = {REPOSITORY}\n')
    flags = [f"--volume={source}:/source:ro", f"--volume={settings}:/etc/gitconfig:ro"]
    flags += [f"--build-arg=COMFYUI_COMMIT={commit}", *shlex.split(os.environ.get("BUILD_FLAGS", ""))]
    began = time.monotonic()
    base = ("BASE", os.environ.get("BASE", ""))
    built = images.build(NAME, FOLDER, base, contexts={"files": CHART / "files"}, flags=flags)
    print(f"\n{NAME}: {built.size / 1e9:.1f} GB; {time.monotonic() - began:.0f} s")
    return built


def git(*arguments: str) -> str:
    """What a call of git prints; it reads no settings of this machine."""
    who = {f"GIT_{role}_{part}": "test" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(["git", *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


@pytest.fixture
def started_containers(tmp_path: Path) -> Iterator[Containers]:
    with Containers(tmp_path) as running:
        yield running


def test_it_does_not_run_as_root(image: Image) -> None:
    assert image.user == "1000:1000"


def test_it_holds_no_build_tools(image: Image, started_containers: Containers) -> None:
    assert started_containers.output(image.name, ["/bin/sh", "-c", BUILD_TOOLS]) == ""


def test_it_holds_the_license_of_the_program_and_of_its_packages(
    image: Image, started_containers: Containers
) -> None:
    text = started_containers.output(image.name, ["/bin/cat", "/opt/ml/code/LICENSE"])
    output = started_containers.output(image.name, ["/opt/venv/bin/python", "-c", images.LICENSES])
    without = {name for name, files in json.loads(output).items() if not files}

    assert "GNU GENERAL PUBLIC LICENSE" in text
    # What these publish holds no text of a license: the list of packages names it (make sbom-images).
    allowed = {
        *("PyOpenGL", "comfy-angle", "comfyui_frontend_package", "nvidia-cusparselt-cu12", "sentencepiece"),
        *("spandrel", "tokenizers", "trampoline"),
    }
    assert {name for name in without if not name.startswith("comfyui-workflow-templates-")} <= allowed


def test_it_holds_what_its_lock_names(image: Image, started_containers: Containers) -> None:
    lock = (FOLDER / "requirements.lock").read_text("utf-8").splitlines()
    locked = {tuple(line.split(" ")[0].split("==")) for line in lock if "==" in line}
    code = (
        "import importlib.metadata as m; print(*(f'{one.name}=={one.version}' for one in m.distributions()))"
    )
    output = started_containers.output(image.name, ["/opt/venv/bin/python", "-c", code])
    installed = {tuple(item.lower().replace("_", "-").split("==")) for item in output.split()}

    assert installed == locked


@pytest.fixture
def server(image: Image, started_containers: Containers, tmp_path: Path) -> tuple[Container, str]:
    """The image, started by the command and with the files of the chart's profile, on the CPU."""
    profile = yaml.safe_load((CHART / "profiles" / "comfyui.yaml").read_text("utf-8"))
    config, models = tmp_path / "config", tmp_path / "models"
    config.mkdir()
    models.mkdir()
    for name, text in profile["files"].items():
        (config / name).write_text(text.replace("$(MODELS_PATH)", "/opt/ml/code/models"))
    for name in profile["copies"]:
        (config / name).write_text((CHART / "files" / name).read_text("utf-8"))
    port = free_port()
    variables = {"RUNTIME_PORT": str(port), "TASK_TIMEOUT_SECONDS": "1800", "EXTRA_CMD_ARG": "--cpu"}
    volumes = (
        *SCRATCH,
        f"--volume={config}:/etc/sd-on-eks:ro",
        f"--volume={models}:/opt/ml/code/models:ro",
    )
    command = containers.with_init(profile["command"])
    container = started_containers.start(
        image.name, profile["env"] | variables, command=command, volumes=volumes, writable=True
    )
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: container.exited() or answers(url), START_SECONDS, 0.5)
    assert container.exited() is False, container.log()
    return container, url


def answers(url: str) -> bool:
    try:
        return bool(ask(url, "/prompt"))
    except OSError:
        return False


def ask(url: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_a_prompt_makes_a_picture_and_sigterm_ends_it(server: tuple[Container, str]) -> None:
    container, url = server
    profile = yaml.safe_load((CHART / "profiles" / "comfyui.yaml").read_text("utf-8"))
    prompt = json.loads(profile["firstTask"]["content"])

    number = ask(url, "/prompt", {"prompt": prompt})["prompt_id"]
    history = wait_for(lambda: ask(url, f"/history/{number}"), 60)
    status = container.status()
    container.signal("TERM")

    assert history[number]["status"]["status_str"] == "success"
    assert status["Uid"].split() == ["1000"] * 4
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert container.wait(10) == 143, container.log()
