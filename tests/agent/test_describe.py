"""The agent writes what nodes its ComfyUI has, once for the image."""

import gzip
import json
from typing import Any

import pytest
from queue_agent.adapters.comfyui.nodes import described
from queue_agent.task.protocol import nodes_key

from testing.world import World, wait_for

IMAGE = "registry.example.com/comfyui:1"


def stored(world: World) -> dict[str, Any]:
    """The object and when it was written; {} as long as there is none."""
    try:
        return world.s3.get_object(Bucket=world.bucket, Key=nodes_key(IMAGE))
    except world.s3.exceptions.NoSuchKey:
        return {}


@pytest.mark.thorough
def test_the_nodes_are_written_once_for_an_image(world: World):
    runtime = world.runtime(kind="comfyui")
    world.agent(runtime.url, RUNTIME_TYPE="comfyui", RUNTIME_IMAGE=IMAGE)
    first = wait_for(lambda: stored(world))

    document = json.loads(gzip.decompress(first["Body"].read()))
    assert document["classes"]["KSampler"]["input"]["required"]["steps"] == ["INT", {"min": 1, "max": 10000}]
    assert document["classes"]["SaveImage"]["output_node"] is True
    assert document["replaced"] == []

    second = world.agent(runtime.url, RUNTIME_TYPE="comfyui", RUNTIME_IMAGE=IMAGE)
    wait_for(lambda: "the runtime is ready" in second.log.read_text())
    assert stored(world)["LastModified"] == first["LastModified"]
    assert "nodes of the runtime were written" not in second.log.read_text()


@pytest.mark.thorough
def test_nodes_that_could_not_be_read_are_written_soon_after(world: World):
    runtime = world.runtime(kind="comfyui")
    runtime.fault("no-nodes")
    agent = world.agent(runtime.url, RUNTIME_TYPE="comfyui", RUNTIME_IMAGE=IMAGE)
    wait_for(lambda: stored(world))

    assert runtime.occurred() == {"no-nodes": 1}
    assert "the nodes of the runtime were not written" in agent.log.read_text()


def test_only_what_the_api_reads_is_kept():
    node = {
        "input": {
            "required": {
                "a": ["INT", {"min": 1, "tooltip": "long"}],
                "b": [["x"]],
                "c": "odd",
                "d": [[], {}],
            },
            "optional": {
                "e": [
                    "COMBO",
                    {"options": ["u"], "image_upload": True, "video_upload": False, "default": "u"},
                ],
                "f": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {"options": [{"key": "k", "inputs": {"required": {"g": ["INT", {"tooltip": "t"}]}}}]},
                ],
                "h": [
                    "COMFY_AUTOGROW_V3",
                    {
                        "template": {
                            "input": {"required": {"i": ["IMAGE", {"tooltip": "t"}]}},
                            "prefix": "p",
                            "min": 1,
                            "max": 3,
                        }
                    },
                ],
            },
            "hidden": {"prompt": "PROMPT"},
        },
        "output": ["IMAGE"],
        "description": "long",
        "python_module": "nodes",
    }

    document = described({"A": node, "B": "odd"}, {"Old": []})

    assert document == {
        "classes": {
            "A": {
                "output": ["IMAGE"],
                "python_module": "nodes",
                "input": {
                    "required": {"a": ["INT", {"min": 1}], "b": [["x"]], "c": "odd", "d": [[]]},
                    "optional": {
                        "e": ["COMBO", {"options": ["u"], "image_upload": True}],
                        "f": [
                            "COMFY_DYNAMICCOMBO_V3",
                            {"options": [{"key": "k", "inputs": {"required": {"g": ["INT"]}}}]},
                        ],
                        "h": [
                            "COMFY_AUTOGROW_V3",
                            {
                                "template": {
                                    "input": {"required": {"i": ["IMAGE"]}},
                                    "prefix": "p",
                                    "min": 1,
                                    "max": 3,
                                }
                            },
                        ],
                    },
                },
            }
        },
        "replaced": ["Old"],
    }
    assert described([], {}) is described({}, None) is None
