"""Writes the nodes that the simulated InvokeAI knows, from those of a real one: `make invokeai-nodes`."""

import json
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.runtimes.invokeai.nodes import FILE
from tests.local.invokeai_server import running

KEYWORDS = (
    "default",
    "type",
    "enum",
    "const",
    "items",
    "additionalProperties",
    "anyOf",
    "oneOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
)
REFERENCE = "#/components/schemas/"
# Fields that every node has.
ATTRIBUTES = ("id", "type")


def main() -> None:
    """Start InvokeAI and write the file: one line for each node and for each type of its fields."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as at:
        document = fetched(at)
    parts = []
    for name, rows in document.items():
        lines = [f"{json.dumps(key)}: {json.dumps(row, separators=(',', ':'))}" for key, row in rows.items()]
        parts.append(f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}")
    FILE.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def fetched(url: str) -> dict[str, Any]:
    """The nodes of a server by type, and the schemas that their fields refer to by name."""
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=60) as answer:
        schemas = json.load(answer)["components"]["schemas"]
    nodes = {
        schema["properties"]["type"]["const"]: _node(schema, schemas)
        for schema in schemas.values()
        if schema.get("class") == "invocation"
    }
    needed: dict[str, Any] = {}
    waiting = list(_references(nodes))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = _plain(schemas[name])
            waiting += _references(needed[name])
    return {"nodes": dict(sorted(nodes.items())), "schemas": dict(sorted(needed.items()))}


def _node(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """`required`: to be queued; `fields`: schemas; `needed`: to run, and whether by an edge only."""
    properties = {key: value for key, value in schema["properties"].items() if key not in ATTRIBUTES}
    needed = {
        name: field["input"] == "connection"
        for name, field in properties.items()
        if field.get("orig_required")
        and "orig_default" not in field
        and field.get("input") in ("any", "connection")
    }
    output = schemas[schema["output"]["$ref"].removeprefix(REFERENCE)]["properties"]
    required = [name for name in schema.get("required", ()) if name not in ATTRIBUTES]
    return {
        "required": required,
        "fields": {name: _plain(field) for name, field in properties.items()},
        "needed": needed,
        "output": output["type"]["const"],
        "outputs": {
            name: _plain(field) for name, field in output.items() if name not in ("type", "output_meta")
        },
    }


def _plain(schema: Any) -> Any:
    """A schema without its descriptions; the names of its references without their path."""
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return {"$ref": str(schema["$ref"]).removeprefix(REFERENCE)}
    shape: dict[str, Any] = {}
    for key in KEYWORDS:
        if key in schema:
            value = schema[key]
            parts = isinstance(value, list) and key in ("anyOf", "oneOf")
            shape[key] = [_plain(part) for part in value] if parts else _plain(value)
    if "properties" in schema:
        shape["properties"] = {name: _plain(field) for name, field in schema["properties"].items()}
        shape["required"] = schema.get("required", [])
    return shape


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield str(value["$ref"])
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


if __name__ == "__main__":
    main()
