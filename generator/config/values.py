"""The values of a config as plain data, with the schema's defaults, for code that reads validated data."""

from typing import Any

from generator.config import defaults
from generator.config.node import ConfigNode

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def typed(node: ConfigNode) -> Any:
    """The value of a node with the defaults below it.

    A value of the wrong type, which is the schema's error, counts as absent.
    """
    properties = node.schema.get("properties")
    if properties is not None and not node.given:
        return defaults.below(node.schema, node.root)
    if properties is None:
        value = node.value if _has_type(node) else node.schema.get("default")
        if isinstance(value, list):
            return [typed(item) for item in node.items() if _has_type(item)]
        return value
    extra = node.value if node.given and isinstance(node.value, dict) else {}
    children = {key: node.at(key) for key in (*properties, *extra)}
    values = {key: typed(child) for key, child in children.items() if _is_present(child)}
    return {key: value for key, value in values.items() if value is not None or _may_be_null(children[key])}


def _is_present(node: ConfigNode) -> bool:
    return node.given or "default" in node.schema or "properties" in node.schema


def _has_type(node: ConfigNode) -> bool:
    kinds = _types(node)
    if isinstance(node.value, bool):
        return not kinds or "boolean" in kinds
    return not kinds or any(isinstance(node.value, _KINDS[kind]) for kind in kinds)


def _may_be_null(node: ConfigNode) -> bool:
    return "null" in _types(node)


def _types(node: ConfigNode) -> list[str]:
    kinds = node.schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else kinds
