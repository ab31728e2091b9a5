"""The defaults of a config, read from the schema: their only home."""

from typing import Any

from generator.config.node import Schema, resolved


def of_config(schema: Schema) -> dict[str, Any]:
    """Defaults of the keys at the top of a config, nested as a config is. A key without one is absent."""
    return below(schema, schema)


def of_runtime(schema: Schema) -> dict[str, Any]:
    """Defaults of the keys of an entry of `modelsRuntime`."""
    return below(resolved(schema["properties"]["modelsRuntime"]["items"], schema), schema)


def below(node: Schema, root: Schema) -> dict[str, Any]:
    """Defaults of the keys below one part of the schema, nested as a config is."""
    defaults: dict[str, Any] = {}
    for key, reference in node["properties"].items():
        child = resolved(reference, root)
        if "properties" in child:
            defaults[key] = below(child, root)
        elif "default" in child:
            defaults[key] = child["default"]
    return defaults
