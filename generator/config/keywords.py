"""JSON Schema as configs need it: what differs from jsonschema's own keywords and types."""

import math
import re
from collections.abc import Iterator
from typing import Any

from generator.config.node import Schema


def errors(data: Any, schema: Schema) -> Iterator[Any]:
    """Every `jsonschema.ValidationError` of the data."""
    from jsonschema import Draft7Validator, validators  # noqa: PLC0415 - not needed for invalid YAML

    own = {
        "pattern": _pattern,
        "enum": _enum,
        "required": _required,
        "additionalProperties": _additional_properties,
    }
    # JSON Schema also takes 8.0 as an integer; rules, the chart and Kubernetes do not.
    types = Draft7Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number})
    extend: Any = validators.extend  # which is not typed
    found: Iterator[Any] = extend(Draft7Validator, own, type_checker=types)(schema).iter_errors(data)
    return found


def is_valid(value: Any, here: Schema) -> bool:
    """Whether the value has no error, with jsonschema's own keywords."""
    from jsonschema import Draft7Validator  # noqa: PLC0415 - as above

    return bool(Draft7Validator(dict(here)).is_valid(value))


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: Any, value: Any) -> bool:
    """Whether JSON can hold the value: .inf and .nan are numbers in YAML only."""
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


def _pattern(validator: Any, pattern: str, instance: Any, _: Schema) -> Iterator[Any]:
    """As jsonschema's own, but `$` matches only at the end: Python's also matches before a final newline."""
    if validator.is_type(instance, "string") and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield _error(pattern)


def _enum(validator: Any, allowed: list[Any], instance: Any, here: Schema) -> Iterator[Any]:
    """As jsonschema's own, but a value of another type has that one error only."""
    if validator.is_type(instance, here["type"]) and instance not in allowed:
        yield _error(allowed)


def _required(validator: Any, required: list[str], instance: Any, _: Schema) -> Iterator[Any]:
    """As jsonschema's own, with the missing key as the error's `validator_value`."""
    if validator.is_type(instance, "object"):
        yield from (_error(key) for key in required if key not in instance)


def _additional_properties(validator: Any, allowed: Any, instance: Any, here: Schema) -> Iterator[Any]:
    """As jsonschema's own, with one error for each unknown key, which is its `validator_value`."""
    if not validator.is_type(instance, "object"):
        return
    for key in sorted(set(instance) - set(here.get("properties", {}))):
        if isinstance(allowed, dict):
            yield from validator.descend(instance[key], allowed, path=key)
        elif not allowed:
            yield _error(key)


def _error(value: Any) -> Any:
    from jsonschema import ValidationError  # noqa: PLC0415 - as above

    return ValidationError("", validator_value=value)
