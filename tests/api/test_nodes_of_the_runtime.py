"""Workflows are refused at the door once an agent has written the nodes of the runtime, and not before."""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfy_sdk import Comfy
from comfy_sdk.exceptions import InvalidWorkflow
from queue_agent.adapters.comfyui.nodes import described
from queue_agent.task.protocol import NODES_DAYS, NODES_MAX_BYTES, NODES_MAX_JSON_BYTES, nodes_key

from api.node_lists import NodeLists
from api.settings import Runtime
from tests.api.conftest import Deployed

OBJECT_INFO = json.loads((Path(__file__).with_name("object_info.json")).read_text())
RUNTIME = "comfyui"
# Of a pack of nodes that no simulation has.
UNKNOWN = {
    "1": {"class_type": "Pack: Paint (v2)", "inputs": {"mood": "calm"}},
    "2": {"class_type": "Pack: Show", "_meta": {"title": "The end"}, "inputs": {"images": ["1", 0]}},
}
EMPTY = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "https://example.com/a.png"}},
    "2": {"class_type": "SaveImage", "_meta": {"title": "Keep"}, "inputs": {"images": ["1", 0]}},
}


def packed(classes: Any) -> bytes:
    return gzip.compress(json.dumps({"classes": classes, "replaced": []}).encode())


def write(api: Deployed, runtime: Runtime, data: bytes) -> None:
    api.cloud.client("s3").put_object(Bucket=runtime.bucket, Key=nodes_key(runtime.image), Body=data)


@pytest.fixture
def runtime(api: Deployed) -> Iterator[Runtime]:
    [entry] = [entry for entry in api.solution.runtimes if entry.name == RUNTIME]
    models = api.solution.model_bucket_arn.rpartition(":")[2]
    image = entry.runtime_image.name
    found = Runtime(RUNTIME, "comfyui", entry.output_bucket, None, image=image, models_bucket=models)
    yield found
    api.cloud.client("s3").delete_object(Bucket=found.bucket, Key=nodes_key(found.image))


@pytest.fixture
def nodes(api: Deployed) -> NodeLists:
    return NodeLists(api.cloud.client("s3"))


def submit(api: Deployed, content: Any) -> Any:
    task = {"metadata": {"runtime": RUNTIME, "tasktype": "workflow"}, "content": content}
    return api.call("POST", "/v1alpha2", {"task": task})


def test_both_formats_refuse_it_with_all_nodes_and_titles(
    api: Deployed, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert submit(api, UNKNOWN).status == 200, "nobody knows the nodes yet: the agent refuses it, if it must"
    write(api, runtime, packed(described(OBJECT_INFO, {})["classes"]))  # type: ignore[index]
    time.sleep(2.1)

    reply = submit(api, {"prompt": UNKNOWN})

    assert reply.status == 400
    assert reply.fields == ["task.content.prompt.1", "task.content.prompt.2"]
    assert "node 2 (The end): this runtime has no node 'Pack: Show'" in json.dumps(reply.body)
    assert submit(api, EMPTY).body["errors"] == [
        {
            "field": "task.content.2.inputs.filename_prefix",
            "detail": "node 2 (Keep): filename_prefix is required",
        }
    ]
    monkeypatch.setenv("COMFY_BASE_URL", f"{api.door.url}/comfy/{RUNTIME}")
    with Comfy(api_key=api.door.key) as client, pytest.raises(InvalidWorkflow) as error:
        client.submit(client.workflows.from_json(UNKNOWN))
    assert "Node 1 (Pack: Paint (v2)): this runtime has no node" in str(error.value)
    assert (error.value.details or {})["node_errors"].keys() == {"1", "2"}


def test_a_refusal_is_never_older_than_the_nodes(api: Deployed, runtime: Runtime, nodes: NodeLists) -> None:
    write(api, runtime, packed({"Other": {}}))
    assert nodes.errors(runtime, UNKNOWN)

    write(api, runtime, packed({name: {"output_node": True} for name in ("Pack: Paint (v2)", "Pack: Show")}))

    assert nodes.errors(runtime, UNKNOWN) == []


def test_a_model_that_came_into_the_bucket_since_is_not_refused(
    api: Deployed, runtime: Runtime, nodes: NodeLists
) -> None:
    s3 = api.cloud.client("s3")
    if runtime.models_bucket not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=runtime.models_bucket)
    loader = OBJECT_INFO["CheckpointLoaderSimple"] | {"output_node": True}
    write(api, runtime, packed({"CheckpointLoaderSimple": loader}))
    workflow = {"1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sub/new.safetensors"}}}
    [error] = nodes.errors(runtime, workflow)
    assert "'sub/new.safetensors', which this runtime does not have" in error.reason
    elsewhere = Runtime(RUNTIME, "comfyui", runtime.bucket, None, image=runtime.image)
    assert nodes.errors(elsewhere, workflow) == [], "the bucket is not where its models are"

    s3.put_object(Bucket=runtime.models_bucket, Key="checkpoints/sub/new.safetensors", Body=b"x")

    assert nodes.errors(runtime, workflow) == []


@pytest.mark.parametrize(
    "data",
    [
        b"not gzip",
        gzip.compress(b"not JSON"),
        gzip.compress(b"[]"),
        gzip.compress(b'{"classes": []}'),
        gzip.compress(json.dumps({"classes": {"x": "y" * NODES_MAX_JSON_BYTES}}).encode()),
        packed({"Other": {}}) + b"\0" * NODES_MAX_BYTES,
        packed({"Other": {}})[:-9],
    ],
    ids=["no gzip", "no JSON", "a list", "another form", "much JSON", "many bytes", "cut"],
)
def test_what_cannot_be_read_refuses_nothing(
    api: Deployed, runtime: Runtime, nodes: NodeLists, data: bytes
) -> None:
    write(api, runtime, data)

    assert nodes.errors(runtime, UNKNOWN) == []


def test_the_nodes_of_a_tag_expire_and_those_of_a_digest_do_not(
    api: Deployed, runtime: Runtime, nodes: NodeLists, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = Runtime(RUNTIME, "comfyui", runtime.bucket, None, image=f"{runtime.image}@sha256:{'a' * 64}")
    for each in (runtime, pinned):
        write(api, each, packed({"Other": {}}))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + (NODES_DAYS + 1) * 86_400)

    assert nodes.errors(runtime, UNKNOWN) == []
    assert nodes.errors(pinned, UNKNOWN)
