"""Graphs in the InvokeAI simulation: what they need when they run, and the inputs of each node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.runtimes.invokeai.nodes import known

Node = Mapping[str, Any]
MODEL_FIELDS = ("key", "hash", "name", "base", "type")


class ItemFailedError(Exception):
    """A node failed; `kind` is InvokeAI's name of the error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Drawing:
    """The input of a decoder node."""

    prompt: str
    seed: int
    width: int
    height: int
    strength: float
    source: str | None  # the node that gives the picture to start from


class Graph:
    """A graph for which `problems` found nothing."""

    def __init__(self, text: Mapping[str, Any]) -> None:
        self.nodes: dict[str, Node] = dict(text["nodes"])
        self._sources: dict[tuple[str, str], str] = {
            (edge["destination"]["node_id"], edge["destination"]["field"]): edge["source"]["node_id"]
            for edge in text.get("edges", ())
        }

    def order(self) -> list[str]:
        """The nodes in topological order."""
        ordered: list[str] = []

        def visit(node_id: str) -> None:
            if node_id in ordered:
                return
            for (target, _), source in self._sources.items():
                if target == node_id:
                    visit(source)
            ordered.append(node_id)

        for node_id in self.nodes:
            visit(node_id)
        return ordered

    def source(self, node_id: str, field: str) -> str | None:
        """The node that is connected to an input; None if there is none."""
        return self._sources.get((node_id, field))

    def sources(self, node_id: str) -> list[str]:
        """The nodes that are connected to any input."""
        return [source for (target, _), source in self._sources.items() if target == node_id]

    def check(self, node_id: str, keys: set[str]) -> None:
        """Raise ItemFailedError for what InvokeAI checks only when the node runs; `keys` are model keys."""
        node = self.nodes[node_id]
        for name, by_edge in known()[node["type"]].needed.items():
            if self.source(node_id, name) is None and (by_edge or node.get(name) is None):
                if by_edge:
                    text = f"Node {node['type']} missing connections for field {name}"
                    raise ItemFailedError("RequiredConnectionException", text)
                text = f"Node {node['type']} missing value or connection for field {name}"
                raise ItemFailedError("MissingInputException", text)
        for model in models(node) if node["type"] != "core_metadata" else ():
            if model["key"] not in keys:
                raise ItemFailedError("Exception", f"Unknown model {model['key']}")

    def models(self) -> list[str]:
        """The names of the models that the graph loads."""
        return [str(model["name"]) for node in self.nodes.values() for model in models(node)]

    @property
    def steps(self) -> int:
        """Sampling steps of the whole graph."""
        return sum(
            int(node.get("steps", 10)) for node in self.nodes.values() if node["type"] == "denoise_latents"
        )

    def drawing(self, node_id: str) -> Drawing:
        """The input of a decoder, from the nodes that lead to it."""
        sampler = self.source(node_id, "latents") or ""
        node = self.nodes.get(sampler, {})
        noise = self._node(sampler, "noise")
        text = self._node(sampler, "positive_conditioning")
        encoder = self.source(sampler, "latents")
        return Drawing(
            prompt=str(text.get("prompt", "")),
            seed=int(noise.get("seed", 0)),
            width=int(noise.get("width", 512)),
            height=int(noise.get("height", 512)),
            strength=1 - float(node.get("denoising_start", 0)),
            source=(encoder and self.source(encoder, "image")) or encoder,
        )

    def _node(self, node_id: str, field: str) -> Node:
        return self.nodes.get(self.source(node_id, field) or "", {})


def models(node: Node) -> Iterator[Mapping[str, Any]]:
    """The models that a node names."""
    return (value for value in objects(node) if "name" in value and "key" in value)


def names_of(node: Node, kind: str) -> list[str]:
    """The images or videos that the fields of a node name, at any depth; `kind` is "image" or "video"."""
    fields = {name: value for name, value in node.items() if name != "metadata"}
    return [str(value[f"{kind}_name"]) for value in objects(fields) if f"{kind}_name" in value]


def objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in a value, at any depth."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    for child in value if isinstance(value, list) else ():
        yield from objects(child)
