"""The JSON Schemas of requests. Both the validation and /openapi.json are made from these."""

from collections.abc import Iterable
from typing import Any

from queue_agent.task.output_rules import (
    DEFAULT_QUALITY,
    FORMATS,
    LOSSY,
    QUALITY_MAX,
    SIZE_MAX,
    SIZE_MIN,
    THUMBNAIL_FORMAT,
    THUMBNAIL_SIZE_MAX,
)
from queue_agent.task.protocol import (
    HIGH,
    ID_PATTERN,
    NORMAL,
    PREFIX_MAX_CHARACTERS,
    PREFIX_PATTERN,
    TASK_TYPES,
    TTL_MAX_SECONDS,
    WEBHOOK_MAX_CHARACTERS,
)

from api.webhook_urls import WEBHOOK_PATTERN

Schema = dict[str, Any]

# As in values-schema.json; a test compares the two.
RUNTIME_NAME_PATTERN = "^[a-z]([a-z0-9-]*[a-z0-9])?$"

_ID = {
    "type": "string",
    "pattern": ID_PATTERN,
    "description": "Chosen by you, so that a task that is sent twice runs once; generated when absent.",
}
_PREFIX = {
    "type": "string",
    "pattern": PREFIX_PATTERN,
    "maxLength": PREFIX_MAX_CHARACTERS,
    "description": "The folder in the runtime's bucket for the results.",
}
_TIMEOUT = {
    "type": "number",
    "exclusiveMinimum": 0,
    "description": "The longest run in seconds, if that is less than the runtime allows.",
}
_TTL = {
    "type": "number",
    "exclusiveMinimum": 0,
    "maximum": TTL_MAX_SECONDS,
    "description": "How many seconds the task may wait for its run; after them it fails with `expired`.",
}
_PRIORITY = {
    "type": "string",
    "enum": [NORMAL, HIGH],
    "description": "`high`: before other tasks that wait.",
}
_WEBHOOK = {
    "type": "string",
    "pattern": WEBHOOK_PATTERN,
    "maxLength": WEBHOOK_MAX_CHARACTERS,
    "description": "An https:// URL at a public host, which gets the result by POST, signed.",
}
_LINKS = {
    "type": "boolean",
    "description": "Whether the callback of the results topic has https links to the outputs.",
}


def _picture_schema(size_max: int) -> Schema:
    """The options of one picture."""
    return {
        "format": {
            "type": "string",
            "enum": list(FORMATS),
            "description": "The format of the file; without it, that of the runtime.",
        },
        "quality": {
            "type": "integer",
            "minimum": 1,
            "maximum": QUALITY_MAX,
            "description": f"Of {' and '.join(LOSSY)}; {DEFAULT_QUALITY} by default.",
        },
        "maxSize": {
            "type": "integer",
            "minimum": SIZE_MIN,
            "maximum": size_max,
            "description": "Pixels of the longer side; a larger picture is scaled down.",
        },
    }


def _quality_rule(required: list[str]) -> list[Schema]:
    """For clients that check a schema: `quality` only with a format that has one, as `output_errors` says."""
    lossy = {"properties": {"format": {"enum": list(LOSSY)}}, "required": required}
    return [lossy, {"not": {"required": ["quality"]}}]


def _task_output_schema() -> Schema:
    """How the pictures of a task are stored."""
    thumbnail = _object(["maxSize"], _picture_schema(THUMBNAIL_SIZE_MAX)) | {
        "additionalProperties": False,
        "anyOf": _quality_rule([]),
        "description": f"A smaller picture next to each one, as {THUMBNAIL_FORMAT} by default.",
    }
    return _object([], {**_picture_schema(SIZE_MAX), "thumbnail": thumbnail}) | {
        "additionalProperties": False,
        "minProperties": 1,
        "anyOf": _quality_rule(["format"]),
        "description": "How the pictures are stored: format, quality, size, with thumbnails.",
    }


def task_schema(runtime_type: str | None, runtimes: Iterable[str]) -> Schema:
    """The body of POST /v1alpha2 for the runtimes of one type; without a type, what all types share."""
    runtime: Schema = {"type": "string", "description": "The runtime's name in the config."}
    tasktype: Schema = {"type": "string", "pattern": ID_PATTERN}
    if runtime_type is not None:
        runtime["enum"] = list(runtimes)
    if runtime_type in TASK_TYPES:
        tasktype = {"type": "string", "enum": list(TASK_TYPES[runtime_type])}
    metadata = {
        "id": _ID,
        "runtime": runtime,
        "tasktype": tasktype,
        "prefix": _PREFIX,
        "context": {"description": "Returned with the result, unchanged. At most 64 KB."},
        "timeoutSeconds": _TIMEOUT,
        "ttlSeconds": _TTL,
        "priority": _PRIORITY,
        "webhook": _WEBHOOK,
        "links": _LINKS,
        "output": _task_output_schema(),
    }
    content = {
        "type": "object",
        "minProperties": 1,
        "description": "The body for the runtime's own API: a text-to-image request, a workflow, a graph.",
    }
    return _object(
        ["task"],
        {
            "task": _object(
                ["metadata", "content"],
                {
                    # A key that is misspelt would change nothing, silently.
                    "metadata": _object(["runtime", "tasktype"], metadata) | {"additionalProperties": False},
                    "content": content,
                },
            )
        },
    )


def legacy_task_schema(models: Iterable[str]) -> Schema:
    """The body of POST /v1alpha1: a request to SD WebUI that also holds the task's metadata."""
    checkpoint: Schema = {
        "type": "string",
        "minLength": 1,
        "description": "The checkpoint that an SD WebUI loads at start.",
    }
    if names := sorted(models):
        checkpoint["enum"] = names
    scripts = {
        "task": {"type": "string", "enum": list(TASK_TYPES["sdwebui"])},
        "sd_model_checkpoint": checkpoint,
        "id_task": _ID,
        "save_dir": _PREFIX,
    }
    return _object(
        ["alwayson_scripts"], {"alwayson_scripts": _object(["task", "sd_model_checkpoint"], scripts)}
    )


def path_parameter(name: str) -> Schema:
    """The schema of the path parameter `runtime` or `id`."""
    return {"type": "string", "pattern": RUNTIME_NAME_PATTERN if name == "runtime" else ID_PATTERN}


def _object(required: list[str], properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}
