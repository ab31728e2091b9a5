"""Checks batches as InvokeAI does before it queues them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.runtimes.invokeai.nodes import Problem, known, problem, problems_of

BATCH = ["body", "batch"]
GRAPH = [*BATCH, "graph"]


def problems(batch: Any) -> list[Problem]:
    """The list in InvokeAI's 422."""
    graph = batch.get("graph") if isinstance(batch, Mapping) else None
    if not isinstance(graph, Mapping):
        return [problem("missing", GRAPH, "Field required")]
    nodes = graph.get("nodes", {})
    if not isinstance(nodes, Mapping):
        return [problem("dict_type", [*GRAPH, "nodes"], "Input should be a valid dictionary")]
    listed = [found for node_id, node in nodes.items() for found in _node_problems(node_id, node)]
    runs = batch.get("runs", 1)
    listed += problems_of(runs, {"type": "integer", "minimum": 1}, [*BATCH, "runs"])
    if not listed and (text := next(_graph_problems(nodes, graph.get("edges", ())), "")):
        listed.append(problem("value_error", GRAPH, f"Value error, {text}"))
    if not listed and (text := next(_data_problems(nodes, batch.get("data") or ()), "")):
        listed.append(problem("value_error", BATCH, f"Value error, {text}"))
    return listed


def _node_problems(node_id: str, node: Any) -> Iterator[Problem]:
    where = [*GRAPH, "nodes", node_id]
    kind = node.get("type") if isinstance(node, Mapping) else None
    if kind not in known():
        tags = ", ".join(f"'{name}'" for name in known())
        text = f"Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
        yield problem("union_tag_invalid", where, text)
        return
    for name in known()[kind].required:
        if name not in node:
            yield problem("missing", [*where, kind, name], "Field required")
    for name, schema in known()[kind].fields.items():
        if name in node:
            yield from problems_of(node[name], schema, [*where, kind, name])


def _graph_problems(nodes: Mapping[str, Any], edges: Any) -> Iterator[str]:
    for node_id, node in nodes.items():
        if node.get("id") != node_id:
            yield f"Node ids must match, got {node_id} and {node.get('id')}"
    following: dict[str, set[str]] = {}
    for edge in edges:
        ends = {end: (edge[end]["node_id"], edge[end]["field"]) for end in ("source", "destination")}
        for end, (node_id, field) in ends.items():
            if node_id not in nodes:
                yield f"Edge {end} node {node_id} does not exist in the graph"
                return
            node = known()[nodes[node_id]["type"]]
            if field not in (node.outputs if end == "source" else node.fields):
                yield f"Edge {end} field {field} does not exist in node {node_id}"
        following.setdefault(ends["source"][0], set()).add(ends["destination"][0])
    if any(node_id in _reached(node_id, following) for node_id in nodes):
        yield "Graph contains cycles"


def _reached(start: str, following: Mapping[str, set[str]]) -> set[str]:
    """The nodes behind one."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        behind = following.get(waiting.pop(), set()) - reached
        reached |= behind
        waiting += behind
    return reached


def _data_problems(nodes: Mapping[str, Any], data: Any) -> Iterator[str]:
    for group in data:
        if len({len(datum.get("items", ())) for datum in group}) > 1:
            yield "Zipped batch items must all have the same length"
        for datum in group:
            kinds = {float if isinstance(item, int) else type(item) for item in datum.get("items", ())}
            if len(kinds) > 1:
                yield "All items in a batch must have the same type"
            node_id, field = datum["node_path"], datum["field_name"]
            if node_id not in nodes:
                yield f"Node {node_id} not found in graph"
            elif field not in known()[nodes[node_id]["type"]].fields:
                yield f"Field {field} not found in node {node_id}"


@dataclass(frozen=True)
class Session:
    """One run of a batch: its graph with the values of the batch. `readable`: they have the right types.

    InvokeAI does not check them before it queues the graph, and cannot read its queue any more after that.
    """

    graph: dict[str, Any]
    values: list[dict[str, Any]]

    @property
    def readable(self) -> bool:
        """Whether InvokeAI can read the session again."""
        for value in self.values:
            node = self.graph["nodes"][value["node_path"]]
            schema = known()[node["type"]].fields[value["field_name"]]
            if any(problems_of(value["value"], schema, [])):
                return False
        return True


def sessions(batch: Mapping[str, Any], graph: Mapping[str, Any]) -> Iterator[Session]:
    """The runs of a batch without problems."""
    groups = [
        list(zip(*(_values(datum) for datum in group), strict=True)) for group in batch.get("data") or ()
    ]
    for _ in range(int(batch.get("runs", 1))):
        for row in itertools.product(*groups):
            values = [value for group in row for value in group]
            nodes = {node_id: dict(node) for node_id, node in graph["nodes"].items()}
            for value in values:
                nodes[value["node_path"]][value["field_name"]] = value["value"]
            yield Session({**graph, "nodes": nodes}, values)


def _values(datum: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = {"node_path": datum["node_path"], "field_name": datum["field_name"]}
    return [{**names, "value": item} for item in datum.get("items", ())]
