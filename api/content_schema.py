"""The content of a task for each runtime type, as the OpenAPI document describes it; content.py checks it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from queue_agent.task.invokeai import MAX_SESSIONS
from queue_agent.task.protocol import TASK_TYPES

from api.content import LIST_TASKS
from api.schema import Schema
from api.sdwebui_fields import EXTRA_FIELDS, IMAGE_FIELDS, WebUiField

_LINK_OR_VALUE = "A value, or a link [node id, number of the output]."
_NODE: Schema = {
    "type": "object",
    "required": ["class_type", "inputs"],
    "properties": {
        "class_type": {"type": "string", "minLength": 1},
        "inputs": {"type": "object", "additionalProperties": {"description": _LINK_OR_VALUE}},
        "_meta": {"description": "`title` is the name of the node in errors."},
    },
}
_WORKFLOW: Schema = {
    "type": "object",
    "minProperties": 1,
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
_URL_EXAMPLE = "https://example.com/cat.png"


def _web_ui_request(
    fields: Mapping[str, WebUiField], needed: str, path: str, example: Mapping[str, Any]
) -> Schema:
    """The body of one of SD WebUI's requests, without the field `needed` only where that is empty."""
    properties = {name: field.schema for name, field in fields.items()}
    if needed:
        properties[needed] = replace(fields[needed], nullable=False).schema
    if needed == "imageList":
        texts = {"data": {"type": "string"}, "name": {"type": "string"}}
        items = {"type": "object", "required": list(texts), "properties": texts}
        properties[needed] = {"type": "array", "items": items}
    return {
        "required": [needed] if needed else [],
        "description": f"The body of /sdapi/v1/{path}, with URLs in the place of images. Fields that are not "
        "listed are passed on: extensions add some.",
        "properties": properties,
        "examples": [example],
    }


_REQUESTS: dict[tuple[str, ...], Schema] = {
    ("text-to-image",): _web_ui_request(
        {name: field for name, field in IMAGE_FIELDS.items() if name != "init_images"},
        *("", "txt2img"),
        {"prompt": "a lighthouse", "steps": 20, "width": 768, "height": 512},
    ),
    ("image-to-image",): _web_ui_request(
        *(IMAGE_FIELDS, "init_images", "img2img"),
        {"prompt": "a lighthouse", "init_images": [_URL_EXAMPLE]},
    ),
    ("extra-single-image",): _web_ui_request(
        {name: field for name, field in EXTRA_FIELDS.items() if name != "imageList"},
        *("image", "extra-single-image"),
        {"image": _URL_EXAMPLE, "upscaler_1": "R-ESRGAN 4x+", "upscaling_resize": 2},
    ),
    LIST_TASKS: _web_ui_request(
        *(EXTRA_FIELDS, "imageList", "extra-batch-images"),
        {"imageList": [{"data": _URL_EXAMPLE, "name": "cat.png"}], "upscaler_1": "R-ESRGAN 4x+"},
    ),
}
_GRAPH: Schema = {
    "type": "object",
    "required": ["nodes"],
    "additionalProperties": False,
    "properties": {
        "id": {},
        "nodes": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"type": "string"}},
            },
        },
        "edges": {"description": "[{source: {node_id, field}, destination: {node_id, field}}]"},
    },
    "description": "A graph of InvokeAI.",
}
_DATUM: Schema = {
    "type": "object",
    "required": ["node_path", "field_name", "items"],
    "properties": {
        "node_path": {"type": ["string", "integer"]},
        "field_name": {"type": "string"},
        "items": {"type": "array", "minItems": 1},
    },
}
_BATCH: Schema = {
    "type": "object",
    "required": ["graph"],
    "additionalProperties": False,
    "properties": {
        "graph": _GRAPH,
        "runs": {"type": "integer", "minimum": 1, "maximum": MAX_SESSIONS},
        "data": {
            "type": ["array", "null", "object"],
            "maxProperties": 0,
            "items": {"type": "array", "minItems": 1, "items": _DATUM},
            "description": "Values of further runs: those of one list together, each list with each other.",
        },
        "workflow": {"description": "Written into the pictures."},
    },
    "examples": [
        {
            "graph": {
                "nodes": {
                    "blank": {"type": "blank_image", "width": 512, "height": 512},
                    "end": {"type": "img_scale", "scale_factor": 2, "is_intermediate": False},
                },
                "edges": [
                    {
                        "source": {"node_id": "blank", "field": "image"},
                        "destination": {"node_id": "end", "field": "image"},
                    }
                ],
            }
        }
    ],
}
# The body of a request to InvokeAI.
_ENQUEUED: Schema = {
    "required": ["batch"],
    "additionalProperties": False,
    "properties": {"batch": {**_BATCH, "examples": []}, "prepend": {"enum": [False, 0]}},
}
_SCHEMAS: dict[str, Schema] = {
    "comfyui": {
        "anyOf": [
            _WORKFLOW,
            {"type": "object", "required": ["prompt"], "properties": {"prompt": _WORKFLOW}},
        ]
    },
    "custom": {"examples": [{"prompt": "an owl made of brass gears", "width": 512}]},
    "invokeai": {"anyOf": [_BATCH, _GRAPH, _ENQUEUED]},
}


def content_schemas(runtime_type: str) -> list[tuple[tuple[str, ...], Schema]]:
    """The JSON Schemas of `content`, each with an example and the task types that it is for.

    What is valid by its schema, the API takes, unless an address, a model or a node is refused.
    """
    if runtime_type == "sdwebui":
        return list(_REQUESTS.items())
    return [(TASK_TYPES.get(runtime_type, ()), _SCHEMAS[runtime_type])]
