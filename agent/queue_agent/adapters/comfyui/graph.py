"""What a ComfyUI workflow says, and what ComfyUI says of one. Pure."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.adapters.shared.http import out_of_memory
from queue_agent.contract import Cancelled, Output, Path, RuntimeUnavailable, Task, TaskError

# An exception of these is the machine's fault; any other would come again with the same workflow.
WORLD_ERRORS = ("cuda error", "cudnn", "no space left", "input/output error", "nccl", "hip error")
TEXT_KEYS = ("text", "string")
LONGEST_REASON = 2000


def graph_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The workflow: the content itself, or its `prompt` as ComfyUI's own API has it."""
    inner = content.get("prompt")
    return inner if isinstance(inner, Mapping) and "class_type" not in inner else content


def image_fields(content: Mapping[str, Any]) -> list[Path]:
    """`inputs.image` of every node that loads an image."""
    graph = graph_of(content)
    head: Path = () if graph is content else ("prompt",)
    return [
        (*head, node_id, "inputs", "image")
        for node_id, node in graph.items()
        if _class(node).startswith("LoadImage") and isinstance(_inputs(node).get("image"), str)
    ]


def checked(task: Task) -> dict[str, Any]:
    """A copy of the task's workflow. Raises `TaskError` for what ComfyUI would answer with a bare 500."""
    graph = graph_of(task.content)
    sound = all(_class(node) and isinstance(node.get("inputs"), Mapping) for node in graph.values())
    if not graph or not sound:
        raise TaskError("bad_workflow", "content is no workflow in API format: node id → class_type, inputs")
    return copy.deepcopy(dict(graph))


def name_files(graph: Mapping[str, Any], task: Task) -> None:
    """Give the workflow's files a folder of this attempt's own.

    Without it the same workflow twice would be answered with the files of the first time, gone or broken.
    """
    for node in graph.values():
        prefix = node["inputs"].get("filename_prefix")
        if isinstance(prefix, str):
            node["inputs"]["filename_prefix"] = (
                f"{task.id}/{task.attempt}/{prefix.replace('..', '').lstrip('/')}"
            )


def values(graph: Mapping[str, Any], name: str) -> Iterator[Any]:
    """The values of an input in every node that has it."""
    return (_inputs(node)[name] for node in graph.values() if name in _inputs(node))


def seed(graph: Mapping[str, Any]) -> int | None:
    """The first seed of the workflow."""
    found = (each for name in ("seed", "noise_seed") for each in values(graph, name))
    return next((each for each in found if isinstance(each, int)), None)


def model(graph: Mapping[str, Any]) -> str | None:
    """The first checkpoint, or the first model without one, that the workflow loads."""
    found = (each for name in ("ckpt_name", "unet_name") for each in values(graph, name))
    return next((each for each in found if isinstance(each, str)), None)


def steps(graph: Mapping[str, Any]) -> dict[str, int]:
    """The sampling steps of each node that says how many it takes."""
    found = {node_id: _inputs(node).get("steps") for node_id, node in graph.items()}
    return {node_id: each for node_id, each in found.items() if isinstance(each, int) and each > 0}


def failure(entry: Mapping[str, Any]) -> Exception | None:
    """Why a finished prompt is no success; None when it is one."""
    status = entry.get("status") or {}
    said: dict[str, Any] = dict(status.get("messages") or ())
    if "execution_interrupted" in said:
        return Cancelled()
    if status.get("status_str") == "success" and "execution_error" not in said:
        return None
    error = said.get("execution_error", {})
    kind, message = str(error.get("exception_type", "")), str(error.get("exception_message", "unknown"))
    reason = f"{error.get('node_type', 'node')}: {kind}: {message.strip()}"[:LONGEST_REASON]
    if out_of_memory(kind) or out_of_memory(message):
        return RuntimeUnavailable("out_of_memory", reason)
    if not error or any(mark in message.lower() for mark in WORLD_ERRORS):
        return RuntimeUnavailable("execution_error", reason)
    return TaskError("execution_error", reason)


def refusal(said: Any) -> str:
    """ComfyUI's reasons node by node: `error.details` alone is often empty."""
    answer = said if isinstance(said, Mapping) else {}
    error, nodes = answer.get("error"), answer.get("node_errors")
    parts = [_joined(error)] if isinstance(error, Mapping) else []
    for node_id, node in nodes.items() if isinstance(nodes, Mapping) else ():
        reasons = "; ".join(_joined(each) for each in node.get("errors", ()))
        parts.append(f"node {node_id} ({node.get('class_type')}): {reasons or 'its output is dropped'}")
    return (" | ".join(part for part in parts if part) or json.dumps(said))[:LONGEST_REASON]


def files(outputs: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Every file of every node, under whatever key its kind of node has: images, gifs, audio, 3d.

    What ComfyUI only previews counts when there is nothing else.
    """
    found = [
        (node, item)
        for node, made in outputs.items()
        for items in (made.values() if isinstance(made, Mapping) else ())
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, Mapping) and "filename" in item
    ]
    return [each for each in found if each[1].get("type") != "temp"] or found


def texts(outputs: Mapping[str, Any]) -> Iterator[Output]:
    """Every text that a node shows."""
    for node, made in outputs.items():
        for key in TEXT_KEYS:
            found = made.get(key) if isinstance(made, Mapping) else None
            for text in found if isinstance(found, list) else ():
                if isinstance(text, str) and text:
                    yield Output(text.encode(), "text/plain", "text", "txt", {"node": node})


def _joined(error: Mapping[str, Any]) -> str:
    return ": ".join(str(error[key]) for key in ("message", "details") if error.get(key))


def _class(node: Any) -> str:
    return str(node.get("class_type") or "") if isinstance(node, Mapping) else ""


def _inputs(node: Any) -> Mapping[str, Any]:
    found = node.get("inputs") if isinstance(node, Mapping) else None
    return found if isinstance(found, Mapping) else {}
