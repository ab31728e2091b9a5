"""Reads ComfyUI workflows. Pure."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.contract import Task, TaskError

EXPORT = "In ComfyUI: Workflow > Export (API); in older versions: Save (API Format), with the dev mode on"


def graph_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The workflow: the content itself, or its `prompt` as ComfyUI's own API has it."""
    inner = content.get("prompt")
    return inner if isinstance(inner, Mapping) and "class_type" not in inner else content


def checked(task: Task) -> dict[str, Any]:
    """A copy of the task's workflow. Raises `TaskError` where ComfyUI would return a 500 without reason."""
    graph = graph_of(task.content)
    if not _is_graph(graph):
        raise TaskError("bad_workflow", _why_not(task.content))
    return copy.deepcopy(dict(graph))


def _is_graph(value: Any) -> bool:
    """Whether it has the API format: node id → class_type, inputs."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(class_of(node) and isinstance(node.get("inputs"), Mapping) for node in value.values())
    )


def _why_not(content: Mapping[str, Any]) -> str:
    """What the content is, when it is not a workflow in API format, and how to get one."""
    needed = "content must be a workflow in API format (node id → class_type, inputs)"
    for place, value in _parts(content):
        if _is_graph(value):
            return f"{needed}; here it is inside of content.{place}, as other services wrap it: send it alone"
        if isinstance(value, Mapping) and isinstance(value.get("nodes"), list):
            name = f"content.{place}" if place else "content"
            return f"{needed}; {name} has the UI format. {EXPORT}"
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return f"{needed}; content.{place} is text: send the object that it describes"
    if "input" in content:
        return f"{needed}; this is a request for RunPod's worker, with `input`. {EXPORT}"
    return needed


def _parts(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(place, value) of the content, of its values and of theirs."""
    yield "", content
    for name, value in content.items():
        yield name, value
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())


def values(graph: Mapping[str, Any], name: str) -> Iterator[Any]:
    """The values of an input in every node that has it."""
    return (inputs_of(node)[name] for node in graph.values() if name in inputs_of(node))


def seed(graph: Mapping[str, Any]) -> int | None:
    """The first seed of the workflow."""
    seeds = (value for name in ("seed", "noise_seed") for value in values(graph, name))
    return next((value for value in seeds if isinstance(value, int)), None)


def model(graph: Mapping[str, Any]) -> str | None:
    """The first checkpoint that the workflow loads; without one, the first diffusion model."""
    names = (value for name in ("ckpt_name", "unet_name") for value in values(graph, name))
    return next((value for value in names if isinstance(value, str)), None)


def steps(graph: Mapping[str, Any]) -> dict[str, int]:
    """The number of sampling steps of each node that has one."""
    inputs = {node_id: inputs_of(node).get("steps") for node_id, node in graph.items()}
    return {node_id: count for node_id, count in inputs.items() if isinstance(count, int) and count > 0}


def class_of(node: Any) -> str:
    """The class of a node; "" when it has none."""
    return str(node.get("class_type") or "") if isinstance(node, Mapping) else ""


def inputs_of(node: Any) -> Mapping[str, Any]:
    """The inputs of a node; none when it has no valid ones."""
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    return inputs if isinstance(inputs, Mapping) else {}
