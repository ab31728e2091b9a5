"""Workflows against the nodes of ComfyUI 0.28.1: what it refuses, and what it takes."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from queue_agent.adapters.comfyui.nodes import described

from api.node_checks import NodeError, Nodes, node_errors

OBJECT_INFO = json.loads((Path(__file__).with_name("object_info.json")).read_text())
# Of an extension: its inputs may have checks of their own, its types compare unlike their text.
OBJECT_INFO["Enhance (pack)"] = {
    "input": {
        "required": {"mode": [["a", "b"], {}], "steps": ["INT", {"min": 1, "max": 9}], "any": ["*", {}]},
        "optional": {"image": ["IMAGE"]},
        "hidden": {"prompt": "PROMPT"},
    },
    "output": ["IMAGE"],
    "output_node": False,
    "python_module": "custom_nodes.pack",
}
# Of 0.33.0, on a GPU without INT8 kernels: the file has the nodes of 0.28.1.
OBJECT_INFO["ModelAttentionBackend"] = {
    "input": {"required": {"model": ["MODEL"], "attention": [["pytorch attention"]]}},
    "output": ["MODEL"],
    "output_node": False,
    "python_module": "comfy_extras.nodes_model_advanced",
}
OBJECT_INFO["LoadVideoDataSetFromFolder"] = {
    "input": {"required": {"folder": ["COMBO", {"options": ["there"]}]}},
    "output": ["VIDEO"],
    "output_node": False,
    "python_module": "comfy_extras.nodes_dataset",
}
REPLACED = {"OldLoader": [{"new_node_id": "CheckpointLoaderSimple"}]}


def nodes() -> Nodes:
    """As an agent writes them, and the function reads them."""
    document = described(OBJECT_INFO, REPLACED)
    assert document is not None
    return Nodes(document["classes"], frozenset(document["replaced"]))


def a_workflow() -> dict[str, Any]:
    """Text to image."""
    return {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
        "3": {
            "class_type": "KSampler",
            "_meta": {"title": "The sampler"},
            "inputs": {
                "seed": 1,
                "steps": 20,
                "cfg": 8,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["6", 0],
                "latent_image": ["5", 0],
            },
        },
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["8", 0]}},
    }


def changed(node: str, **inputs: Any) -> dict[str, Any]:
    """The workflow with other inputs of a node."""
    workflow = a_workflow()
    for name, value in inputs.items():
        workflow[node]["inputs"][name] = value
    return workflow


def without(node: str, name: str) -> dict[str, Any]:
    workflow = a_workflow()
    del workflow[node]["inputs"][name]
    return workflow


def with_node(number: str, kind: str, *, shown: int | None = 0, **inputs: Any) -> dict[str, Any]:
    """The workflow with one more node, whose output is shown."""
    more = {number: {"class_type": kind, "inputs": inputs}}
    if shown is not None:
        more["99"] = {"class_type": "PreviewAny", "inputs": {"source": [number, shown]}}
    return a_workflow() | more


TAKEN = {
    "text to image": a_workflow(),
    "a number as text": changed("3", steps="20", cfg="7.5"),
    "a fraction for an integer": changed("3", steps=20.9),
    "true for an integer": changed("3", steps=True),
    "the largest seed": changed("3", seed=2**64 - 1),
    "a number for a text": changed("6", text=7),
    "a wrapped value": changed("3", steps={"__value__": 20}),
    "inputs that no node has": changed("3", other=["4", 0], control_after_generate="fixed"),
    "an output counted from the end": changed("8", vae=["4", -1]),
    "a model in a folder": changed("4", ckpt_name="xl/base.safetensors"),
    "a node that no output needs, and that is wrong": with_node("50", "KSampler", shown=None),
    "an image by URL": with_node("50", "LoadImage", image="https://example.com/a.png"),
    "an image that another pod has": with_node("50", "LoadImage", image="of-yesterday.png"),
    "a video by URL": with_node("50", "LoadVideo", file="s3://bucket/a.mp4"),
    "an asset": with_node("50", "LoadImage", image={"__type": "core/ASSET", "info": {"id": "x"}}),
    "any type shown": with_node("50", "PrimitiveInt", value=3),
    "a switch of any type": with_node(
        "50", "ComfySwitchNode", switch=True, on_false=["8", 0], on_true=["6", 0]
    ),
    "a list that grows": with_node(
        "50", "BatchImagesNode", **{"images.image0": ["8", 0], "images.image1": ["8", 0]}
    ),
    "a dynamic list": with_node(
        "50",
        "ResizeImageMaskNode",
        **{"input": ["8", 0], "resize_type": "scale by multiplier", "resize_type.multiplier": 2},
        scale_method="area",
    ),
    "a value that a node checks itself": with_node("50", "CustomCombo", choice="mine"),
    "an attention that this GPU lacks": with_node(
        "50", "ModelAttentionBackend", model=["4", 0], attention="comfy kitchen attention"
    ),
    "a folder of inputs that is not there yet": with_node("50", "LoadVideoDataSetFromFolder", folder="mine"),
    "a device that this machine lacks": with_node("50", "SelectModelDevice", model=["4", 0], device="gpu:7"),
    "an extension's value that is not listed": with_node(
        "50", "Enhance (pack)", mode="new", steps=100, any=["4", 0]
    ),
    "an extension's input of another type": with_node(
        "50", "Enhance (pack)", mode="a", steps=1, any=1, image=["4", 0]
    ),
    "an output that an extension does not declare": changed("8", samples=["50", 7])
    | {"50": {"class_type": "Enhance (pack)", "inputs": {"mode": "a", "steps": 1, "any": 1}}},
    "a class that the server replaces": a_workflow() | {"4": {"class_type": "OldLoader", "inputs": {}}},
    "no output, but a class that the server replaces": {"1": {"class_type": "OldLoader", "inputs": {}}},
}


@pytest.mark.parametrize("workflow", TAKEN.values(), ids=TAKEN)
def test_what_comfyui_takes_is_not_refused(workflow: dict[str, Any]) -> None:
    assert node_errors(workflow, nodes()) == []


REFUSED = {
    "unknown class": (a_workflow() | {"7": {"class_type": "Nope", "inputs": {}}}, "7", "", "no node 'Nope'"),
    "missing input": (without("3", "steps"), "3", "steps", "is required"),
    "missing link": (without("9", "images"), "9", "images", "is required"),
    "no integer": (changed("3", steps="many"), "3", "steps", "must be an integer; it is 'many'"),
    "null": (changed("3", seed=None), "3", "seed", "must be an integer"),
    "no number": (changed("3", cfg={}), "3", "cfg", "must be a number"),
    "too small": (changed("3", steps=0), "3", "steps", "must be at least 1; it is 0"),
    "too large": (changed("3", denoise=1.5), "3", "denoise", "must be at most 1"),
    "seed below 0": (changed("3", seed=-1), "3", "seed", "must be at least 0"),
    "not in the list": (changed("3", sampler_name="Euler"), "3", "sampler_name", "'Euler', which is not one"),
    "a file where none belongs": (changed("3", scheduler="a.png"), "3", "scheduler", "'a.png', which is not"),
    "unknown model": (changed("4", ckpt_name="none.ckpt"), "4", "ckpt_name", "does not have"),
    "model without extension": (changed("4", ckpt_name="sd15"), "4", "ckpt_name", "does not have"),
    "wrong type": (changed("3", model=["5", 0]), "3", "model", "needs MODEL, but .* LATENT"),
    "slot": (changed("8", vae=["4", 3]), "8", "vae", "output 3 of node 4 .* 3 outputs"),
    "slot as text": (changed("8", vae=["4", "VAE"]), "8", "vae", "output VAE"),
    "absent node": (changed("8", vae=["77", 0]), "8", "vae", "node 77, which does not exist"),
    "absent node, undeclared input": (changed("3", other=["77", 0]), "3", "other", "node 77, which does not"),
    "node as number": (changed("8", vae=[4, 2]), "8", "vae", "node 4, which does not exist"),
    "list": (changed("3", steps=[1, 2, 3]), "3", "steps", "a list of two"),
    "dynamic list, missing": (
        with_node(
            "50", "ResizeImageMaskNode", input=["8", 0], resize_type="scale width", scale_method="area"
        ),
        "50",
        "resize_type.width",
        "is required",
    ),
    "growing list, none": (with_node("50", "BatchImagesNode"), "50", "images.image0", "is required"),
    "growing list, type": (
        with_node("50", "BatchImagesNode", **{"images.image0": ["4", 0]}),
        "50",
        "images.image0",
        "needs IMAGE",
    ),
    "extension, missing": (with_node("50", "Enhance (pack)", mode="a", steps=1), "50", "any", "is required"),
    "extension, no integer": (
        with_node("50", "Enhance (pack)", mode="a", steps="x", any=1),
        "50",
        "steps",
        "must be an integer",
    ),
}


@pytest.mark.parametrize(("workflow", "node", "name", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_comfyui_refuses_is_refused_with_node_and_title(
    workflow: dict[str, Any], node: str, name: str, reason: str
) -> None:
    [error] = node_errors(workflow, nodes())

    assert (error.node, error.input) == (node, name)
    assert error.title == ("The sampler" if node == "3" else workflow[node]["class_type"])
    assert re.search(reason, error.reason)


def test_all_errors_come_in_one_answer() -> None:
    workflow = changed("3", steps=0, sampler_name="none", model=["5", 0])
    workflow["4"]["inputs"]["ckpt_name"] = "none.ckpt"
    workflow["7"] = {"class_type": "Nope", "inputs": {}}

    errors = node_errors(workflow, nodes())

    places = {(error.node, error.input) for error in errors}
    assert places == {("7", ""), ("3", "steps"), ("3", "sampler_name"), ("3", "model"), ("4", "ckpt_name")}


def test_a_workflow_without_an_output_is_refused() -> None:
    workflow = a_workflow()
    del workflow["9"]

    [error] = node_errors(workflow, nodes())

    assert error == NodeError("", "", "", error.reason)
    assert "no output node" in error.reason


def test_a_cycle_is_refused() -> None:
    workflow = changed("5", width=["50", 0])
    workflow["50"] = {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}}
    workflow["6"]["inputs"]["clip"] = ["3", 0]

    errors = node_errors(workflow, nodes())

    assert any("is part of a cycle" in error.reason for error in errors)


def test_only_files_of_models_may_have_come_since() -> None:
    [model] = node_errors(changed("4", ckpt_name="new.safetensors"), nodes())
    [lora] = node_errors(
        with_node("50", "LoraLoader", model=["4", 0], clip=["4", 1], strength_model=1, strength_clip=1),
        nodes(),
    )
    [value] = node_errors(changed("3", scheduler="new"), nodes())

    assert (model.file, lora.reason, value.file) == ("new.safetensors", "is required", "")


def test_nodes_of_another_form_refuse_nothing() -> None:
    odd = {name: {"input": odd} for name, odd in zip("abc", ([], {"required": []}, None), strict=True)}
    workflow = {"1": {"class_type": "a", "inputs": {"x": 1}}, "2": {"class_type": "b", "inputs": {}}}
    saving = copy.deepcopy(odd) | {"c": {"output_node": True, "input": {"required": {"y": []}}}}
    workflow["3"] = {"class_type": "c", "inputs": {"y": ["1", 0]}}

    assert node_errors(workflow, Nodes(saving)) == []
