"""The examples of the page for users of the API run as they stand, in both languages of the page."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.paths import root
from local import config
from local.pipeline import Pipeline, running
from local.pods import Durations

pytestmark = pytest.mark.thorough

PAGES = ("api.md", "api.zh-CN.md")
PROGRAMS = {
    "bash": ["bash", "-eu", "-o", "pipefail", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "--eval"],
}
EXAMPLE = re.compile(r"^```(bash|python|javascript)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def examples(page: str) -> list[tuple[str, str]]:
    """The language and the text of each example of a page."""
    return EXAMPLE.findall((root() / "docs" / page).read_text("utf-8"))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("page")
    built = config.build(str(root() / "local" / "demo.yaml"), folder / "build")
    with running(built, Durations(service=0.2, load=0.1), folder / "logs") as pipeline:
        yield pipeline


def test_both_pages_have_the_same_examples() -> None:
    english, chinese = map(examples, PAGES)

    assert english == chinese
    assert {language for language, _ in english} == set(PROGRAMS)


@pytest.mark.parametrize(("language", "text"), examples(PAGES[0]), ids=lambda value: value[:12])
def test_an_example_runs_as_it_stands(pipeline: Pipeline, tmp_path: Path, language: str, text: str) -> None:
    program = PROGRAMS[language]
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    env = {
        **os.environ,
        "API_URL": pipeline.api.url,
        "API_KEY": pipeline.api.key,
        "COMFY_BASE_URL": f"{pipeline.api.url}/comfy/comfyui",
        "COMFY_API_KEY": pipeline.api.key,
    }

    done = subprocess.run(
        [*program, text], check=False, cwd=root(), env=env, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
