"""What an InvokeAI graph says, and what a queue item says of its session. Pure."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.adapters.shared.http import out_of_memory
from queue_agent.contract import Cancelled, Path, RuntimeUnavailable, Task, TaskError

MODEL_FIELDS = ("key", "hash", "name", "base", "type")
# What may stand beside a model's name; an object with anything else is no model.
MODEL_KEYS = frozenset((*MODEL_FIELDS, "submodel_type"))
# What comes again with the same graph; anything else may be the machine's fault.
TASK_ERRORS = (
    "MissingInputException",
    "ImageRecordNotFoundException",
    "ValidationError",
    "ValueError",
    "TypeError",
)
LONGEST_REASON = 2000


def graph_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The graph: the content itself, or its `graph`."""
    inner = content.get("graph")
    return inner if isinstance(inner, Mapping) else content


def checked(task: Task) -> dict[str, Any]:
    """A copy of the task's graph that is fit to be queued. Raises `TaskError`."""
    graph = copy.deepcopy(dict(graph_of(task.content)))
    nodes = graph.get("nodes")
    if (
        not isinstance(nodes, dict)
        or not nodes
        or not all(isinstance(node, dict) and isinstance(node.get("type"), str) for node in nodes.values())
    ):
        raise TaskError("bad_graph", "content is no graph: {nodes: {id: {type, id, …}}, edges: […]}")
    for node_id, node in nodes.items():
        node.setdefault("id", node_id)
        # A cached node would point to the picture of an earlier task, which may be gone by then.
        if not node.get("is_intermediate"):
            node["use_cache"] = False
    graph.setdefault("edges", [])
    return graph


def image_fields(content: Mapping[str, Any]) -> list[Path]:
    """`image_name` of every field that takes an image."""
    graph = graph_of(content)
    head: Path = () if graph is content else ("graph",)
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
    return next((str(each["name"]) for _, _, each in models(graph)), None)


def seed(graph: Mapping[str, Any]) -> int | None:
    """The first seed."""
    found = (node.get("seed") for node in nodes_of(graph).values())
    return next((each for each in found if isinstance(each, int)), None)


def samplers(graph: Mapping[str, Any]) -> list[str]:
    """The nodes that take most of the time: they have steps."""
    return [node_id for node_id, node in nodes_of(graph).items() if "steps" in node]


def kept_images(session: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(node, image) of each output of a node that is no intermediate, in the order they were made."""
    nodes, made_by = nodes_of(session["graph"]), session.get("prepared_source_mapping") or {}
    made = ((str(made_by.get(ran)), each) for ran, each in _made(session))
    return [(node, each) for node, each in made if not nodes.get(node, {}).get("is_intermediate")]


def left_images(session: Mapping[str, Any]) -> list[str]:
    """Every image that the session made, and those that were sent for it."""
    return list(dict.fromkeys(each for _, each in _made(session)))


def failure(item: Mapping[str, Any]) -> Exception:
    """Why an item did not complete."""
    if item.get("status") == "canceled":
        return Cancelled()
    kind, message = str(item.get("error_type") or ""), str(item.get("error_message") or "unknown")
    reason = f"{kind}: {message}"[:LONGEST_REASON]
    if out_of_memory(kind) or out_of_memory(message):
        return RuntimeUnavailable("out_of_memory", reason)
    if kind in TASK_ERRORS or "Unknown model" in message:
        return TaskError("execution_error", reason)
    return RuntimeUnavailable("execution_error", reason)


def refusal(said: Any) -> str:
    """The reasons of a 422 by their places; one of an unknown node lists every node there is."""
    detail = said.get("detail") if isinstance(said, Mapping) else said
    found = [each for each in detail if isinstance(each, Mapping)] if isinstance(detail, list) else []
    reasons = [
        f"{'.'.join(map(str, each.get('loc', ())[3:]))}: {str(each.get('msg'))[:200]}" for each in found
    ]
    return ("; ".join(reasons) or str(detail))[:LONGEST_REASON]


def nodes_of(graph: Mapping[str, Any]) -> Mapping[str, Any]:
    """The nodes that are objects; none when there are none."""
    nodes = graph.get("nodes")
    found = nodes.items() if isinstance(nodes, Mapping) else ()
    return {str(key): node for key, node in found if isinstance(node, Mapping)}


def _made(session: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for ran, result in (session.get("results") or {}).items():
        several = result.get("type") == "image_collection_output"
        for image in (result.get("collection") or ()) if several else (result.get("image"),):
            if isinstance(image, Mapping) and "image_name" in image:
                yield ran, str(image["image_name"])
