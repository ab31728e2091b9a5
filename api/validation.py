"""Checks a value against the part of JSON Schema that schema.py uses; Lambda has no jsonschema to import."""

import re
from collections.abc import Iterator
from typing import Any

from api.problem import Fault
from api.schema import Schema

# Every keyword that means something here. A test holds schema.py to them.
ANNOTATIONS = frozenset({"description"})
KEYWORDS = ANNOTATIONS | {
    "enum",
    "maxLength",
    "minLength",
    "minProperties",
    "pattern",
    "properties",
    "required",
    "type",
}
TYPES: dict[str, type] = {"object": dict, "string": str}


def faults(value: Any, schema: Schema, field: str) -> Iterator[Fault]:
    """Everything wrong with `value`, each with the path of its field."""
    wanted = schema.get("type")
    if wanted is not None and not isinstance(value, TYPES[wanted]):
        article = "an" if wanted == "object" else "a"
        yield Fault(field, f"must be {article} {wanted}")
    elif isinstance(value, dict):
        yield from _in_object(value, schema, field)
    elif isinstance(value, str):
        yield from _in_string(value, schema, field)


def _in_object(value: dict[str, Any], schema: Schema, field: str) -> Iterator[Fault]:
    if len(value) < schema.get("minProperties", 0):
        yield Fault(field, "must not be empty")
    for name in schema.get("required", ()):
        if name not in value:
            yield Fault(_under(field, name), "is missing")
    for name, part in schema.get("properties", {}).items():
        if name in value:
            yield from faults(value[name], part, _under(field, name))


def _in_string(value: str, schema: Schema, field: str) -> Iterator[Fault]:
    if "enum" in schema and value not in schema["enum"]:
        yield Fault(field, f"must be one of {', '.join(schema['enum'])}")
    if len(value) < schema.get("minLength", 0):
        yield Fault(field, "must not be empty")
    if len(value) > schema.get("maxLength", len(value)):
        yield Fault(field, f"must have at most {schema['maxLength']} characters")
    # fullmatch: `$` alone would let a line break pass at the end.
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        yield Fault(field, f"must match {schema['pattern']}")


def _under(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name
