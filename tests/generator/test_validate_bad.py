"""Every rule has configs that break it, with the exact text of each message.

A folder of bad/ holds config.yaml, expected.txt and, where a rule is about them, flags.txt (flags of the
command line, or `deriving` for commands that derive names). UPDATE_EXPECTED=1 rewrites expected.txt: read the
diff then.
"""

import argparse
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from generator import app, paths
from generator.cli import flags as common_flags
from generator.config import document, report, validate
from generator.errors import ConfigError
from generator.facts.facts import Facts

BAD = Path(__file__).parent / "bad"
CASES = sorted(folder.name for folder in BAD.iterdir())
TODAY = date(2026, 11, 22)


def validate_output(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The output of `generator validate` for a case, on one fixed day, in an empty environment."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    flags = (folder / "flags.txt").read_text().split() if (folder / "flags.txt").exists() else []
    parser = argparse.ArgumentParser()
    common_flags.add_target(parser)
    args = parser.parse_args([flag for flag in flags if flag != "deriving"])
    lines: list[str] = []
    try:
        text = app.read_text(str(folder / "config.yaml"))
        lines = text.splitlines()
        config = document.load(text, "config.yaml")
        context = replace(app.context(config.data, common_flags.target(args)), today=TODAY)
        facts = Facts(paths.data())
        problems = validate.problems(config, app.schema(), facts, context, deriving="deriving" in flags)
    except ConfigError as error:
        problems = [replace(problem, source="config.yaml") for problem in error.problems]
    return report.text(problems, {"config.yaml": lines})


@pytest.mark.parametrize("case", CASES)
def test_a_bad_config_is_answered_word_for_word(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = BAD / case
    output = validate_output(folder, monkeypatch)
    if os.environ.get("UPDATE_EXPECTED"):
        (folder / "expected.txt").write_text(output)

    assert output == (folder / "expected.txt").read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_case_shows_the_rule_in_its_name(case: str) -> None:
    assert f"[{case[:5]}]" in (BAD / case / "expected.txt").read_text()


def test_every_rule_has_a_case() -> None:
    assert set(validate.catalogue()) == {case[:5] for case in CASES}
