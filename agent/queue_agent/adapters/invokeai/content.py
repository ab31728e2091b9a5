"""Reads a task's content: a graph, or a batch, which runs its graph several times with other values. Pure.

The values of a batch are put into the graph here, and each graph is queued for itself: InvokeAI puts them in
unchecked, and a value of a wrong type then stops its queue for every task (seen with 6.14.2).
"""

import copy
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queue_agent.adapters.invokeai import graph as graphs
from queue_agent.contract import FieldPath, Task, TaskError

NEEDED = "content must be a graph {nodes: {id: {type, …}}, edges: […]}, or {graph, runs, data}"
EXPORT = (
    "InvokeAI writes the graph of a picture into its PNG, as the text invokeai_graph, "
    "and the browser sends it with the request enqueue_batch"
)
GRAPH_KEYS = frozenset(("id", "nodes", "edges"))
BATCH_KEYS = frozenset(("graph", "runs", "data", "workflow"))
# By these the agent finds its items in the queue.
AGENT_KEYS = ("batch_id", "origin", "destination")
DATUM = "{node_path, field_name, items}"
# How often one task may run its graph, and the most JSON of all these graphs together: InvokeAI repeats each
# in its answers.
MAX_SESSIONS = 100
MAX_GRAPH_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Value:
    """A value that a batch puts into a field of a node."""

    node_path: str
    field_name: str
    value: Any


@dataclass(frozen=True)
class Session:
    """One run of the graph, and the values that the batch has put into it."""

    graph: dict[str, Any]
    values: Sequence[Value] = field(default_factory=tuple)


def graph_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The graph in the content; {} when there is none."""
    graph = at(content, _graph_path(content))
    return graph if isinstance(graph, Mapping) else {}


def image_fields(content: Mapping[str, Any]) -> list[FieldPath]:
    """`image_name` of every image that a node or the data of the batch refers to."""
    return _references(content, "image_name")


def video_fields(content: Mapping[str, Any]) -> list[FieldPath]:
    """`video_name` of every video that a node or the data of the batch refers to."""
    return _references(content, "video_name")


def checked(task: Task) -> dict[str, Any]:
    """A copy of the content, with a graph that can be queued. Raises `TaskError`."""
    content = copy.deepcopy(dict(task.content))
    graph = graph_of(content)
    nodes = graph.get("nodes")
    if (
        not isinstance(nodes, dict)
        or not nodes
        or not all(isinstance(node, dict) and isinstance(node.get("type"), str) for node in nodes.values())
    ):
        raise TaskError("bad_graph", _why_not(content))
    _check_keys(content, graph)
    for node_id, node in nodes.items():
        node.setdefault("id", node_id)
        # A cached node would return the image of an earlier task, which may be deleted by then.
        if not node.get("is_intermediate"):
            node["use_cache"] = False
    return content


def replace(content: dict[str, Any], path: FieldPath, value: object) -> None:
    """Set the value at a path in a copy from `checked`."""
    at(content, path[:-1])[path[-1]] = value


def sessions(content: Mapping[str, Any]) -> list[Session]:
    """The runs of the graph that a checked content asks for, in InvokeAI's order. Raises `TaskError`."""
    place = _batch_path(content)
    batch = {"graph": content} if place is None else at(content, place)
    graph, runs, data = {"edges": [], **batch["graph"]}, batch.get("runs", 1), batch.get("data") or []
    if not isinstance(runs, int) or isinstance(runs, bool) or runs < 1:
        raise TaskError("bad_graph", "runs must be an integer greater than 0")
    rows = itertools.product(*(_rows(group, graph) for group in _groups(data)))
    values = [[value for group in row for value in group] for row in itertools.islice(rows, MAX_SESSIONS + 1)]
    if runs * len(values) > MAX_SESSIONS:
        text = f"runs and data run the graph more than {MAX_SESSIONS} times: send several tasks"
        raise TaskError("bad_graph", text)
    different = [Session(_with(graph, row), row) for row in values]
    size = 0
    for session in different if runs * len(values) > 1 else ():
        size += runs * len(json.dumps(session.graph))
        if size > MAX_GRAPH_BYTES:
            text = f"the graphs of all runs have more than {MAX_GRAPH_BYTES} bytes together"
            raise TaskError("bad_graph", f"{text}: send several tasks")
    return different * runs


