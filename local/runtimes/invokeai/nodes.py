"""The nodes that the simulated InvokeAI knows, with the types, ranges and choices of their fields."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# All nodes of InvokeAI 6.14.2: `make invokeai-nodes`.
FILE = Path(__file__).with_name("nodes.json")
Problem = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One type of node. Its fields and outputs are JSON schemas by name."""

    required: tuple[str, ...]  # to be queued
    fields: Mapping[str, Any]
    # What must have a value when the node runs, and whether only an edge can give it.
    needed: Mapping[str, bool]
    output: str
    outputs: Mapping[str, Any]


@functools.cache
def known() -> dict[str, Node]:
    """Every type of node."""
    return {name: Node(**node) for name, node in _document()["nodes"].items()}


@functools.cache
def _document() -> dict[str, Any]:
    return dict(json.loads(FILE.read_text()))


def problem(kind: str, where: list[Any], text: str) -> Problem:
    """An error as in InvokeAI's 422."""
    return {"type": kind, "loc": where, "msg": text}


def problems_of(value: Any, schema: Mapping[str, Any], where: list[Any]) -> Iterator[Problem]:
    """Where a value is not of its type. As Pydantic, it takes a number that is written as text."""
    if "$ref" in schema:
        yield from _object(value, schema["$ref"], where)
    elif branches := schema.get("anyOf") or schema.get("oneOf"):
        found = [list(problems_of(value, branch, where)) for branch in branches]
        if all(found):
            yield from (one for some in found for one in some if one["type"] != "none_required")
    elif "enum" in schema or "const" in schema:
        choices = schema.get("enum") or [schema["const"]]
        if value not in choices:
            *most, last = [repr(choice) for choice in choices]
            text = f"{', '.join(most)} or {last}" if most else last
            yield problem("literal_error", where, f"Input should be {text}")
    elif schema.get("type") == "array":
        if not isinstance(value, list):
            yield problem("list_type", where, "Input should be a valid list")
        else:
            for number, item in enumerate(value):
                yield from problems_of(item, schema.get("items") or {}, [*where, number])
    else:
        yield from _scalar(value, schema, where)


def _object(value: Any, name: str, where: list[Any]) -> Iterator[Problem]:
    schema = _document()["schemas"][name]
    if schema.get("type") != "object":
        yield from problems_of(value, schema, where)
        return
    if not isinstance(value, Mapping):
        text = f"Input should be a valid dictionary or instance of {name}"
        yield problem("model_type", where, text)
        return
    for field in schema.get("required", ()):
        if field not in value:
            yield problem("missing", [*where, field], "Field required")
    for field, inner in schema.get("properties", {}).items():
        if field in value:
            yield from problems_of(value[field], inner, [*where, field])


def _scalar(value: Any, schema: Mapping[str, Any], where: list[Any]) -> Iterator[Problem]:
    match schema.get("type"):
        case "null":
            if value is not None:
                yield problem("none_required", where, "Input should be None")
        case "string":
            if not isinstance(value, str):
                yield problem("string_type", where, "Input should be a valid string")
        case "boolean":
            if not isinstance(value, bool) and str(value).lower() not in ("yes", "no", "true", "false"):
                text = "Input should be a valid boolean, unable to interpret input"
                yield problem("bool_parsing", where, text)
        case "integer" | "number" as kind:
            yield from _number(value, kind, schema, where)


def _number(value: Any, kind: str, schema: Mapping[str, Any], where: list[Any]) -> Iterator[Problem]:
    parse, name, text = (int, "int", "an integer") if kind == "integer" else (float, "float", "a number")
    try:
        number = parse(value)
        if number != float(value):
            raise ValueError
    except (TypeError, ValueError):
        valid = f"Input should be a valid {text.partition(' ')[2]}"
        if isinstance(value, float):
            yield problem("int_from_float", where, f"{valid}, got a number with a fractional part")
        elif isinstance(value, str):
            yield problem(f"{name}_parsing", where, f"{valid}, unable to parse string as {text}")
        else:
            yield problem(f"{name}_type", where, valid)
        return
    for key, sign, low in (
        ("exclusiveMinimum", "greater than", True),
        ("minimum", "greater than or equal to", True),
        ("exclusiveMaximum", "less than", False),
        ("maximum", "less than or equal to", False),
    ):
        limit = schema.get(key)
        inside = limit is None or (number > limit if low else number < limit)
        if not inside and not (number == limit and "equal" in sign):
            yield problem(
                sign.replace(" or equal to", "_equal").replace(" ", "_"),
                where,
                f"Input should be {sign} {limit}",
            )
