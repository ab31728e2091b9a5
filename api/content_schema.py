"""The content of a task for each runtime type, as the OpenAPI document describes it; content.py checks it."""

from typing import Any

from api.schema import Schema

_LINK_OR_VALUE = "A value, or a link [node id, number of the output]."
_NODE: Schema = {
    "type": "object",
    "required": ["class_type", "inputs"],
    "properties": {
        "class_type": {"type": "string", "minLength": 1},
        "inputs": {"type": "object", "additionalProperties": {"description": _LINK_OR_VALUE}},
        "_meta": {"type": "object", "properties": {"title": {"type": "string"}}},
    },
}
_WORKFLOW: Schema = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"not": {"const": "prompt"}},
    "additionalProperties": _NODE,
    "description": "A workflow in API format, node by node: in ComfyUI, Workflow > Export (API). It "
    "is checked against the nodes and the models of the runtime as soon as these are known.",
    "examples": [
        {
            "1": {"class_type": "LoadImage", "inputs": {"image": "https://example.com/cat.png"}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "cat"}},
        }
    ],
}
_SCHEMAS: dict[str, Schema] = {
    "comfyui": {
        "anyOf": [
            _WORKFLOW,
            {"type": "object", "required": ["prompt"], "properties": {"prompt": _WORKFLOW}},
        ]
    },
}


def content_schema(runtime_type: str) -> dict[str, Any]:
    """The JSON Schema of `content`, with an example; {} where the content is not described."""
    return _SCHEMAS.get(runtime_type, {})
