"""What a request must look like. Both the checks and /openapi.json are made from this."""

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]

# It becomes part of object keys, and a ComfyUI and InvokeAI id.
ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
# As in values-schema.json; a test holds the two together.
NAME_PATTERN = "^[a-z]([a-z0-9-]*[a-z0-9])?$"
# No segment begins with a dot: `.tasks/` is ours, `..` is nobody's. The agent checks the same.
_SEGMENT = r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*"
PREFIX_PATTERN = rf"^/*({_SEGMENT}(/{_SEGMENT})*/*)?$"

SD_WEBUI_TASKS = (
    "text-to-image",
    "image-to-image",
    "extra-single-image",
    "extra-batch-images",
    "extra-batch-image",
)
# By type of runtime; a custom runtime takes any.
TASK_TYPES: dict[str, tuple[str, ...]] = {
    "sdwebui": SD_WEBUI_TASKS,
    "comfyui": ("pipeline",),
    "invokeai": ("graph", "pipeline"),
}

_ID = {
    "type": "string",
    "pattern": ID_PATTERN,
    "description": "Yours, to send a task twice without doing it twice; made when absent.",
}
_PREFIX = {
    "type": "string",
    "pattern": PREFIX_PATTERN,
    "maxLength": 256,
    "description": "A folder in the runtime's bucket for the results.",
}
_TIMEOUT = {
    "type": "number",
    "exclusiveMinimum": 0,
    "description": "How long it may run, if that is less than the runtime allows.",
}


def task(kind: str | None, runtimes: Iterable[str]) -> Schema:
    """The body of POST /v1alpha2 for the runtimes of one type; without a type, what all have in common."""
    runtime: Schema = {"type": "string", "description": "The runtime's name in the config."}
    tasktype: Schema = {"type": "string", "pattern": ID_PATTERN}
    if kind is not None:
        runtime["enum"] = list(runtimes)
    if kind in TASK_TYPES:
        tasktype = {"type": "string", "enum": list(TASK_TYPES[kind])}
    metadata = {
        "id": _ID,
        "runtime": runtime,
        "tasktype": tasktype,
        "prefix": _PREFIX,
        "context": {"description": "Comes back with the result, untouched. At most 64 KB."},
        "timeoutSeconds": _TIMEOUT,
    }
    content = {
        "type": "object",
        "minProperties": 1,
        "description": "What the runtime's own API takes: a text-to-image body, a workflow, a graph.",
    }
    return _object(
        ["task"],
        {
            "task": _object(
                ["metadata", "content"],
                {"metadata": _object(["runtime", "tasktype"], metadata), "content": content},
            )
        },
    )


def legacy_task(models: Iterable[str]) -> Schema:
    """The body of POST /v1alpha1: a text-to-image or image-to-image body that says where it goes."""
    checkpoint: Schema = {"type": "string", "minLength": 1, "description": "The model of a static SD WebUI."}
    if known := sorted(models):
        checkpoint["enum"] = known
    scripts = {
        "task": {"type": "string", "enum": list(SD_WEBUI_TASKS)},
        "sd_model_checkpoint": checkpoint,
        "id_task": _ID,
        "save_dir": _PREFIX,
    }
    return _object(
        ["alwayson_scripts"], {"alwayson_scripts": _object(["task", "sd_model_checkpoint"], scripts)}
    )


def path_parameter(name: str) -> Schema:
    """What stands in a path under this name."""
    return {"type": "string", "pattern": NAME_PATTERN if name == "runtime" else ID_PATTERN}


def _object(required: list[str], properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}
