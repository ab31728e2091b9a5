"""Merges values as Helm does."""

from collections.abc import Mapping
from typing import Any


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` overridden by `over`: maps are merged key by key, any other value is replaced as a whole."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both_maps = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = merged(result[key], value) if both_maps else value
    return result
