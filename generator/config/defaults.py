"""The defaults of a config, read from the schema: their only home."""

from typing import Any

from generator.config.node import Schema, resolved


def of_config(schema: Schema) -> dict[str, Any]:
    """Defaults of the keys at the top of a config, nested as a config is. A key without one is absent."""
    return _of(schema, schema)


def of_runtime(schema: Schema) -> dict[str, Any]:
    """Defaults of the keys of an entry of `modelsRuntime`."""
    return _of(resolved(schema["properties"]["modelsRuntime"]["items"], schema), schema)


def _of(node: Schema, root: Schema) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for key, reference in node["properties"].items():
        child = resolved(reference, root)
        if "properties" in child:
            defaults[key] = _of(child, root)
        elif "default" in child:
            defaults[key] = child["default"]
    return defaults
