"""Checks a value against the part of JSON Schema that schema.py uses; Lambda has no jsonschema to import."""

import json
import re
from collections.abc import Iterator
from typing import Any

from api.problem import Fault
from api.schema import Schema

# Every keyword that means something here. A test holds schema.py to them.
ANNOTATIONS = frozenset({"description"})
KEYWORDS = ANNOTATIONS | {
    "enum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "minProperties",
    "pattern",
    "properties",
    "required",
    "type",
}
TYPES: dict[str, tuple[type, ...]] = {"object": (dict,), "string": (str,), "number": (int, float)}
# What an agent takes, beyond what JSON Schema can say.
MAX_DEPTH = 64
MAX_CONTEXT_BYTES = 65_536


def faults(value: Any, schema: Schema, field: str) -> Iterator[Fault]:
    """Everything wrong with `value`, each with the path of its field."""
    wanted = schema.get("type")
    if wanted is not None and not _is(value, wanted):
        article = "an" if wanted == "object" else "a"
        yield Fault(field, f"must be {article} {wanted}")
    elif isinstance(value, dict):
        yield from _in_object(value, schema, field)
    elif isinstance(value, str):
        yield from _in_string(value, schema, field)
    elif "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        yield Fault(field, f"must be above {schema['exclusiveMinimum']}")


def too_much(metadata: dict[str, Any], content: dict[str, Any], field: str) -> Iterator[Fault]:
    """What would make an agent set the task aside: too deep, or a context that no callback can carry."""
    if _deeper({"metadata": metadata, "content": content}, MAX_DEPTH):
        yield Fault(field, f"is nested deeper than {MAX_DEPTH} levels")
    elif (size := len(canonical(metadata.get("context")))) > MAX_CONTEXT_BYTES:
        yield Fault(f"{field}.metadata.context", f"has {size} bytes, more than {MAX_CONTEXT_BYTES}")


def canonical(value: Any) -> str:
    """One text for equal values; in ASCII, since SQS refuses some characters that JSON allows."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _is(value: Any, kind: str) -> bool:
    # To Python a boolean is a number.
    return isinstance(value, TYPES[kind]) and not isinstance(value, bool)


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [child for children in inner for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True


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
