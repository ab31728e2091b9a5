"""What the InvokeAI simulation understands of a graph: its nodes, what is wrong, and what each node makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
MODEL_FIELDS = ("key", "hash", "name", "base", "type")
# Node type -> the fields it cannot do without; they are missed only when the node runs.
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
    """A node failed; `kind` is the name that InvokeAI gives the error."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Drawing:
    """What a decoder is to draw."""

    prompt: str
    seed: int
    width: int
    height: int
    strength: float
    source: str | None  # the node that makes the picture to start from


class Graph:
    """A graph that passed `problems`."""

    def __init__(self, text: Mapping[str, Any]) -> None:
        self.nodes: dict[str, Node] = dict(text["nodes"])
        self._into: dict[tuple[str, str], str] = {
            (edge["destination"]["node_id"], edge["destination"]["field"]): edge["source"]["node_id"]
            for edge in text.get("edges", ())
        }

    def order(self) -> list[str]:
        """The nodes, each after those it needs."""
        found: list[str] = []

        def visit(node_id: str) -> None:
            if node_id in found:
                return
            for (target, _), source in self._into.items():
                if target == node_id:
                    visit(source)
            found.append(node_id)

        for node_id in self.nodes:
            visit(node_id)
        return found

    def source(self, node_id: str, field: str) -> str | None:
        """The node whose output an input takes."""
        return self._into.get((node_id, field))

    def check(self, node_id: str, keys: set[str]) -> None:
        """Raises what InvokeAI finds only when the node runs."""
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
        """Follow a decoder's links back to the prompt, the noise and the picture to start from."""
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
    """What InvokeAI's 422 lists: unknown nodes, incomplete models, edges from or to nowhere."""
    where = ["body", "batch", "graph"]
    nodes = text.get("nodes") if isinstance(text, Mapping) else None
    if not isinstance(nodes, Mapping):
        return [_problem("missing", [*where, "nodes"], "Field required")]
    found = [
        problem
        for node_id, node in nodes.items()
        for problem in _node_problems([*where, "nodes", node_id], node)
    ]
    found += [
        _problem("value_error", [*where, "edges", number], f"Value error, no node for the {end}")
        for number, edge in enumerate(text.get("edges", ()))
        for end in ("source", "destination")
        if edge.get(end, {}).get("node_id") not in nodes
    ]
    return found


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
