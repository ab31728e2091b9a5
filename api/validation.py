"""Validates a value against the part of JSON Schema that schema.py uses; Lambda has no jsonschema."""

import math
import re
from collections.abc import Iterator
from typing import Any

from queue_agent.task.output_rules import output_errors
from queue_agent.task.protocol import CONTEXT_MAX_BYTES, canonical_json, structure_error

from api.problem import FieldError
from api.schema import Schema
from api.webhook_urls import webhook_error

TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int, float),
    "object": (dict,),
    "string": (str,),
    "number": (int, float),
}


def schema_errors(value: Any, schema: Schema, field: str) -> Iterator[FieldError]:
    """Every error of `value`, each with the path of its field."""
    expected = schema.get("type")
    if expected is not None and not _has_type(value, expected):
        article = "an" if expected in ("integer", "object") else "a"
        yield FieldError(field, f"must be {article} {expected}")
    elif isinstance(value, dict):
        yield from _object_errors(value, schema, field)
    elif isinstance(value, str):
        yield from _string_errors(value, schema, field)
    elif isinstance(value, int | float):
        yield from _number_errors(value, schema, field)


def limit_errors(
    metadata: dict[str, Any], content: dict[str, Any], field: str, *, local: bool = False
) -> Iterator[FieldError]:
    """What JSON Schema cannot express: structure, size of the context, where a webhook leads.

    `local`: it may lead to this machine too.
    """
    for name, text in output_errors(metadata["output"]) if "output" in metadata else ():
        yield FieldError(_join(f"{field}.metadata.output", name).removesuffix("."), text)
    if "webhook" in metadata and (error := webhook_error(metadata["webhook"], local=local)):
        yield FieldError(f"{field}.metadata.webhook", error)
    if structure := structure_error({"metadata": metadata, "content": content}):
        yield FieldError(field, structure)
    elif (size := len(canonical_json(metadata.get("context")))) > CONTEXT_MAX_BYTES:
        yield FieldError(f"{field}.metadata.context", f"has {size} bytes; the maximum is {CONTEXT_MAX_BYTES}")


def _has_type(value: Any, name: str) -> bool:
    # In Python a boolean is a number too.
    if isinstance(value, bool):
        return name == "boolean"
    whole = name != "integer" or (isinstance(value, int | float) and value % 1 == 0)
    return whole and isinstance(value, TYPES[name])


def _object_errors(value: dict[str, Any], schema: Schema, field: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minProperties", 0):
        yield FieldError(field, "must not be empty")
    for name in schema.get("required", ()):
        if name not in value:
            yield FieldError(_join(field, name), "is missing")
    for name, part in schema.get("properties", {}).items():
        if name in value:
            yield from schema_errors(value[name], part, _join(field, name))
    if schema.get("additionalProperties") is False:
        known = ", ".join(schema["properties"])
        for name in sorted(value.keys() - schema["properties"].keys()):
            yield FieldError(_join(field, name[:64]), f"is not a known key; the keys are {known}")


def _number_errors(value: float, schema: Schema, field: str) -> Iterator[FieldError]:
    if value < schema.get("minimum", -math.inf):
        yield FieldError(field, f"must be at least {schema['minimum']}")
    if value <= schema.get("exclusiveMinimum", -math.inf):
        yield FieldError(field, f"must be greater than {schema['exclusiveMinimum']}")
    if value > schema.get("maximum", math.inf):
        yield FieldError(field, f"must be at most {schema['maximum']}")


def _string_errors(value: str, schema: Schema, field: str) -> Iterator[FieldError]:
    if "enum" in schema and value not in schema["enum"]:
        yield FieldError(field, f"must be one of {', '.join(schema['enum'])}")
    if len(value) < schema.get("minLength", 0):
        yield FieldError(field, "must not be empty")
    if len(value) > schema.get("maxLength", len(value)):
        yield FieldError(field, f"must have at most {schema['maxLength']} characters")
    # fullmatch: `$` alone would accept a line break at the end.
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        yield FieldError(field, f"must match {schema['pattern']}")


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name
