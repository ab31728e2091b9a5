"""Reads InvokeAI graphs, queue items and error responses. Pure."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.adapters.shared.faults import runtime_error
from queue_agent.contract import Cancelled, FieldPath, RuntimeUnavailable, Task, TaskError

MODEL_FIELDS = ("key", "hash", "name", "base", "type")
# The keys of a model; an object with other keys is not a model.
MODEL_KEYS = frozenset((*MODEL_FIELDS, "submodel_type"))
# Errors that would come again with the same graph; others may be caused by the machine.
TASK_ERRORS = (
    "MissingInputException",
    "ImageRecordNotFoundException",
    "ValidationError",
    "ValueError",
    "TypeError",
)
REASON_MAX_CHARACTERS = 2000


def graph_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The graph: the content itself, or its `graph`."""
    inner = content.get("graph")
    return inner if isinstance(inner, Mapping) else content


def checked(task: Task) -> dict[str, Any]:
    """A copy of the task's graph that can be queued. Raises `TaskError`."""
    graph = copy.deepcopy(dict(graph_of(task.content)))
    nodes = graph.get("nodes")
    if (
        not isinstance(nodes, dict)
        or not nodes
        or not all(isinstance(node, dict) and isinstance(node.get("type"), str) for node in nodes.values())
    ):
        raise TaskError("bad_graph", "content is not a graph: {nodes: {id: {type, id, …}}, edges: […]}")
    for node_id, node in nodes.items():
        node.setdefault("id", node_id)
        # A cached node would return the image of an earlier task, which may be deleted by then.
        if not node.get("is_intermediate"):
            node["use_cache"] = False
    graph.setdefault("edges", [])
    return graph


def image_fields(content: Mapping[str, Any]) -> list[FieldPath]:
    """`image_name` of every field that takes an image."""
    graph = graph_of(content)
    head: FieldPath = () if graph is content else ("graph",)
    return [
        (*head, "nodes", node_id, name, "image_name")
        for node_id, node in nodes_of(graph).items()
        for name, value in node.items()
        if isinstance(value, Mapping) and isinstance(value.get("image_name"), str)
    ]


def models(graph: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every field that names a model: (node, field, {name, base?, type?, key?, …})."""
    for node_id, node in nodes_of(graph).items():
        for name, value in node.items():
            named = isinstance(value, Mapping) and isinstance(value.get("name"), str)
            if named and MODEL_KEYS.issuperset(value):
                yield node_id, name, value


def model(graph: Mapping[str, Any]) -> str | None:
    """The name of the first model."""
    return next((str(model["name"]) for _, _, model in models(graph)), None)


def seed(graph: Mapping[str, Any]) -> int | None:
    """The first seed."""
    seeds = (node.get("seed") for node in nodes_of(graph).values())
    return next((seed for seed in seeds if isinstance(seed, int)), None)


def samplers(graph: Mapping[str, Any]) -> list[str]:
    """The nodes that take most of the time: those with steps."""
    return [node_id for node_id, node in nodes_of(graph).items() if "steps" in node]


def output_images(session: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(node, image) of each output of a node that is not intermediate, in the order of their creation."""
    nodes, sources = nodes_of(session["graph"]), session.get("prepared_source_mapping") or {}
    images = ((str(sources.get(prepared)), image) for prepared, image in _prepared_images(session))
    return [(node, image) for node, image in images if not nodes.get(node, {}).get("is_intermediate")]


def all_images(session: Mapping[str, Any]) -> list[str]:
    """Every image that the session has made."""
    return list(dict.fromkeys(image for _, image in _prepared_images(session)))


def failure(item: Mapping[str, Any]) -> Exception:
    """The error of an item that did not complete."""
    if item.get("status") == "canceled":
        return Cancelled()
    kind, message = str(item.get("error_type") or ""), str(item.get("error_message") or "unknown")
    reason = f"{kind}: {message}"[:REASON_MAX_CHARACTERS]
    if (fault := runtime_error(f"{kind}: {message}", reason)) is not None:
        return fault
    if kind in TASK_ERRORS or "Unknown model" in message:
        return TaskError("execution_error", reason)
    return RuntimeUnavailable("execution_error", reason)


def rejection(document: Any) -> str:
    """The reasons of a 422, each with its location, and cut: that of an unknown node lists all nodes."""
    detail = document.get("detail") if isinstance(document, Mapping) else document
    errors = [entry for entry in detail if isinstance(entry, Mapping)] if isinstance(detail, list) else []
    reasons = [
        f"{'.'.join(map(str, error.get('loc', ())[3:]))}: {str(error.get('msg'))[:200]}" for error in errors
    ]
    return ("; ".join(reasons) or str(detail))[:REASON_MAX_CHARACTERS]


def nodes_of(graph: Mapping[str, Any]) -> Mapping[str, Any]:
    """The nodes of a graph that are objects, by id."""
    nodes = graph.get("nodes")
    items = nodes.items() if isinstance(nodes, Mapping) else ()
    return {str(key): node for key, node in items if isinstance(node, Mapping)}


def _prepared_images(session: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(prepared node, image): InvokeAI runs a copy of each node under an id of its own."""
    for prepared, result in (session.get("results") or {}).items():
        several = result.get("type") == "image_collection_output"
        for image in (result.get("collection") or ()) if several else (result.get("image"),):
            if isinstance(image, Mapping) and "image_name" in image:
                yield prepared, str(image["image_name"])
