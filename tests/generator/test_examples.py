"""Every example works as it stands, and what is shown of its build is what its build is."""

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


def test_there_is_an_example_for_each_thing_that_users_ask_for() -> None:
    assert {path.stem for path in EXAMPLES} == NAMES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_validates_builds_and_renders(example: Path, cli: Cli) -> None:
    done = cli("render", str(example), "--chart", "sd-runtimes")

    kinds = [document["kind"] for document in yaml.safe_load_all(done.stdout) if document]
    runtimes = yaml.safe_load(example.read_text("utf-8"))["modelsRuntime"]
    assert done.returncode == 0, done.stderr
    assert kinds.count("Deployment") == kinds.count("NodePool") == len(runtimes)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_says_in_its_first_line_what_it_is_for(example: Path) -> None:
    assert example.read_text("utf-8").startswith("# ")


def test_the_builds_that_are_shown_are_what_the_generator_makes() -> None:
    check = [sys.executable, "tools/examples.py", "--check"]

    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run `make examples`"
