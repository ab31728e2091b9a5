"""The canonical form of a config: what the reference system also accepts, as schema and chart have it.

The schema says where: `x-any-case` (case does not matter: a value is read as the enum has it, or in lower
case), `x-aliases` (values with another meaning here; "" also stands for an empty key), `x-may-be-empty` (an
empty key counts as absent), `x-ignored-repository` (an image that counts as absent).
"""

from collections.abc import Mapping
from typing import Any

from generator.config.node import Schema, child_schema, resolved


def canonical(data: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """The data of a config with canonical values. Any data is accepted: the schema is checked afterwards."""
    return _mapping(data, schema, schema)


def _mapping(values: Mapping[str, Any], here: Schema, root: Schema) -> dict[str, Any]:
    children = {key: child_schema(here, key, root) for key in values}
    return {
        key: _value(value, children[key], root)
        for key, value in values.items()
        if not _is_absent(value, children[key])
    }


def _is_absent(value: Any, here: Schema) -> bool:
    if value is None:
        return "x-may-be-empty" in here
    return isinstance(value, dict) and is_ignored(str(value.get("repository")), here)


def is_ignored(repository: str, image: Schema) -> bool:
    """Whether an image with this repository counts as absent."""
    return repository.rpartition("/")[2] == image.get("x-ignored-repository")


def _value(value: Any, here: Schema, root: Schema) -> Any:
    if isinstance(value, dict):
        return _mapping(value, here, root)
    if isinstance(value, list):
        item = resolved(here.get("items", {}), root)
        return [_value(entry, item, root) for entry in value]
    aliases = here.get("x-aliases", {})
    text = "" if value is None else value
    if isinstance(text, str) and text in aliases:
        return aliases[text]
    return _in_schemas_case(value, here) if isinstance(value, str) and "x-any-case" in here else value


def _in_schemas_case(value: str, here: Schema) -> str:
    lower = value.lower()
    return next((choice for choice in here.get("enum", ()) if choice.lower() == lower), lower)
