"""The contract is complete: every key described, every object closed, defaults and examples true."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from generator import app, yaml_loader
from generator.config import explain
from generator.config.node import resolved
from generator.config.schema import TYPES

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = app.schema()
KEYS = list(explain.keys(SCHEMA))
# Keywords that Helm reports clearly, and our own extensions, which validators ignore.
KEYWORDS = {
    *(
        "$schema",
        "$ref",
        "title",
        "definitions",
        "description",
        "type",
        "default",
        "examples",
        "properties",
        "items",
    ),
    *("additionalProperties", "propertyNames", "required", "enum", "pattern", "minimum", "maximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    *("x-expected", "x-default", "x-no-effect", "x-old-spelling"),
    *("x-any-case", "x-aliases", "x-may-be-empty", "x-ignored-repository"),
}


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema."""
    yield schema
    inner = [schema[key] for key in ("items", "additionalProperties", "propertyNames") if key in schema]
    maps = [schema[key] for key in ("properties", "definitions") if key in schema]
    for child in [*inner, *(value for mapping in maps for value in mapping.values())]:
        if isinstance(child, dict):
            yield from schemas(child)


EVERY = list(schemas(SCHEMA))


def keyed(keys: list[explain.Key]) -> Any:
    return pytest.mark.parametrize("key", keys, ids=[key.path for key in keys])


def test_it_is_a_draft_07_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


def test_it_uses_only_keywords_that_have_words() -> None:
    assert {keyword for schema in EVERY for keyword in schema} <= KEYWORDS


def test_every_object_with_keys_of_its_own_is_closed() -> None:
    assert [
        schema
        for schema in EVERY
        if "properties" in schema and schema.get("additionalProperties") is not False
    ] == []


def test_every_pattern_describes_what_it_expects() -> None:
    assert [schema for schema in EVERY if "pattern" in schema and "x-expected" not in schema] == []


def test_the_definitions_of_nodes_and_pods_stand_alone() -> None:
    for name in ("karpenter", "runtime"):
        assert [schema for schema in schemas(SCHEMA["definitions"][name]) if "$ref" in schema] == []


@keyed(KEYS)
def test_a_key_is_described(key: explain.Key) -> None:
    assert len(key.schema["description"]) > 8
    assert key.schema["description"].endswith(".")


@pytest.mark.thorough
@keyed(KEYS)
def test_a_key_has_an_example_that_the_schema_accepts(key: explain.Key) -> None:
    validator = Draft7Validator({**SCHEMA, "required": [], **key.schema})

    assert key.schema["examples"]
    assert [
        str(error) for example in key.schema["examples"] for error in validator.iter_errors(example)
    ] == []


@keyed([key for key in KEYS if "properties" not in key.schema and "x-no-effect" not in key.schema])
def test_a_key_is_required_or_has_a_default_or_says_what_holds_without_it(key: explain.Key) -> None:
    assert key.required or "default" in key.schema or "x-default" in key.schema


@keyed([key for key in KEYS if "default" in key.schema])
def test_a_default_is_one_that_the_schema_accepts(key: explain.Key) -> None:
    Draft7Validator(dict(key.schema)).validate(key.schema["default"])


def test_types_have_words() -> None:
    types = [schema["type"] for schema in EVERY if "type" in schema]

    assert {
        kind for kinds in types for kind in (kinds if isinstance(kinds, list) else [kinds])
    } <= TYPES.keys()


def chart_default(key: explain.Key) -> Any:
    """The chart's default of a key of modelsRuntime[], or the schema's own where the chart has none."""
    value = yaml_loader.load((ROOT / "charts/sd-runtimes/values.yaml").read_text())["defaults"]
    for step in [step for step in key.steps[2:] if step != "extraValues"]:
        if not isinstance(value, dict) or step not in value:
            return key.schema["default"]
        value = value[step]
    return value


@keyed([key for key in KEYS if "default" in key.schema and key.steps[0] == "modelsRuntime"])
def test_a_default_is_also_the_charts(key: explain.Key) -> None:
    assert chart_default(key) == key.schema["default"]


def test_a_reference_is_followed() -> None:
    assert resolved({"$ref": "#/definitions/runtime"}, SCHEMA) is SCHEMA["definitions"]["runtime"]
