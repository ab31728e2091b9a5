"""Workflows in the ComfyUI simulation: what a workflow draws, and which files it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.runtimes.comfyui.validation import node_of

Graph = Mapping[str, Any]

AFTER_SAMPLING = ("VAEDecode", "ImageScale")


# What the output nodes with these words in their names make: the key in the history, and the extension.
MADE_FILES = {
    "Video": ("images", "mp4"),
    "WEBM": ("images", "webm"),
    "Audio": ("audio", "flac"),
    "GLB": ("3d", "glb"),
    "Text": ("", ""),
    "Any": ("", ""),
    "Websocket": ("", ""),
    "Image": ("images", "png"),
}


# The key under which nodes that save no file show a text, and whether they return it bare: then the history
# has a list of its characters (`get_output_from_returns` in ComfyUI's execution.py).
SHOWN_TEXTS = {
    "ShowText|pysssss": ("text", False),
    "PreviewAny": ("text", False),
    "WD14Tagger|pysssss": ("tags", False),
    "easy showAnything": ("text", True),
}


@dataclass(frozen=True)
class SavedFiles:
    """The files that an output node makes. `key` is "" when it makes none."""

    key: str
    extension: str
    type: str  # output | temp
    prefix: str


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
    after = [node_id for node_id, node in prompt.items() if _is_after_sampling(node["class_type"])]
    before = [node_id for node_id in prompt if node_id not in after] or after[:1]
    before.sort(key=lambda node_id: prompt[node_id]["class_type"] == "KSampler")
    return before, [node_id for node_id in after if node_id not in before]


def outputs(prompt: Graph, executed: Sequence[str]) -> dict[str, SavedFiles]:
    """Output node -> the files that it makes, of the outputs that are `executed`."""
    return {node_id: _saved(prompt[node_id]) for node_id in executed if _saved(prompt[node_id]).key}


def shown(prompt: Graph, executed: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Output node -> the texts that it shows, of the outputs that are `executed`."""
    texts: dict[str, dict[str, list[str]]] = {}
    for node_id in executed:
        if (shows := SHOWN_TEXTS.get(prompt[node_id]["class_type"])) is not None:
            (key, bare), text = shows, work(prompt).prompt or "a simulated text"
            texts[node_id] = {key: list(text) if bare else [text]}
    return texts


def _saved(node: Graph) -> SavedFiles:
    kind, prefix = node["class_type"], node.get("inputs", {}).get("filename_prefix", "ComfyUI")
    if (path := node.get("inputs", {}).get("output_path")) and isinstance(prefix, str):
        prefix = f"{path}/{prefix}"  # of "Image Save" by WAS, which saves anywhere
    if kind in SHOWN_TEXTS:
        return SavedFiles("", "", "output", "")
    folder = "temp" if "Preview" in kind else "output"
    key, extension = next((files for word, files in MADE_FILES.items() if word in kind), ("images", "png"))
    return SavedFiles(key, extension, folder, prefix if isinstance(prefix, str) else "linked")


def _is_after_sampling(kind: str) -> bool:
    node = node_of(kind)
    return kind in AFTER_SAMPLING or (node is not None and node.saves)


def _first(prompt: Graph, kind: str) -> Graph:
    return next((node for node in prompt.values() if node["class_type"] == kind), {})


def _linked(prompt: Graph, link: Any) -> Graph:
    node = prompt.get(str(link[0]), {}) if isinstance(link, list) and link else {}
    return node if isinstance(node, Mapping) else {}