def _groups(data: Any) -> Iterator[Sequence[Any]]:
    for group in data if isinstance(data, list) else (data,):
        if not isinstance(group, list) or not group:
            raise TaskError("bad_graph", f"data must be a list of lists of {DATUM}")
        yield group


def _rows(group: Sequence[Any], graph: Mapping[str, Any]) -> list[tuple[Value, ...]]:
    """The values of one list of data, which are used together: the first of each, the second of each, …"""
    columns = []
    for datum in group:
        items = datum.get("items") if isinstance(datum, Mapping) else None
        if not isinstance(items, list) or not items:
            raise TaskError("bad_graph", f"data must be a list of lists of {DATUM}, and items not empty")
        node, name = str(datum.get("node_path")), str(datum.get("field_name"))
        if node not in graph["nodes"]:
            raise TaskError("bad_graph", f"data names the node {node}, which is not in the graph")
        columns.append([Value(node, name, item) for item in items])
    if len({len(column) for column in columns}) > 1:
        raise TaskError("bad_graph", "in each list of data, all items must have the same length")
    return list(zip(*columns, strict=True))


def _with(graph: Mapping[str, Any], values: Sequence[Value]) -> dict[str, Any]:
    """The graph with these values; it shares what is not changed with the graph."""
    nodes = dict(graph["nodes"])
    for value in values:
        nodes[value.node_path] = {**nodes[value.node_path], value.field_name: copy.deepcopy(value.value)}
    return {**graph, "nodes": nodes}


def _batch_path(content: Mapping[str, Any]) -> FieldPath | None:
    """Where the batch is; None when the content is a graph without one."""
    if isinstance(content.get("batch"), Mapping):
        return ("batch",)
    return () if isinstance(content.get("graph"), Mapping) else None


def workflow(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """`workflow` of the batch, which InvokeAI writes into its pictures; {} when there is none."""
    place = _batch_path(content)
    batch = {} if place is None else at(content, place)
    return {"workflow": batch["workflow"]} if "workflow" in batch else {}


def _graph_path(content: Mapping[str, Any]) -> FieldPath:
    place = _batch_path(content)
    return () if place is None else (*place, "graph")


def at(value: Any, path: FieldPath) -> Any:
    """The value at a path that is there."""
    for key in path:
        value = value[key]
    return value


def _references(content: Mapping[str, Any], name: str) -> list[FieldPath]:
    head = _graph_path(content)
    fields = [(*head, *path) for path in graphs.references(graph_of(content), name)]
    place = _batch_path(content)
    data = None if place is None else at(content, place).get("data")
    return fields + [
        (*(place or ()), "data", *path, name)
        for path, mapping in graphs.mappings(data)
        if isinstance(mapping.get(name), str)
    ]


def _check_keys(content: Mapping[str, Any], graph: Mapping[str, Any]) -> None:
    """Refuse keys that would have no effect. Raises `TaskError`."""
    place = _batch_path(content)
    unknown = [f"graph.{key}" if place is not None else key for key in graph if key not in GRAPH_KEYS]
    if place is not None:
        unknown += [key for key in at(content, place) if key not in BATCH_KEYS]
    if place == ("batch",):
        unknown += [key for key in content if key != "batch" and (key, content[key]) != ("prepend", False)]
    if unknown:
        names = ", ".join(unknown)[:200]
        hint = (
            f"{', '.join(AGENT_KEYS)} are set by the agent"
            if set(unknown) <= set(AGENT_KEYS)
            else "a graph has nodes and edges; runs, data and workflow belong next to it: {graph, runs, data}"
        )
        raise TaskError("bad_graph", f"{names} cannot be used: {hint}")


def _why_not(content: Mapping[str, Any]) -> str:
    """What the content is, when it has no graph, and where to find one."""
    if "input" in content:
        return f"{NEEDED}; this is a request for RunPod's worker, with `input`: send the graph alone"
    inner = [("", content), *content.items()]
    for name, value in inner:
        if isinstance(value, Mapping) and isinstance(value.get("nodes"), list):
            place = f"content.{name}" if name else "content"
            return f"{NEEDED}; {place} is a workflow in the UI format of InvokeAI's editor. {EXPORT}"
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return f"{NEEDED}; content.{name} is text: send the object that it describes"
    return NEEDED
