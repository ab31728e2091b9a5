"""Workflows in the ComfyUI simulation: known nodes, validation, and what a workflow draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Graph = Mapping[str, Any]

# Node type -> required inputs. The types in OUTPUTS write files.
NODES: dict[str, tuple[str, ...]] = {
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CLIPTextEncode": ("text", "clip"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "KSampler": ("seed", "steps", "model", "positive", "negative", "latent_image"),
    "VAEDecode": ("samples", "vae"),
    "VAEEncode": ("pixels", "vae"),
    "LoadImage": ("image",),
    "EmptyImage": ("width", "height", "batch_size"),
    "ImageScale": ("image", "width", "height"),
    "SaveImage": ("images",),
    "PreviewImage": ("images",),
}
OUTPUTS = ("SaveImage", "PreviewImage")
AFTER_SAMPLING = ("VAEDecode", "ImageScale", *OUTPUTS)


@dataclass(frozen=True)
class Work:
    """The work of one workflow for the GPU, and the picture it draws."""

    prompt: str
    seed: int
    width: int
    height: int
    batch: int
    steps: int
    model: str | None
    source: str | None


def validation_error(prompt: Any, models: list[str]) -> dict[str, Any] | None:
    """The body of ComfyUI's 400 for an invalid workflow; None if it is valid."""
    if not prompt:
        return error_body("no_prompt", "No prompt provided", {})
    for node_id, node in prompt.items():
        if not isinstance(node, Mapping) or node.get("class_type") not in NODES:
            kind = node.get("class_type") if isinstance(node, Mapping) else None
            return error_body(
                "invalid_prompt",
                f"Cannot execute because node {kind} does not exist.",
                {},
                f"Node ID '#{node_id}'",
            )
    if not any(node["class_type"] in OUTPUTS for node in prompt.values()):
        return error_body("prompt_no_outputs", "Prompt has no outputs", {})
    errors = {node_id: list(_node_errors(node, prompt, models)) for node_id, node in prompt.items()}
    invalid = {
        node_id: {"errors": own, "dependent_outputs": [], "class_type": prompt[node_id]["class_type"]}
        for node_id, own in errors.items()
        if own
    }
    if not invalid:
        return None
    return error_body("prompt_outputs_failed_validation", "Prompt outputs failed validation", invalid)


def error_body(kind: str, message: str, nodes: dict[str, Any], details: str = "") -> dict[str, Any]:
    """The body of a 400: an error of the whole workflow, and those of its nodes."""
    return {
        "error": {"type": kind, "message": message, "details": details, "extra_info": {}},
        "node_errors": nodes,
    }


def _node_errors(node: Graph, prompt: Graph, models: list[str]) -> Iterator[dict[str, Any]]:
    inputs = node.get("inputs", {})
    for name in NODES[node["class_type"]]:
        if name not in inputs:
            yield _error("required_input_missing", "Required input is missing", name)
    for name, value in inputs.items():
        if isinstance(value, list) and len(value) == 2 and str(value[0]) not in prompt:
            yield _error("return_type_mismatch", "Return type mismatch between linked nodes", name)
    checkpoint = inputs.get("ckpt_name")
    if checkpoint is not None and checkpoint not in models:
        yield _error("value_not_in_list", "Value not in list", f"ckpt_name: '{checkpoint}' not in {models}")


def _error(kind: str, message: str, details: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def work(prompt: Graph) -> Work:
    """The work of a valid workflow, from the sampler and the nodes linked to it."""
    sampler = _first(prompt, "KSampler")
    inputs = sampler.get("inputs", {})
    latent = _linked(prompt, inputs.get("latent_image"))
    text = _linked(prompt, inputs.get("positive")).get("inputs", {}).get("text", "")
    loader = _first(prompt, "CheckpointLoaderSimple").get("inputs", {})
    scale = _first(prompt, "ImageScale").get("inputs", {})
    blank = _first(prompt, "EmptyImage").get("inputs", {})
    size = latent.get("inputs", {}) if latent.get("class_type") == "EmptyLatentImage" else scale or blank
    return Work(
        prompt=str(text),
        seed=int(inputs.get("seed", 0)),
        width=int(size.get("width", 512)),
        height=int(size.get("height", 512)),
        batch=int(latent.get("inputs", {}).get("batch_size", 1)),
        steps=int(inputs.get("steps", 1)),
        model=loader.get("ckpt_name"),
        source=_first(prompt, "LoadImage").get("inputs", {}).get("image"),
    )


def around_sampling(prompt: Graph) -> tuple[list[str], list[str]]:
    """The nodes up to the sampler, which is last and takes most of the time, and the nodes after it."""
    after = [node_id for node_id, node in prompt.items() if node["class_type"] in AFTER_SAMPLING]
    before = [node_id for node_id in prompt if node_id not in after] or after[:1]
    before.sort(key=lambda node_id: prompt[node_id]["class_type"] == "KSampler")
    return before, [node_id for node_id in after if node_id not in before]


def outputs(prompt: Graph) -> dict[str, tuple[str, str]]:
    """Output node -> the type of its files (output or temp) and their prefix."""
    return {
        node_id: (
            "output" if node["class_type"] == "SaveImage" else "temp",
            str(node.get("inputs", {}).get("filename_prefix", "ComfyUI")),
        )
        for node_id, node in prompt.items()
        if node["class_type"] in OUTPUTS
    }


def _first(prompt: Graph, kind: str) -> Graph:
    return next((node for node in prompt.values() if node["class_type"] == kind), {})


def _linked(prompt: Graph, link: Any) -> Graph:
    node = prompt.get(str(link[0]), {}) if isinstance(link, list) and link else {}
    return node if isinstance(node, Mapping) else {}
