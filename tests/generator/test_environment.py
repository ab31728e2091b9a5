"""The variables of `extraEnv`, as rules see them: mapping or list, with the text that a container gets."""

import pytest

from generator import app
from generator.config import document
from generator.config.node import top
from generator.config.rules.base import EnvironmentVariable, agent, environment

CONFIG = """\
stackName: demo
modelsRuntime:
- name: one
  extraValues:
    runtime:
      queueAgent:
        extraEnv: {extra}
"""


def variables(extra: str) -> list[EnvironmentVariable]:
    config = document.load(CONFIG.replace("{extra}", extra), "config.yaml")
    return environment(agent(top(config, app.schema()).at("modelsRuntime").items()[0]))


@pytest.mark.parametrize(
    "extra",
    ["{A: one, B: two}", "[{name: A, value: one}, {name: B, value: two}]"],
    ids=["mapping", "list"],
)
def test_both_shapes_give_the_same_variables(extra: str) -> None:
    assert [(variable.name, variable.text) for variable in variables(extra)] == [("A", "one"), ("B", "two")]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("33554432", "33554432"),
        ("1.5", "1.5"),
        ("2.0", "2"),
        ("true", "true"),
        ("False", "false"),
        ('"1e3"', "1e3"),
        ('""', ""),
        ("a b", "a b"),
    ],
)
def test_a_value_is_the_text_that_the_container_gets(written: str, text: str) -> None:
    by_map, by_list = variables(f"{{A: {written}}}"), variables(f"[{{name: A, value: {written}}}]")

    assert [variable.text for variable in [*by_map, *by_list]] == [text, text]


def test_a_value_from_a_secret_has_no_text() -> None:
    secret = "{secretKeyRef: {name: tokens, key: hub}}"

    [variable] = variables(f"[{{name: HF_TOKEN, valueFrom: {secret}}}]")

    assert (variable.name, variable.text) == ("HF_TOKEN", None)


def test_a_listed_variable_without_a_value_is_empty() -> None:
    assert [variable.text for variable in variables("[{name: A}]")] == [""]


@pytest.mark.parametrize("extra", ["null", "7", "[]", "{}", "[7, {value: x}, {name: 3}]"])
def test_what_is_no_variable_is_left_to_the_schema(extra: str) -> None:
    assert variables(extra) == []


@pytest.mark.parametrize(
    ("extra", "on_name", "on_value"),
    [
        ("{ABC: text}", (7, 20), (7, 25)),
        ("[{name: ABC, value: text}]", (7, 27), (7, 39)),
        ("[{name: ABC}]", (7, 27), (7, 20)),
    ],
)
def test_findings_point_at_the_name_and_at_the_value(
    extra: str, on_name: tuple[int, int], on_value: tuple[int, int]
) -> None:
    [variable] = variables(extra)

    for finding, place in ((variable.on_name("x", "y"), on_name), (variable.on_value("x", "y"), on_value)):
        config = finding.node.document
        assert (config.key if finding.on_key else config.value)(finding.node.path) == place
