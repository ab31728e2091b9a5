"""What the sender of a running task sees of it, and how it stops one."""

import json
import time
from typing import Any

import pytest
from queue_agent.task.protocol import CANCEL_FIELD, claim_key

from testing.comfyui import GRAPH
from testing.world import World, wait_for

TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "sdwebui": ("text-to-image", {"steps": 20}),
    "comfyui": ("workflow", GRAPH),
}


def claim(world: World, task: str) -> dict[str, Any]:
    try:
        return world.object(claim_key(task))
    except world.s3.exceptions.NoSuchKey:
        return {}


def request_to_cancel(world: World, task: str) -> None:
    """As the API does it."""
    body = json.dumps({**claim(world, task), CANCEL_FIELD: time.time()})
    world.s3.put_object(Bucket=world.bucket, Key=claim_key(task), Body=body)


def start(world: World, kind: str) -> Any:
    runtime = world.runtime("--service-time", "1.2", kind=kind)
    runtime.fault("slow", match="cat", times=1)  # 12 s
    world.agent(runtime.url, RUNTIME_TYPE=kind, CANCEL_GRACE_SECONDS=5)
    return runtime


def send(world: World, kind: str, task: str) -> None:
    tasktype, content = TASKS[kind]
    body = content if kind == "comfyui" else {"prompt": task, **content}
    metadata = {"id": task, "runtime": "painter", "tasktype": tasktype}
    world.send_body(json.dumps({"metadata": metadata, "content": body}))


@pytest.mark.parametrize("kind", ["comfyui", "sdwebui"])
def test_a_running_task_that_is_cancelled_ends_within_seconds_and_the_next_one_runs(world: World, kind: str):
    runtime = start(world, kind)
    send(world, kind, "cat")
    wait_for(lambda: claim(world, "cat"))

    began = time.monotonic()
    request_to_cancel(world, "cat")
    callback = world.callbacks_for(["cat"])["cat"]

    assert callback["status"] == "cancelled"
    assert time.monotonic() - began < 8
    assert claim(world, "cat")["state"] == "cancelled"
    assert wait_for(lambda: world.messages_left() == 0)
    assert [run["outcome"] for run in runtime.report()["runs"]][-1] == "interrupted"
    send(world, kind, "dog")
    assert world.callbacks_for(["dog"])["dog"]["status"] == "completed"


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["comfyui", "sdwebui"])
def test_the_progress_of_a_long_task_is_in_its_claim(world: World, kind: str):
    start(world, kind)
    send(world, kind, "cat")

    progress = wait_for(lambda: claim(world, "cat").get("progress", {}))
    assert 0 < progress["value"] < 1
    assert 0 < progress["step"] < progress["steps"] == 20
    assert abs(progress["started"] - time.time()) < 15
    if kind == "comfyui":
        assert progress["node"] == "3"


@pytest.mark.thorough
def test_a_short_task_costs_no_call_for_its_progress(world: World):
    runtime = world.runtime("--service-time", "0.1")
    world.agent(runtime.url)

    world.send(["cat"])
    world.callbacks_for(["cat"])

    assert "progress" not in claim(world, "cat")
