"""The nodes that the simulated ComfyUI knows: types, ranges and choices of their inputs."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# All nodes of ComfyUI 0.28.1, among them those of its official templates: `make comfyui-nodes`.
FILE = Path(__file__).with_name("nodes.json")
# Nodes of extensions that published workflows use. Their inputs are not checked.
EXTENSIONS = (
    "ADE_AnimateDiffLoaderGen1",
    "ADE_AnimateDiffLoaderWithContext",
    "ADE_StandardStaticContextOptions",
    "ADE_UseEvolvedSampling",
    "AIO_Preprocessor",
    "ApplyInstantID",
    "CR Apply LoRA Stack",
    "CR LoRA Stack",
    "CannyEdgePreprocessor",
    "DWPreprocessor",
    "DepthAnythingPreprocessor",
    "Efficient Loader",
    "FaceDetailer",
    "GetImageSize+",
    "IPAdapter",
    "IPAdapterAdvanced",
    "IPAdapterModelLoader",
    "IPAdapterUnifiedLoader",
    "ImageResize+",
    "KSampler (Efficient)",
    "LineArtPreprocessor",
    "OpenposePreprocessor",
    "Power Lora Loader (rgthree)",
    "ReActorFaceSwap",
    "SAMLoader",
    "Seed (rgthree)",
    "UltimateSDUpscale",
    "UltralyticsDetectorProvider",
    "UnetLoaderGGUF",
    "VHS_LoadAudio",
    "VHS_LoadAudioUpload",
    "VHS_LoadVideo",
)
SAVING_EXTENSIONS = (
    "Image Save",
    "SaveImageExtended",
    "ShowText|pysssss",
    "VHS_VideoCombine",
    "WD14Tagger|pysssss",
    "easy showAnything",
)


@dataclass(frozen=True)
class Input:
    """One input of a node. `files`: its values are names of files that the server has."""

    type: str
    optional: bool = False
    min: float | None = None
    max: float | None = None
    choices: tuple[Any, ...] | None = None
    files: bool = False


@dataclass(frozen=True)
class Node:
    """One class of nodes. `saves`: it is an output of the workflow."""

    inputs: dict[str, Input] = field(default_factory=dict)
    outputs: tuple[str, ...] | None = ()  # None: unknown
    saves: bool = False


@functools.cache
def known() -> dict[str, Node]:
    """Every node by the name of its class."""
    nodes = {name: _node(entry) for name, entry in json.loads(FILE.read_text()).items()}
    nodes |= {name: Node(outputs=None) for name in EXTENSIONS}
    return nodes | {name: Node(outputs=None, saves=True) for name in SAVING_EXTENSIONS}


def described(name: str, node: Node, models: list[str]) -> dict[str, Any]:
    """The node as `/object_info` has it; `models` are the files that the server has."""
    inputs: dict[str, dict[str, Any]] = {"required": {}, "optional": {}}
    for key, value in node.inputs.items():
        choices = models if value.files else list(value.choices or ())
        limits = {"min": value.min, "max": value.max} if value.min is not None else {}
        part = "optional" if value.optional else "required"
        inputs[part][key] = [choices if value.type == "COMBO" else value.type, limits]
    # ComfyUI's own nodes, and those of extensions, whose outputs are unknown.
    module = "nodes" if node.outputs is not None else "custom_nodes.extensions"
    return {
        "input": inputs,
        "name": name,
        "output": node.outputs or [],
        "output_node": node.saves,
        "python_module": module,
    }


def _node(entry: dict[str, Any]) -> Node:
    inputs = {
        name: Input(**{**value, "choices": tuple(value["choices"]) if "choices" in value else None})
        for name, value in entry["inputs"].items()
    }
    return Node(inputs, tuple(entry["outputs"]), entry.get("saves", False))
