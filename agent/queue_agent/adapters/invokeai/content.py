"""Reads a task's content: a graph, or a batch, which runs its graph several times with other values. Pure.

The values of a batch are put into the graph here, and each graph is queued for itself: InvokeAI puts them in
unchecked, and a value of a wrong type then stops its queue for every task (seen with 6.14.2).
"""

import copy
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from queue_agent.contract import FieldPath, Task, TaskError
from queue_agent.task.invokeai import at, batch_path, batch_problem, file_paths, graph_problem, invokeai_graph

# The most JSON of the graphs of all runs together: InvokeAI repeats each in its answers.
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
    if problem := batch_problem(content):
        raise TaskError("bad_graph", problem)
    place = batch_path(content)
    batch: Mapping[str, Any] = {"graph": content} if place is None else at(content, place)
    graph: dict[str, Any] = {"edges": [], **batch["graph"]}
    runs: int = batch.get("runs", 1)
    rows = itertools.product(*map(_rows, batch.get("data") or []))
    values = [[value for group in row for value in group] for row in rows]
    different = [Session(_with(graph, row), row) for row in values]
    size = 0
    for session in different if runs * len(values) > 1 else ():
        size += runs * len(json.dumps(session.graph))
        if size > MAX_GRAPH_BYTES:
            text = f"the graphs of all runs have more than {MAX_GRAPH_BYTES} bytes together"
            raise TaskError("bad_graph", f"{text}: send several tasks")
    return different * runs


def _rows(group: Sequence[Mapping[str, Any]]) -> list[tuple[Value, ...]]:
    """The values of one list of data, which are used together: the first of each, the second of each, …"""
    columns = [
        [Value(str(datum["node_path"]), datum["field_name"], item) for item in datum["items"]]
        for datum in group
    ]
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
