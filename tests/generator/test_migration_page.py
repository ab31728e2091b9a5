"""docs/migration.md names the keys, defaults and outputs that there are."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from queue_agent.settings import variables

from generator import yaml_loader
from generator.config import document, explain, validate
from generator.errors import Severity
from generator.solution.context import Context
from testing import solving
from tests.generator.configs import FACTS, SCHEMA

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text("utf-8")
RUNTIME = "modelsRuntime[]"
CONTEXT = Context("us-west-2", "123456789012", date(2026, 11, 22))
BY_PATH = {key.path: key for key in explain.keys(SCHEMA)}


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table
    for line in table.group().splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


DEFAULTS = [(codes(key)[0], *cells) for key, *cells in rows("Defaults that differ")]
SET_BACK = yaml_loader.load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL).group(1))  # type: ignore[union-attr]


def set_back(path: str) -> Any:
    value: Any = SET_BACK["extraValues"]
    for step in path.split("."):
        if step not in value:
            return None
        value = value[step]
    return value


@pytest.mark.parametrize(("path", "here"), [(path, here) for path, _, here, _ in DEFAULTS])
def test_a_default_is_the_schemas(path: str, here: str) -> None:
    schema = BY_PATH[f"{RUNTIME}.extraValues.{path}"].schema

    assert schema["default"] == yaml_loader.load(codes(here)[0])


@pytest.mark.parametrize(("path", "there"), [(path, there) for path, there, _, _ in DEFAULTS])
def test_what_differs_is_set_back_as_it_was(path: str, there: str) -> None:
    if codes(there):
        assert set_back(path) == yaml_loader.load(codes(there)[0])
    else:
        assert set_back(path) is None


def test_the_config_that_sets_all_back_is_valid() -> None:
    config = {
        "stackName": "demo",
        "modelBucketArn": "arn:aws:s3:::demo-models",
        "modelsRuntime": [{"name": "one", "type": "comfyui", **SET_BACK}],
    }
    loaded = document.load(yaml.safe_dump(config), "config.yaml")

    problems = validate.problems(loaded, SCHEMA, FACTS, CONTEXT, deriving=True)

    assert [problem for problem in problems if problem.severity is Severity.ERROR] == []
    assert solving.built(solving.solution(config, CONTEXT))


def test_the_keys_without_effect_are_those_of_the_schema() -> None:
    listed = {f"{RUNTIME}.{key}" for cell, _ in rows("Keys without effect") for key in codes(cell)}

    assert listed == {path for path, key in BY_PATH.items() if "x-no-effect" in key.schema}
    for _, instead in rows("Keys without effect"):
        for path in codes(instead):
            assert f"{RUNTIME}.{path}" in BY_PATH or path in BY_PATH, path


def test_every_value_that_may_be_read_as_absent_is_a_mapping_or_may_be_empty() -> None:
    [cell] = [value for value, read in rows("Values that are read differently") if read == "absent"]
    for name in codes(cell):
        keys = [key for path, key in BY_PATH.items() if path.rpartition(".")[2] == name]
        assert any("x-may-be-empty" in key.schema for key in keys), name


def test_the_outputs_are_those_of_the_stack() -> None:
    solution = solving.solution(
        {
            "stackName": "demo",
            "modelBucketArn": "arn:aws:s3:::demo-models",
            "modelsRuntime": [{"name": "one", "type": "comfyui"}],
        },
        CONTEXT,
    )
    outputs = yaml_loader.load(solving.built(solution)["stack.yaml"])["Outputs"]

    named = [codes(here)[0] for _, here in rows("Outputs") if not here.startswith("none")]

    assert named
    assert set(named) <= outputs.keys()
    assert solution.runtimes[0].output_bucket == "demo-one-123456789012-us-west-2"


def test_the_variables_that_work_are_the_agents() -> None:
    section = PAGE.split("Variables of the queue agent:", 1)[1].split("\n## ", 1)[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]

    works = {codes(there)[0] for there, here in cells if here.startswith("works")}

    assert works == {"LOGLEVEL", "DISABLE_XRAY", "EXP_CALLBACK_WHEN_RUNNING"}
    assert works < variables().keys()
    assert "API_BASE_URL" not in variables()


def test_the_rules_that_refuse_exist_and_are_errors() -> None:
    catalogue = validate.catalogue()
    refused = [code for _, code, _ in rows("What is refused")]

    assert refused
    assert {catalogue[code][0] for code in refused} == {Severity.ERROR}
    assert set(re.findall(r"SD\d{3}", PAGE)) <= catalogue.keys()
