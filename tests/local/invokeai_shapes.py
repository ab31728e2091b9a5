"""What InvokeAI's OpenAPI document says of the calls that the adapter makes, without the other nine tenths.

`make invokeai-shapes` writes it to invokeai.json. Tests hold the simulation and what the adapter sends to it.
"""

import json
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

from tests.local.invokeai_server import running

FILE = Path(__file__).with_name("invokeai.json")
QUEUE = "/api/v1/queue/{queue_id}"
# Each call of the adapter with the status of its success.
CALLS = {
    f"GET {QUEUE}/status": "200",
    f"POST {QUEUE}/enqueue_batch": "200",
    f"GET {QUEUE}/list_all": "200",
    f"GET {QUEUE}/b/{{batch_id}}/status": "200",
    f"GET {QUEUE}/i/{{item_id}}": "200",
    f"PUT {QUEUE}/i/{{item_id}}/cancel": "200",
    "POST /api/v1/images/upload": "201",
    "POST /api/v1/images/delete": "200",
    "GET /api/v1/images/i/{image_name}/metadata": "200",
    "GET /api/v2/models/": "200",
}
# What a session's results hold, a union of every node's output in the document.
OUTPUTS = ("ImageOutput", "ImageCollectionOutput")
KEYWORDS = ("type", "enum", "const", "items", "additionalProperties", "anyOf", "oneOf", "allOf")
# A longer union lists every node or model there is: of those, what all have in common will do.
LONGEST_UNION = 10


class Distiller:
    """Copies schemas with all that they refer to."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._known: Mapping[str, Any] = document["components"]["schemas"]
        self.schemas: dict[str, Any] = {}

    def named(self, name: str) -> dict[str, Any]:
        """A reference to a schema, which is copied at the first."""
        if name not in self.schemas:
            self.schemas[name] = {}
            self.schemas[name] = self.plain(self._known[name])
        return {"$ref": f"#/schemas/{name}"}

    def plain(self, schema: Any) -> Any:
        """A schema without its words; an object with known properties has no others."""
        if not isinstance(schema, Mapping):
            return schema
        if "$ref" in schema:
            return self.named(_name(schema))
        union = schema.get("oneOf") or schema.get("anyOf") or []
        if len(union) > LONGEST_UNION:
            return {"type": "object", "required": self._common(union)}
        shape = {key: self._value(schema[key]) for key in KEYWORDS if key in schema}
        if "properties" in schema:
            shape["required"] = sorted(_required(schema))
            shape["properties"] = {key: self.plain(value) for key, value in schema["properties"].items()}
            shape.setdefault("additionalProperties", False)
        return shape

    def _value(self, value: Any) -> Any:
        return [self.plain(part) for part in value] if isinstance(value, list) else self.plain(value)

    def _common(self, union: list[Mapping[str, Any]]) -> list[str]:
        return sorted(
            set.intersection(*(_required(self._known[_name(part)]) for part in union if "$ref" in part))
        )


def _required(schema: Mapping[str, Any]) -> set[str]:
    """The fields that are always there: InvokeAI leaves null out of the answer that shows one item."""
    fields = schema["properties"]
    nullable = {name for name, field in fields.items() if {"type": "null"} in field.get("anyOf", ())}
    return set(schema.get("required", ())) & set(fields) - nullable


def _name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def distilled(document: Mapping[str, Any]) -> dict[str, Any]:
    """The calls' bodies and answers, and the schemas that they need."""
    distiller = Distiller(document)
    calls = {}
    for call, status in CALLS.items():
        method, path = call.split()
        operation = document["paths"][path][method.lower()]
        answer = distiller.plain(_schema(operation["responses"][status]))
        body = distiller.plain(_schema(operation["requestBody"])) if "requestBody" in operation else None
        asked = sorted(
            parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"
        )
        calls[call] = {"query": asked, "body": body, "answer": answer}
    for name in OUTPUTS:
        distiller.named(name)
    return {"calls": calls, "schemas": dict(sorted(distiller.schemas.items()))}


def _schema(content: Mapping[str, Any]) -> Any:
    return next(iter(content["content"].values()))["schema"]


def fetched(url: str) -> dict[str, Any]:
    """The same from a server, with its version."""
    documents = {}
    for name in ("openapi.json", "api/v1/app/version"):
        with urllib.request.urlopen(f"{url}/{name}", timeout=60) as answer:
            documents[name] = json.load(answer)
    return {**distilled(documents["openapi.json"]), **documents["api/v1/app/version"]}


def shapes() -> dict[str, Any]:
    """What the file holds."""
    return dict(json.loads(FILE.read_text()))


def text(document: Mapping[str, Any]) -> str:
    """The file's text."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def faults(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Where a value is not of a shape."""
    document = {**schema, "schemas": shapes()["schemas"]}
    errors = jsonschema.Draft202012Validator(document).iter_errors(value)
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as at:
        FILE.write_text(text(fetched(at)))
