"""The simulated ComfyUI refuses what a real one refuses, in the same words (execution.py of 0.28.1)."""

from typing import Any

import pytest

from local.runtimes.comfyui.nodes import known
from local.runtimes.comfyui.validation import Verdict, lost_links, validate
from tests.agent.adapters.conftest import COMFYUI_MODEL, workflow


def judged(*, uploads: tuple[str, ...] = (), **changes: Any) -> Verdict:
    """The verdict on the example workflow, in which `n3` stands for changes of node 3."""
    graph = workflow()
    for node_id, inputs in changes.items():
        graph[node_id.removeprefix("n")]["inputs"].update(inputs)
    return validate(graph, [COMFYUI_MODEL], set(uploads))


def kinds(verdict: Verdict) -> list[str]:
    return [error["type"] for node in verdict.node_errors.values() for error in node["errors"]]


def test_the_example_is_valid():
    assert judged() == Verdict(None, {}, ("9",))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"n4": {"ckpt_name": "none.safetensors"}}, "value_not_in_list"),
        ({"n3": {"sampler_name": "no sampler"}}, "value_not_in_list"),
        ({"n3": {"scheduler": "no scheduler"}}, "value_not_in_list"),
        ({"n3": {"steps": 0}}, "value_smaller_than_min"),
        ({"n3": {"steps": 10001}}, "value_bigger_than_max"),
        ({"n3": {"cfg": 101}}, "value_bigger_than_max"),
        ({"n3": {"denoise": 1.5}}, "value_bigger_than_max"),
        ({"n3": {"seed": -1}}, "value_smaller_than_min"),
        ({"n5": {"width": 8}}, "value_smaller_than_min"),
        ({"n5": {"height": 16385}}, "value_bigger_than_max"),
        ({"n5": {"batch_size": 0}}, "value_smaller_than_min"),
        ({"n3": {"steps": "many"}}, "invalid_input_type"),
        ({"n3": {"steps": None}}, "invalid_input_type"),
        ({"n3": {"steps": float("inf")}}, "invalid_input_type"),
        ({"n3": {"model": ["4", 1]}}, "return_type_mismatch"),
        ({"n3": {"model": ["4"]}}, "bad_linked_input"),
        ({"n3": {"model": ["77", 0]}}, "exception_during_validation"),
        ({"n3": {"model": ["4", 9]}}, "exception_during_validation"),
    ],
)
def test_an_invalid_value_is_refused(changes: dict[str, Any], kind: str):
    verdict = judged(**changes)

    assert kinds(verdict) == [kind]
    assert verdict.error is not None and verdict.error["type"] == "prompt_outputs_failed_validation"


@pytest.mark.parametrize("value", ["20", 20.9, True])
def test_a_value_that_can_be_converted_is_taken(value: object):
    assert judged(n3={"steps": value}).error is None


def test_a_missing_input_is_refused():
    graph = workflow()
    del graph["5"]["inputs"]["batch_size"]

    assert kinds(validate(graph, [COMFYUI_MODEL], set())) == ["required_input_missing"]


@pytest.mark.parametrize(
    ("kind", "name", "details"),
    [
        ("LoadImage", "image", "image - Invalid image file: a.bin"),
        ("LoadImageMask", "image", "image - Invalid image file: a.bin"),
        ("LoadVideo", "file", "file - Invalid video file: a.bin"),
        ("LoadAudio", "audio", "audio - Invalid audio file: a.bin"),
    ],
)
def test_a_file_that_was_not_uploaded_is_refused(kind: str, name: str, details: str):
    extra = {"channel": "red"} if kind == "LoadImageMask" else {}
    graph = {
        "1": {"class_type": kind, "inputs": {name: "a.bin", **extra}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }

    missing, there = validate(graph, [], set()), validate(graph, [], {"a.bin"})

    assert [error["details"] for error in missing.node_errors["1"]["errors"]] == [details]
    assert there.error is None


def test_only_the_outputs_with_invalid_nodes_are_dropped():
    graph = workflow()
    graph["20"] = {
        "class_type": "EmptyImage",
        "inputs": {"width": 0, "height": 8, "batch_size": 1, "color": 0},
    }
    graph["21"] = {"class_type": "PreviewImage", "inputs": {"images": ["20", 0]}}

    verdict = validate(graph, [COMFYUI_MODEL], set())

    assert (verdict.error, verdict.outputs) == (None, ("9",))
    assert verdict.node_errors["20"]["dependent_outputs"] == ["21"]


def test_a_lost_link_in_an_input_that_no_node_declares_is_not_noticed_before_it_is_followed():
    graph = workflow()
    graph["20"] = {"class_type": "VAELoader", "inputs": {"other": ["77", 0]}}
    assert not lost_links(graph, ["9"])

    graph["3"]["inputs"]["other"] = ["77", 0]

    assert validate(graph, [COMFYUI_MODEL], set()).error is None
    assert lost_links(graph, ["9"])


def test_a_node_that_no_output_needs_is_not_checked():
    graph = workflow()
    graph["20"] = {"class_type": "KSampler", "inputs": {}}

    assert validate(graph, [COMFYUI_MODEL], set()).error is None


@pytest.mark.parametrize(
    ("graph", "kind"),
    [
        ({}, "no_prompt"),
        ({"1": {"class_type": "NoSuchNode", "inputs": {}}}, "missing_node_type"),
        ({"1": {"inputs": {}}}, "missing_node_type"),
        ({"1": {"class_type": "VAELoader", "inputs": {}}}, "prompt_no_outputs"),
    ],
)
def test_what_is_no_workflow_is_refused(graph: dict[str, Any], kind: str):
    verdict = validate(graph, [], set())

    assert verdict.error is not None and verdict.error["type"] == kind


@pytest.mark.parametrize(
    "name",
    [
        "CheckpointLoaderSimple",
        "UNETLoader",
        "DualCLIPLoader",
        "VAELoader",
        "LoraLoader",
        "ControlNetLoader",
        "KSampler",
        "KSamplerAdvanced",
        "SamplerCustomAdvanced",
        "BasicScheduler",
        "FluxGuidance",
        "ModelSamplingFlux",
        "EmptySD3LatentImage",
        "WanImageToVideo",
        "CreateVideo",
        "SaveVideo",
        "SaveAudio",
        "LoadAudio",
        "LoadVideo",
        "ImageUpscaleWithModel",
        "SaveGLB",
        "CLIPVisionEncode",
        "TextEncodeQwenImageEdit",
        "PreviewImage",
        "VHS_VideoCombine",
    ],
)
def test_nodes_of_the_official_templates_and_of_published_workflows_are_known(name: str):
    assert name in known()
