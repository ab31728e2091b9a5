"""Reads InvokeAI graphs, queue items and error responses. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from queue_agent.adapters.shared.faults import execution_error, words_of
from queue_agent.adapters.shared.http import REASON_MAX_CHARACTERS
from queue_agent.contract import Cancelled, FieldPath
from queue_agent.task.invokeai import mappings, nodes_of, used_values

MODEL_FIELDS = ("key", "hash", "name", "base", "type")
# The keys of a model; an object with other keys is not a model.
MODEL_KEYS = frozenset((*MODEL_FIELDS, "submodel_type"))
# The node whose fields are only recorded, but checked for their form: its models need a key.
RECORDING_TYPE = "core_metadata"
FILE_KINDS = ("image", "video")


@dataclass(frozen=True)
class File:
    """An image or a video on the server."""

    kind: str  # of FILE_KINDS
    name: str


def models(graph: Mapping[str, Any]) -> Iterator[tuple[FieldPath, Mapping[str, Any]]]:
    """The path and the value of every reference to a model: {name, base?, type?, key?, …}."""
    for path, value in used_values(graph):
        if isinstance(value.get("name"), str) and MODEL_KEYS.issuperset(value):
            yield path, value


def model(graph: Mapping[str, Any]) -> str | None:
    """The name of the first model."""
    return next((str(model["name"]) for _, model in models(graph)), None)


def is_recorded(graph: Mapping[str, Any], path: FieldPath) -> bool:
    """Whether the value at a path of `models` is only written into the picture."""
    return bool(nodes_of(graph)[str(path[1])].get("type") == RECORDING_TYPE)


def seed(graph: Mapping[str, Any]) -> int | None:
    """The first seed."""
    seeds = (node.get("seed") for node in nodes_of(graph).values())
    return next((seed for seed in seeds if isinstance(seed, int)), None)


def samplers(graph: Mapping[str, Any]) -> list[str]:
    """The nodes that take most of the time: those with steps."""
    return [node_id for node_id, node in nodes_of(graph).items() if "steps" in node]


def outputs(session: Mapping[str, Any]) -> list[tuple[str, File]]:
    """(node, file) of each output of a node that is not intermediate, in the order of their creation."""
    nodes, sources = nodes_of(session["graph"]), session.get("prepared_source_mapping") or {}
    made: dict[File, str] = {}
    for prepared, result in _results(session):
        node = str(sources.get(prepared))
        if nodes.get(node, {}).get("is_intermediate"):
            continue
        several = result.get("type") == "image_collection_output"
        values = (result.get("collection") or ()) if several else (result.get("image"), result.get("video"))
        for value in values:
            for file in _files(value) if isinstance(value, Mapping) else ():
                made.setdefault(file, node)
    return [(node, file) for file, node in made.items()]


def files(session: Mapping[str, Any]) -> list[File]:
    """Every file that the nodes of the session have returned."""
    return list(
        dict.fromkeys(
            file for _, result in _results(session) for _, value in mappings(result) for file in _files(value)
        )
    )


def failure(item: Mapping[str, Any]) -> Exception:
    """The error of an item that did not complete."""
    if item.get("status") == "canceled":
        return Cancelled()
    kind, message = str(item.get("error_type") or ""), str(item.get("error_message") or "unknown")
    return execution_error(kind, message, "", words_of((item.get("session") or {}).get("graph")))


def rejection(document: Any) -> str:
    """The reasons of a 422, each with its location, and cut: that of an unknown node lists all nodes."""
    detail = document.get("detail") if isinstance(document, Mapping) else document
    errors = [entry for entry in detail if isinstance(entry, Mapping)] if isinstance(detail, list) else []
    reasons = [
        f"{'.'.join(map(str, error.get('loc', ())[3:]))}: {str(error.get('msg'))[:200]}" for error in errors
    ]
    return ("; ".join(reasons) or str(detail))[:REASON_MAX_CHARACTERS]


def _results(session: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(prepared node, result): InvokeAI runs a copy of each node under an id of its own."""
    for prepared, result in (session.get("results") or {}).items():
        if isinstance(result, Mapping):
            yield prepared, result


def _files(value: Mapping[str, Any]) -> Iterator[File]:
    for kind in FILE_KINDS:
        if isinstance(value.get(f"{kind}_name"), str):
            yield File(kind, value[f"{kind}_name"])
