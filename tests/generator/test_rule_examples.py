"""Each rule has a wrong and a right example, made from the cases of bad/."""

import pytest

from generator.config import validate
from generator.config.examples import FILE, examples
from generator.errors import Severity
from testing import bad_cases, rule_examples

pytestmark = pytest.mark.thorough

RIGHT = {case.folder.name: case for case in bad_cases.cases() if case.right.exists()}


@pytest.fixture(autouse=True)
def _no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def test_every_rule_has_an_example() -> None:
    missing = validate.catalogue().keys() - examples().keys()

    assert not missing, "run: make reference (it says for which rules you have to write right.yaml)"


def test_the_examples_are_fresh() -> None:
    assert FILE.read_text("utf-8") == rule_examples.text(), "run: make reference"


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_config_has_no_errors_and_keeps_the_rule(name: str) -> None:
    case = RIGHT[name]

    problems = bad_cases.problems_of_file(case.right, case.right_flags)

    assert [p.message for p in problems if p.code == case.code or p.severity is Severity.ERROR] == []


@pytest.mark.parametrize("code", examples())
def test_an_example_marks_its_fault_and_shows_what_differs(code: str) -> None:
    example = examples()[code]

    assert not example.wrong or 0 <= example.at < len(example.wrong)
    assert (example.wrong, example.flags) != (example.right, example.right_flags)
    assert len(example.wrong) < 40
    assert example.right
