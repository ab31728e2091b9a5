"""Reads the content of InvokeAI's tasks, as far as both the HTTP API and the agent need it. Pure.

The API's function holds a copy: nothing but the standard library.
"""

from collections.abc import Iterator, Mapping
from typing import Any

GRAPH_NEEDED = "content must be a graph {nodes: {id: {type, …}}, edges: […]}, or {graph, runs, data}"
GRAPH_EXPORT = (
    "InvokeAI writes the graph of a picture into its PNG, as the text invokeai_graph, "
    "and the browser sends it with the request enqueue_batch"
)
GRAPH_KEYS = frozenset(("id", "nodes", "edges"))
BATCH_KEYS = frozenset(("graph", "runs", "data", "workflow"))
# By these the agent finds its items in the queue.
AGENT_KEYS = ("batch_id", "origin", "destination")
DATUM = "{node_path, field_name, items}"
# How often one task may run its graph: InvokeAI repeats it in its answers.
MAX_SESSIONS = 100
# Fields of a node that are only written into the picture: a model that they name need not be there.
RECORDED_FIELDS = ("metadata",)
_GraphPath = tuple[str | int, ...]


def invokeai_graph(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The graph in the content; {} when there is none."""
    place = batch_path(content)
    graph = content if place is None else at(content, place).get("graph")
    return graph if isinstance(graph, Mapping) else {}


def graph_problem(content: Mapping[str, Any]) -> str:
    """Why the content has no graph that could be queued; "" if it has one."""
    graph = invokeai_graph(content)
    nodes = graph.get("nodes")
    if (
        not isinstance(nodes, Mapping)
        or not nodes
        or not all(isinstance(node, Mapping) and isinstance(node.get("type"), str) for node in nodes.values())
    ):
        return _no_graph(content)
    return _keys_problem(content, graph)


def batch_problem(content: Mapping[str, Any]) -> str:
    """Why the runs of a batch, whose graph is valid, cannot be queued; "" if they can, or without a batch."""
    place = batch_path(content)
    batch: Mapping[str, Any] = {} if place is None else at(content, place)
    runs, groups = batch.get("runs", 1), batch.get("data")
    if not isinstance(runs, int) or isinstance(runs, bool) or runs < 1:
        return "runs must be an integer greater than 0"
    if groups not in (None, {}) and not isinstance(groups, list):
        return f"data must be a list of lists of {DATUM}"
    for group in groups or ():
        if problem := _group_problem(group, invokeai_graph(content)):
            return problem
        runs *= len(group[0]["items"])
        if runs > MAX_SESSIONS:
            break
    if runs > MAX_SESSIONS:
        return f"runs and data run the graph more than {MAX_SESSIONS} times: send several tasks"
    return ""


def _group_problem(group: Any, graph: Mapping[str, Any]) -> str:
    """What is wrong with one list of data, whose values are used together: the first of each, and so on."""
    if not isinstance(group, list) or not group:
        return f"data must be a list of lists of {DATUM}"
    for datum in group:
        items = datum.get("items") if isinstance(datum, Mapping) else None
        if not isinstance(items, list) or not items:
            return f"data must be a list of lists of {DATUM}, and items not empty"
        if not isinstance(datum.get("field_name"), str):
            return f"data must be a list of lists of {DATUM}, and field_name a string"
        if (node := str(datum.get("node_path"))) not in graph["nodes"]:
            return f"data names the node {node}, which is not in the graph"
    if len({len(datum["items"]) for datum in group}) > 1:
        return "in each list of data, all items must have the same length"
    return ""


def file_paths(content: Mapping[str, Any], name: str) -> list[_GraphPath]:
    """The path of every text with this name in the nodes and in the data of the batch: `image_name`."""
    head = graph_path(content)
    fields = [(*head, *path) for path in _file_references(invokeai_graph(content), name)]
    place = batch_path(content)
    data = None if place is None else at(content, place).get("data")
    return fields + [
        (*(place or ()), "data", *path, name)
        for path, mapping in mappings(data)
        if isinstance(mapping.get(name), str)
    ]


def mappings(value: Any, path: _GraphPath = ()) -> Iterator[tuple[_GraphPath, Mapping[str, Any]]]:
    """Every object in a value, at any depth, with its path."""
    if isinstance(value, Mapping):
        yield path, value
    children = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from mappings(child, (*path, key))


def _file_references(graph: Mapping[str, Any], name: str) -> list[_GraphPath]:
    """The path of every text `name` in the fields of the nodes: `image_name`, `video_name`."""
    return [(*path, name) for path, value in used_values(graph) if isinstance(value.get(name), str)]


def used_values(graph: Mapping[str, Any]) -> Iterator[tuple[_GraphPath, Mapping[str, Any]]]:
    """Every object in the fields of the nodes, except what is only recorded in the picture."""
    for node_id, node in nodes_of(graph).items():
        for field, value in node.items():
            if field not in RECORDED_FIELDS:
                yield from mappings(value, ("nodes", node_id, field))


def nodes_of(graph: Mapping[str, Any]) -> Mapping[str, Any]:
    """The nodes of a graph that are objects, by id."""
    nodes = graph.get("nodes")
    items = nodes.items() if isinstance(nodes, Mapping) else ()
    return {str(key): node for key, node in items if isinstance(node, Mapping)}


def batch_path(content: Mapping[str, Any]) -> _GraphPath | None:
    """Where the batch is; None when the content is a graph without one."""
    if isinstance(content.get("batch"), Mapping):
        return ("batch",)
    return () if isinstance(content.get("graph"), Mapping) else None


def graph_path(content: Mapping[str, Any]) -> _GraphPath:
    """Where the graph is."""
    place = batch_path(content)
    return () if place is None else (*place, "graph")


def at(value: Any, path: _GraphPath) -> Any:
    """The value at a path that is there."""
    for key in path:
        value = value[key]
    return value


def _keys_problem(content: Mapping[str, Any], graph: Mapping[str, Any]) -> str:
    """Which keys would have no effect; "" if none."""
    place = batch_path(content)
    unknown = [f"graph.{key}" if place is not None else key for key in graph if key not in GRAPH_KEYS]
    if place is not None:
        unknown += [key for key in at(content, place) if key not in BATCH_KEYS]
    if place == ("batch",):
        unknown += [key for key in content if key != "batch" and (key, content[key]) != ("prepend", False)]
    if not unknown:
        return ""
    hint = (
        f"{', '.join(AGENT_KEYS)} are set by the agent"
        if set(unknown) <= set(AGENT_KEYS)
        else "a graph has nodes and edges; runs, data and workflow belong next to it: {graph, runs, data}"
    )
    return f"{', '.join(unknown)[:200]} cannot be used: {hint}"


def _no_graph(content: Mapping[str, Any]) -> str:
    """What the content is, when it has no graph, and where to find one."""
    if "input" in content:
        return f"{GRAPH_NEEDED}; this is a request for RunPod's worker, with `input`: send the graph alone"
    inner = [("", content), *content.items()]
    for name, value in inner:
        if isinstance(value, Mapping) and isinstance(value.get("nodes"), list):
            place = f"content.{name}" if name else "content"
            return (
                f"{GRAPH_NEEDED}; {place} is a workflow in the UI format of InvokeAI's editor. {GRAPH_EXPORT}"
            )
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return f"{GRAPH_NEEDED}; content.{name} is text: send the object that it describes"
    return GRAPH_NEEDED
