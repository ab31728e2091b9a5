"""For any config, `validate` reports problems and never raises a traceback."""

import copy
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import app, paths
from generator.config import document, explain, validate
from generator.errors import ConfigError
from generator.facts.facts import Facts
from generator.solution.context import Context

pytestmark = pytest.mark.thorough

SCHEMA = app.schema()
FACTS = Facts(paths.data())
CONTEXT = Context("us-west-2", "123456789012", date(2026, 11, 22))
PATHS = [key.steps for key in explain.keys(SCHEMA)]

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(max_size=12),
    st.sampled_from(
        [
            "1.28",
            "g5.xlarge",
            "g6.2xlarge",
            "5Gi",
            "-",
            "a:b",
            "arn:aws:s3:::x",
            "0",
            "Never",
            "/etc",
            "1e999999",
        ]
    ),
    st.lists(st.one_of(st.none(), st.text(max_size=5), st.integers()), max_size=3),
    st.dictionaries(
        st.text(max_size=8), st.one_of(st.none(), st.text(max_size=8), st.integers()), max_size=3
    ),
)
BASE: dict[str, Any] = {
    "stackName": "demo",
    "modelBucketArn": "arn:aws:s3:::demo-models",
    "modelsRuntime": [
        {"name": "a", "type": "sdwebui", "modelFilename": "a.ckpt"},
        {"name": "b", "type": "custom"},
    ],
}


def put(data: Any, steps: tuple[str, ...], value: Any) -> None:
    """Set the value at `steps`, as far as the path exists in `data`."""
    for step in steps[:-1]:
        if step == "[]":
            if not isinstance(data, list):
                return
            data = data[0] if data else {}
        elif isinstance(data, dict):
            data = data.setdefault(step, [{}] if step.startswith("extra") and step != "extraValues" else {})
        else:
            return
    if isinstance(data, dict) and steps[-1] != "[]":
        data[steps[-1]] = value


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PATHS), ODD), min_size=1, max_size=6))
def test_no_value_makes_validate_crash(changes: list[tuple[tuple[str, ...], Any]]) -> None:
    data = copy.deepcopy(BASE)
    for steps, value in changes:
        put(data, steps, value)
    text = yaml.safe_dump(data, allow_unicode=True)

    try:
        problems = validate.problems(document.load(text, "a.yaml"), SCHEMA, FACTS, CONTEXT)
    except ConfigError as error:
        problems = list(error.problems)

    lines = text.splitlines()
    assert all(1 <= problem.line <= len(lines) + 1 and problem.column >= 1 for problem in problems)
    assert all(
        problem.message and problem.help and problem.code in validate.catalogue() for problem in problems
    )


@settings(max_examples=300)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_no_text_makes_validate_crash(text: str) -> None:
    try:
        validate.problems(document.load(text, "a.yaml"), SCHEMA, FACTS, CONTEXT)
    except ConfigError as error:
        assert error.problems
