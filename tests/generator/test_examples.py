"""Every example works as it stands, and the documented builds match what is built."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
NAMES = {
    "minimal",
    "three-runtimes",
    "dynamic-model",
    "image-cache-snapshot",
    "china",
    "custom-runtime",
    "spot-with-fallback",
    "many-runtimes",
}

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def test_there_is_an_example_for_each_use_case() -> None:
    assert {path.stem for path in EXAMPLES} == NAMES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_validates_builds_and_renders(example: Path, cli: Cli) -> None:
    result = cli("render", str(example), "--chart", "sd-runtimes")

    kinds = [document["kind"] for document in yaml.safe_load_all(result.stdout) if document]
    runtimes = yaml.safe_load(example.read_text("utf-8"))["modelsRuntime"]
    assert result.returncode == 0, result.stderr
    assert kinds.count("Deployment") == kinds.count("NodePool") == len(runtimes)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_states_its_purpose_in_its_first_line(example: Path) -> None:
    assert example.read_text("utf-8").startswith("# ")


def test_the_documented_builds_match_what_the_generator_writes() -> None:
    check = [sys.executable, "tools/examples.py", "--check"]

    result = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), "run `make examples`"
