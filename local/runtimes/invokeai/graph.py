"""Graphs in the InvokeAI simulation: known nodes, validation, and the output of each node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
MODEL_FIELDS = ("key", "hash", "name", "base", "type")
# Node type -> required fields; InvokeAI checks them only when the node runs.
NODES: dict[str, tuple[str, ...]] = {
    "main_model_loader": ("model",),
    "sdxl_model_loader": ("model",),
    "vae_loader": ("vae_model",),
    "lora_loader": ("lora",),
    "compel": ("clip",),
    "sdxl_compel_prompt": ("clip", "clip2"),
    "noise": (),
    "denoise_latents": ("unet", "positive_conditioning", "negative_conditioning"),
    "l2i": ("latents", "vae"),
    "i2l": ("image", "vae"),
    "img_scale": ("image",),
    "img_resize": ("image",),
    "blank_image": (),
    "image": ("image",),
    "save_image": ("image",),
    "core_metadata": (),
    "integer": (),
    "string": (),
}
PICTURES = ("l2i", "img_scale", "img_resize", "blank_image", "image", "save_image")


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

    def check(self, node_id: str, keys: set[str]) -> None:
        """Raise ItemFailedError for what InvokeAI checks only when the node runs; `keys` are model keys."""
        node = self.nodes[node_id]
        for name in NODES[node["type"]]:
            if node.get(name) is None and self.source(node_id, name) is None:
                message = f"Node {node['type']} missing value or connection for field {name}"
                raise ItemFailedError("MissingInputException", message)
        for model in models(node):
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
    for value in node.values():
        if isinstance(value, Mapping) and "name" in value and "key" in value:
            yield value


def problems(text: Any) -> list[dict[str, Any]]:
    """The list in InvokeAI's 422: unknown node types, incomplete models, edges without a node."""
    where = ["body", "batch", "graph"]
    nodes = text.get("nodes") if isinstance(text, Mapping) else None
    if not isinstance(nodes, Mapping):
        return [_problem("missing", [*where, "nodes"], "Field required")]
    listed = [
        problem
        for node_id, node in nodes.items()
        for problem in _node_problems([*where, "nodes", node_id], node)
    ]
    listed += [
        _problem("value_error", [*where, "edges", number], f"Value error, no node for the {end}")
        for number, edge in enumerate(text.get("edges", ()))
        for end in ("source", "destination")
        if edge.get(end, {}).get("node_id") not in nodes
    ]
    return listed


def _node_problems(where: list[Any], node: Any) -> Iterator[dict[str, Any]]:
    kind = node.get("type") if isinstance(node, Mapping) else None
    if kind not in NODES:
        tags = ", ".join(f"'{name}'" for name in NODES)
        text = f"Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
        yield _problem("union_tag_invalid", where, text)
        return
    for field in ("model", "vae_model", "lora"):
        value = node.get(field)
        for name in MODEL_FIELDS if isinstance(value, Mapping) else ():
            if name not in value:
                yield _problem("missing", [*where, kind, field, name], "Field required")
    for field in ("width", "height", "steps", "seed"):
        if not isinstance(node.get(field, 1), int):
            text = "Input should be a valid integer, unable to parse string as an integer"
            yield _problem("int_parsing", [*where, kind, field], text)
    for field in ("scale_factor", "denoising_start", "denoising_end"):
        if not isinstance(node.get(field, 1), int | float):
            text = "Input should be a valid number, unable to parse string as a number"
            yield _problem("float_parsing", [*where, kind, field], text)


def _problem(kind: str, where: list[Any], text: str) -> dict[str, Any]:
    return {"type": kind, "loc": where, "msg": text}
