"""Files that a workflow names by an asset reference: from the bucket to the runtime."""

import copy
import io
import json
from typing import Any

import pytest
from PIL import Image
from queue_agent.contract import Task, TaskError
from queue_agent.task.assets import Reference, references
from queue_agent.task.messages import Defaults, MalformedMessageError, parse

from testing.comfyui import GRAPH
from testing.world import World

ASSETS = {"u-1": {"key": ".assets/default/u-1", "name": "cat.png"}}


def png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8)).save(data, "PNG")
    return data.getvalue()


def reference(asset_id: str) -> dict[str, Any]:
    return {"__type": "core/ASSET", "info": {"id": asset_id, "file_path": "cat.png"}}


def graph(value: Any) -> dict[str, Any]:
    """An image-to-image workflow whose image is this value."""
    nodes = copy.deepcopy(GRAPH)
    nodes["1"] = {"class_type": "LoadImage", "inputs": {"image": value}}
    nodes["2"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["1", 0], "vae": ["4", 2]}}
    nodes["3"]["inputs"]["latent_image"] = ["2", 0]
    return nodes


def send(world: World, task: str, content: Any, assets: Any = ASSETS) -> None:
    metadata = {"id": task, "runtime": "painter", "tasktype": "workflow", "assets": assets}
    world.send_body(json.dumps({"metadata": metadata, "content": content}))


@pytest.mark.thorough
def test_a_file_in_the_bucket_becomes_an_input_of_the_workflow(world: World):
    world.s3.put_object(Bucket=world.bucket, Key=".assets/default/u-1", Body=png())
    runtime = world.runtime("--service-time", "0.1", kind="comfyui")
    world.agent(runtime.url, RUNTIME_TYPE="comfyui")

    send(world, "plain", graph(reference("u-1")))
    send(world, "wrapped", {"prompt": graph(reference("u-1"))})
    send(world, "unknown", graph(reference("u-2")))
    send(world, "gone", graph(reference("u-1")), {"u-1": {"key": ".assets/default/none", "name": "a.png"}})
    callbacks = world.callbacks_for(["plain", "wrapped", "unknown", "gone"])

    assert {task: callback["status"] for task, callback in callbacks.items()} == {
        "plain": "completed",
        "wrapped": "completed",
        "unknown": "failed",
        "gone": "failed",
    }
    assert callbacks["unknown"]["error"]["code"] == "missing_asset"
    assert callbacks["gone"]["error"]["code"] == "input_not_found"
    executed = world.object("plain/result.json")["metadata"]["prompt"]
    assert executed["1"]["inputs"]["image"] == "plain-asset-0.png"


def task(content: Any, assets: Any = ASSETS) -> Task:
    return Task("t", "r", "workflow", "", {}, content, "", 10, 1, assets=assets)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"1": {"inputs": {"image": reference("u-1")}}}, ("1", "inputs", "image")),
        ({"prompt": {"1": {"inputs": {"image": reference("u-1")}}}}, ("prompt", "1", "inputs", "image")),
        ({"1": {"inputs": {"files": [["a", reference("u-1")]]}}}, ("1", "inputs", "files", 0, 1)),
    ],
)
def test_references_are_seen_at_any_place(content: Any, path: Any):
    assert references(task(content)) == {path: Reference(".assets/default/u-1", "cat.png")}


@pytest.mark.parametrize(
    "value", [reference("u-2"), {"__type": "core/ASSET"}, {"__type": "core/ASSET", "info": {"id": 7}}]
)
def test_a_reference_to_nothing_is_an_error_of_the_task(value: Any):
    with pytest.raises(TaskError, match="missing_asset"):
        references(task({"1": {"inputs": {"image": value}}}))


@pytest.mark.parametrize("assets", [[], "x", {"a": "b"}, {"a": {"key": "x"}}, {"a": {"key": 1, "name": "x"}}])
def test_assets_of_another_form_make_the_message_malformed(assets: Any):
    body = json.dumps({"metadata": {"id": "a", "assets": assets}, "content": {}})

    with pytest.raises(MalformedMessageError, match="assets"):
        parse(body, Defaults("comfyui", 10), 1)
