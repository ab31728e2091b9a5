"""The Comfy API v2 as a program of comfy-sdk meets it. The tests write what an agent would."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from comfy_sdk import AsyncComfy, Comfy
from comfy_sdk.exceptions import (
    ComfyError,
    IdempotencyKeyReuse,
    InvalidWorkflow,
    JobFailed,
    MissingAsset,
    NotFound,
    Unauthorized,
)

from tests.api.conftest import Deployed

GRAPH: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["4", 0], "steps": 20}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
RUNTIME = "comfyui"


@pytest.fixture
def address(api: Deployed, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"{api.door.url}/comfy/{RUNTIME}"
    monkeypatch.setenv("COMFY_BASE_URL", url)
    monkeypatch.setenv("COMFY_API_KEY", api.door.key)
    return url


@pytest.fixture
def comfy(address: str) -> Iterator[Comfy]:
    with Comfy() as client:
        yield client


def bucket(api: Deployed) -> str:
    return next(runtime.output_bucket for runtime in api.solution.runtimes if runtime.name == RUNTIME)


def begin(api: Deployed, job_id: str, **progress: Any) -> None:
    """As the agent claims a task and reports its progress."""
    now = time.time()
    claim = {"owner": "pod", "attempt": 1, "started": now, "expires": now + 60, "state": "running"}
    api.write(
        RUNTIME, f".tasks/{job_id}/claim.json", {**claim, **({"progress": progress} if progress else {})}
    )


def finish(api: Deployed, job_id: str, **changes: Any) -> None:
    """As the agent stores the result of a task: two pictures of node 9, a text of node 12."""
    s3, outputs = api.cloud.client("s3"), []
    files = (("9", "png", "image"), ("9", "png", "image"), ("12", "txt", "text"))
    for n, (node, extension, kind) in enumerate(files, 1):
        key = f"{job_id}/{job_id}-{n}.{extension}"
        s3.put_object(Bucket=bucket(api), Key=key, Body=PICTURE, ContentType="image/png")
        output = {"key": key, "content_type": "image/png", "bytes": len(PICTURE), "kind": kind}
        outputs.append({**output, "sha256": "", "metadata": {"node": node}})
    now = time.time()
    result = {"id": job_id, "status": "completed", "outputs": outputs, "started": now - 2, "finished": now}
    api.write(RUNTIME, f"{job_id}/result.json", {**result, "duration": 1.5, "metadata": {}, **changes})


def test_a_workflow_is_queued_runs_and_gives_its_outputs_by_node(api: Deployed, comfy: Comfy) -> None:
    api.messages(RUNTIME)
    job = comfy.submit(comfy.workflows.from_json(GRAPH), metadata={"client": "acme"})
    assert (job.status, job.metadata) == ("queued", {"client": "acme"})
    [message] = api.messages(RUNTIME)
    assert message["metadata"]["id"] == job.id
    assert message["content"] == {"prompt": GRAPH}

    begin(api, job.id, value=0.5, step=10, steps=20, node="3", nodes_done=1, started=time.time())
    assert job.refresh().status == "running"
    progress = comfy.jobs.get(job.id)._model.progress
    assert progress is not None
    assert (progress.value, progress.step, progress.steps) == (0.5, 10, 20)
    assert (progress.current_node, progress.current_node_class) == ("3", "KSampler")
    assert (progress.nodes_done, progress.nodes_total) == (1, 3)
    finish(api, job.id)

    done = job.result()

    assert done.status == "succeeded"
    assert [output.type for output in done.get_outputs("9")] == ["image", "image"]
    [text] = done.get_outputs("12")
    assert text.type == "text"
    assert done.outputs[0].to_bytes() == PICTURE
    assert done.outputs[0].to_bytes(range=(0, 3)) == PICTURE[:4]
    assert done.outputs[0].size_bytes == len(PICTURE)
    assert "X-Amz-Signature" in done.outputs[0].get_download_url().url
    model = done._model
    assert model.created_at <= model.completed_at <= model.expires_at
    assert model.metrics is not None
    assert model.metrics["execution_ms"] == 1500


def test_an_asset_goes_in_and_comes_out(api: Deployed, comfy: Comfy) -> None:
    data = PICTURE + b"asset"
    asset = comfy.assets.from_bytes(data, filename="größe 1.png")
    asset_id = asset.commit()
    assert asset.created_new is True
    again = comfy.assets.from_bytes(data, filename="other.png")
    assert (again.commit(), again.created_new) == (asset_id, False)

    workflow = comfy.workflows.from_json({**GRAPH, "1": {"class_type": "LoadImage", "inputs": {}}})
    workflow.set_input("1", "image", asset)
    api.messages(RUNTIME)
    job = comfy.submit(workflow)

    [message] = api.messages(RUNTIME)
    [(named, file)] = message["metadata"]["assets"].items()
    assert (named, file["name"]) == (asset_id, "größe 1.png")
    stored = api.cloud.client("s3").get_object(Bucket=bucket(api), Key=file["key"])["Body"].read()
    assert stored == data
    known = comfy.assets.get(asset_id)
    assert known.hash == asset.hash
    assert known.expires_at is not None
    assert job.get_workflow().graph["1"]["inputs"]["image"]["info"]["id"] == asset_id
    comfy.assets.delete(asset_id)
    with pytest.raises(NotFound):
        comfy.assets.get(asset_id)
    with pytest.raises(NotFound):
        comfy.assets.delete(asset_id)


def test_an_output_of_one_job_is_the_input_of_another(api: Deployed, comfy: Comfy) -> None:
    first = comfy.submit(comfy.workflows.from_json(GRAPH))
    finish(api, first.id)
    output = first.result().outputs[0]
    assert comfy.assets.get(output.id).job_id == first.id
    reference = {"__type": "core/ASSET", "info": {"id": output.id}}
    workflow = {**GRAPH, "1": {"class_type": "LoadImage", "inputs": {"image": reference}}}
    api.messages(RUNTIME)

    comfy.submit(comfy.workflows.from_json(workflow))

    [message] = api.messages(RUNTIME)
    assert message["metadata"]["assets"][output.id]["key"] == f"{first.id}/{first.id}-1.png"
    with pytest.raises(ComfyError) as error:
        comfy.assets.delete(output.id)
    assert error.value.code == "asset_in_use"


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_within_seconds(
    api: Deployed, comfy: Comfy
) -> None:
    waiting, running = (comfy.submit(comfy.workflows.from_json(GRAPH)) for _ in range(2))
    begin(api, running.id)

    assert (waiting.cancel().status, running.cancel().status) == ("canceled", "canceling")
    assert (waiting.cancel().status, running.cancel().status) == ("canceled", "canceling")
    assert api.read(RUNTIME, f".tasks/{running.id}/claim.json")["cancel_requested"]
    ended = comfy.submit(comfy.workflows.from_json(GRAPH))
    finish(api, ended.id)
    assert ended.cancel().status == "succeeded"


def test_jobs_are_listed_from_the_newest_page_by_page_and_by_label(api: Deployed, comfy: Comfy) -> None:
    sent = []
    for n in range(5):
        sent.append(
            comfy.submit(comfy.workflows.from_json(GRAPH), metadata={"batch": "b1", "n": str(n % 2)}).id
        )
        time.sleep(0.01)
    finish(api, sent[0])

    ours = [job for job in comfy.list_jobs(limit=2) if job.id in sent]

    assert [job.id for job in ours] == sent[::-1]
    assert [job.status for job in ours] == ["queued"] * 4 + ["succeeded"]
    assert all(job.create_time and job.update_time for job in ours)
    labelled = list(comfy.list_jobs(metadata={"batch": "b1", "n": "1"}, limit=1))
    assert [job.id for job in labelled] == [sent[3], sent[1]]


@pytest.mark.parametrize(
    ("filters", "code"),
    [({"a b": "x"}, "invalid_metadata_filter"), (dict.fromkeys("abcd", "x"), "invalid_metadata_filter")],
)
def test_a_filter_that_no_label_can_match_is_refused(
    comfy: Comfy, filters: dict[str, str], code: str
) -> None:
    with pytest.raises(ComfyError) as error:
        list(comfy.list_jobs(metadata=filters))

    assert error.value.code == "invalid_metadata_filter"


def test_an_idempotency_key_submits_once(api: Deployed, comfy: Comfy) -> None:
    api.messages(RUNTIME)
    job = comfy.submit(comfy.workflows.from_json(GRAPH), idempotency_key="k-1")

    with pytest.raises(IdempotencyKeyReuse, match=job.id):
        comfy.submit(comfy.workflows.from_json(GRAPH), idempotency_key="k-1")

    assert len(api.messages(RUNTIME)) == 1


def test_a_job_whose_message_was_not_sent_is_sent_by_the_same_key(api: Deployed, comfy: Comfy) -> None:
    job = comfy.submit(comfy.workflows.from_json(GRAPH), idempotency_key="k-2")
    record = api.read(RUNTIME, f".tasks/{job.id}/request.json")
    api.write(RUNTIME, f".tasks/{job.id}/request.json", {**record, "published": False})
    api.messages(RUNTIME)

    assert comfy.submit(comfy.workflows.from_json(GRAPH), idempotency_key="k-2").id == job.id

    assert len(api.messages(RUNTIME)) == 1


def test_a_failed_job_says_why(api: Deployed, comfy: Comfy) -> None:
    job = comfy.submit(comfy.workflows.from_json(GRAPH))
    error = {"code": "execution_error", "message": "KSampler: out of range"}
    finish(api, job.id, status="failed", outputs=[], error=error)

    with pytest.raises(JobFailed) as failure:
        job.result()

    assert failure.value.error.code == "node_execution_error"
    assert failure.value.error.message == "KSampler: out of range"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"3": {"class_type": "KSampler", "inputs": {"model": ["99", 0]}}},
            "Node 3 (KSampler): model is linked",
        ),
        ({"3": {"inputs": {}}}, "class_type"),
        ({"3": {"class_type": "KSampler"}}, "inputs"),
        ({"3": "x"}, "must be an object"),
        ({"3": {"class_type": "", "inputs": {}, "_meta": {"title": "Sampler"}}}, "Node 3 (Sampler)"),
    ],
)
def test_a_bad_workflow_is_refused_with_its_node(comfy: Comfy, change: Any, message: str) -> None:
    with pytest.raises(InvalidWorkflow) as error:
        comfy.submit(comfy.workflows.from_json({**GRAPH, **change}))

    assert message in str(error.value)
    assert error.value.details is not None
    assert list(error.value.details["node_errors"]) == ["3"]


def test_an_unknown_asset_is_refused(comfy: Comfy) -> None:
    reference = {"__type": "core/ASSET", "info": {"id": "9f8a1c0d-2b3e-8f56-8a7b-1c2d3e4f5a6b"}}
    workflow = {**GRAPH, "1": {"class_type": "LoadImage", "inputs": {"image": reference}}}

    with pytest.raises(MissingAsset, match="9f8a1c0d"):
        comfy.submit(comfy.workflows.from_json(workflow))


def test_a_workflow_in_ui_format_is_refused(api: Deployed) -> None:
    workflow = {"nodes": [], "links": [], "last_node_id": 1}

    reply = api.call("POST", f"/comfy/{RUNTIME}/api/v2/jobs", {"workflow": workflow})

    assert (reply.status, reply.body["error"]["code"]) == (422, "workflow_format_ui")


@pytest.mark.parametrize("key", ["wrong"])
def test_a_wrong_key_is_unauthorized(address: str, key: str) -> None:
    with Comfy(api_key=key) as client, pytest.raises(Unauthorized):
        client.submit(client.workflows.from_json(GRAPH))


def test_events_give_a_snapshot_and_the_end(api: Deployed, comfy: Comfy) -> None:
    job = comfy.submit(comfy.workflows.from_json(GRAPH))
    finish(api, job.id)

    events = list(job.events())

    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Progress", "OutputReady", "OutputReady", "OutputReady", "StatusChange"]
    assert events[-1].status == "succeeded"  # type: ignore[union-attr]
    assert events[1].output.to_bytes() == PICTURE  # type: ignore[union-attr]


async def test_the_async_client_does_the_same(api: Deployed, address: str) -> None:
    async with AsyncComfy() as client:
        asset = client.assets.from_bytes(PICTURE + b"async", filename="a.png")
        workflow = client.workflows.from_json({**GRAPH, "1": {"class_type": "LoadImage", "inputs": {}}})
        workflow.set_input("1", "image", asset)
        job = await client.submit(workflow)
        finish(api, job.id)

        done = await job.result()

        assert await done.outputs[0].to_bytes() == PICTURE
        listed = [summary.id async for summary in client.list_jobs(limit=100)]
        assert job.id in listed
        with pytest.raises(NotFound):
            await client.jobs.get("7f3d2c1b-9a8e-4d6f-b012-3c4d5e6f0000")
