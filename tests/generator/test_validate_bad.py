"""Every rule has configs that break it, with the exact text of each message.

A folder of bad/ holds config.yaml, expected.txt and, where a rule is about them, flags.txt (flags of the
command line, or `deriving` for commands that derive names). UPDATE_EXPECTED=1 rewrites expected.txt: read the
diff then.
"""

import os

import pytest

from generator.config import report, validate
from testing import bad_cases
from testing.bad_cases import BAD, SOURCE, BadCase

CASES = {case.folder.name: case for case in bad_cases.cases()}


def validate_output(case: BadCase, monkeypatch: pytest.MonkeyPatch) -> str:
    """The output of `generator validate` for a case, on one fixed day, in an empty environment."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    text = case.config.read_bytes().decode("utf-8-sig", "replace")
    lines = text.splitlines() if "\ufffd" not in text else []
    return report.text(bad_cases.problems_of_file(case.config, case.flags), {SOURCE: lines})


@pytest.mark.parametrize("case", CASES)
def test_a_bad_config_is_answered_word_for_word(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = BAD / case
    output = validate_output(CASES[case], monkeypatch)
    if os.environ.get("UPDATE_EXPECTED"):
        (folder / "expected.txt").write_text(output)

    assert output == (folder / "expected.txt").read_text()


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_a_case_shows_the_rule_in_its_name(case: str) -> None:
    assert f"[{case[:5]}]" in (BAD / case / "expected.txt").read_text()


def test_every_rule_has_a_case() -> None:
    assert set(validate.catalogue()) == {case.code for case in CASES.values()}
