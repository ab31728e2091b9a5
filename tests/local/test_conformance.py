"""Clients that others wrote for SD WebUI, ComfyUI and InvokeAI work with the simulations as with real ones.

Each script in `clients` runs against a real server too: `.cache/clients/bin/python SCRIPT URL FOLDER`.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local.venvs import interpreter
from tests.agent.adapters.conftest import (
    Sim,
    examples,
    picture,
    simulate,  # noqa: F401 - a fixture
)

pytestmark = pytest.mark.thorough

HERE = Path(__file__).parent
PACKAGES = HERE.parents[1] / ".cache" / "clients"


@pytest.fixture(scope="module")
def python() -> Path:
    """An interpreter that has the clients; making it takes a minute or two, once."""
    return interpreter(PACKAGES, HERE / "clients.txt")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the scripts send: a workflow and a picture of 64 by 48."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "workflow.json").write_text(json.dumps(examples()["comfyui-pipeline"]["task"]["content"]))
    (folder / "small.png").write_bytes(picture())
    return folder


def run(python: Path, client: str, *arguments: str) -> str:
    """What the script says against: nothing, when all is well."""
    command = [str(python), "-W", "ignore", str(HERE / "clients" / f"with_{client}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize(
    ("client", "runtime"),
    [
        ("webuiapi", "sdwebui"),
        ("comfy_toolkit", "comfyui"),
        ("comfy_api_simplified", "comfyui"),
        ("comfyui_utils", "comfyui"),
        ("invokeai_py_client", "invokeai"),
    ],
)
def test_a_public_client_works_with_the_simulation(
    simulate: Callable[..., Sim],  # noqa: F811 - the fixture
    python: Path,
    folder: Path,
    client: str,
    runtime: str,
) -> None:
    models = ("--model", "sd_xl_base_1.0.safetensors", "--model", "dreamshaper_8.safetensors")
    at = simulate(runtime, "--plain", "--service-time", "0.5", *models)

    assert run(python, client, at.url, str(folder), "simulated") == ""


def test_a_client_that_is_answered_otherwise_says_so(
    simulate: Callable[..., Sim],  # noqa: F811 - the fixture
    python: Path,
    folder: Path,
) -> None:
    at = simulate("sdwebui", "--plain", "--service-time", "0.05", "--fault", "no-output")

    assert "AssertionError: []" in run(python, "webuiapi", at.url, str(folder))
