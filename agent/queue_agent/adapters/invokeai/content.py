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

from queue_agent.contract import FieldPath, Task, TaskError
from queue_agent.task.invokeai import at, batch_path, file_paths, graph_problem, invokeai_graph

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


def image_fields(content: Mapping[str, Any]) -> list[FieldPath]:
    """`image_name` of every image that a node or the data of the batch refers to."""
    return file_paths(content, "image_name")


def video_fields(content: Mapping[str, Any]) -> list[FieldPath]:
    """`video_name` of every video that a node or the data of the batch refers to."""
    return file_paths(content, "video_name")


def checked(task: Task) -> dict[str, Any]:
    """A copy of the content, with a graph that can be queued. Raises `TaskError`."""
    content = copy.deepcopy(dict(task.content))
    if problem := graph_problem(content):
        raise TaskError("bad_graph", problem)
    nodes = invokeai_graph(content)["nodes"]
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
    place = batch_path(content)
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


def workflow(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """`workflow` of the batch, which InvokeAI writes into its pictures; {} when there is none."""
    place = batch_path(content)
    batch = {} if place is None else at(content, place)
    return {"workflow": batch["workflow"]} if "workflow" in batch else {}
