"""`kill -9` at each step of a task: another agent ends it, with one result. The proxy holds the call at which
the first agent is killed, before or after AWS has heard of it."""

import io
import json
import signal
from collections.abc import Iterable
from typing import Any

import pytest
from PIL import Image
from queue_agent.task.protocol import claim_key

from testing.proxy import Fault, Proxy, calls_to
from testing.world import World, log_records, wait_for

# Short, so that a killed agent's task comes back soon.
SOON = {"VISIBILITY_TIMEOUT_SECONDS": 2}
# `make test` tries one step of each kind, `make test-thorough` all of them.
STEPS = {
    "received": (calls_to("ReceiveMessage"), True),
    "claimed": (calls_to("PutObject", "claim.json"), True),
    "fetching an input": (calls_to("GetObject", "input.png"), False),
    "picture stored": (calls_to("PutObject", "cat-1.png"), True),
    "about to write the record": (calls_to("PutObject", "result.json"), False),
}
AFTER_THE_RECORD = {
    "record written": (calls_to("PutObject", "result.json"), True),
    "announced": (calls_to("Publish"), True),
    "about to delete": (calls_to("DeleteMessage"), False),
}


def each_of(steps: Iterable[str], quick: str) -> list[Any]:
    return [step if step == quick else pytest.param(step, marks=pytest.mark.thorough) for step in steps]


@pytest.mark.parametrize("step", each_of(STEPS, "picture stored"))
def test_a_task_whose_agent_is_killed_early_is_done_by_the_next(world: World, proxy: Proxy, step: str):
    runtime = world.runtime("--service-time", "0.2")
    send_with_input(world)

    kill_at(world, proxy, runtime.url, *STEPS[step])
    world.agent(runtime.url, INPUT_BUCKETS=world.bucket, **SOON)

    assert world.callbacks_for(["cat"])["cat"]["status"] == "completed"
    assert wait_for(lambda: world.messages_left() == 0)


@pytest.mark.thorough
@pytest.mark.parametrize("step", each_of(AFTER_THE_RECORD, "record written"))
def test_a_task_that_has_its_record_is_only_announced_again(world: World, proxy: Proxy, step: str):
    runtime = world.runtime("--service-time", "0.2")
    send_with_input(world)

    kill_at(world, proxy, runtime.url, *AFTER_THE_RECORD[step])
    first = world.object("cat/result.json")
    world.agent(runtime.url, INPUT_BUCKETS=world.bucket, **SOON)

    assert world.callbacks_for(["cat"])["cat"]["seed"] == first["seed"]
    assert wait_for(lambda: world.messages_left() == 0)
    assert world.object("cat/result.json") == first
    assert runtime.runs() == ["cat"]


@pytest.mark.thorough
def test_a_task_whose_agent_is_killed_between_callback_and_delete_is_announced_once(
    world: World, proxy: Proxy
):
    runtime = world.runtime("--service-time", "0.2")
    send_with_input(world)
    with proxy.failing(Fault(calls_to("DeleteMessage"), hold=True)) as fault:
        agent = world.agent(runtime.url, INPUT_BUCKETS=world.bucket, **SOON)
        fault.held.wait(20)
        wait_for(lambda: world.object(".tasks/cat/claim.json")["state"] == "done")
        agent.signal(signal.SIGKILL)
    world.agent(runtime.url, INPUT_BUCKETS=world.bucket, **SOON)

    assert wait_for(lambda: world.messages_left() == 0)
    assert [callback["id"] for callback in world.receive_callbacks(wait=1)] == ["cat"]
    assert world.receive_callbacks(wait=1) == []


@pytest.mark.thorough
def test_a_run_whose_agent_was_killed_is_interrupted_and_the_task_run_to_its_end_once(world: World):
    # Longer than the start of an agent takes on a busy machine.
    runtime = world.runtime("--service-time", "6")
    world.send(["cat"])
    agent = world.agent(runtime.url, **SOON)
    wait_for(lambda: runtime.report()["running"] == "cat")
    agent.signal(signal.SIGKILL)
    after = world.agent(runtime.url, **SOON)

    assert world.callbacks_for(["cat"])["cat"]["status"] == "completed"
    assert (runtime.runs("interrupted"), runtime.runs()) == (["cat"], ["cat"])
    assert "it is busy" in {line.get("problem") for line in log_records(after)}
    assert world.outputs() == ["cat/cat-1.png", "cat/result.json"]


@pytest.mark.thorough
def test_a_task_whose_agent_was_killed_at_every_attempt_is_dead_lettered_and_reported(world: World):
    runtime = world.runtime("--service-time", "3")
    world.send(["cat"])
    agent = world.agent(runtime.url, MAX_ATTEMPTS=1, **SOON)
    wait_for(lambda: runtime.report()["running"] == "cat")
    wait_for(lambda: world.object(claim_key("cat"))["attempts"]["counted"] == 1)
    agent.signal(signal.SIGKILL)

    world.agent(runtime.url, MAX_ATTEMPTS=1, **SOON)

    assert world.callbacks_for(["cat"])["cat"]["error"]["code"] == "attempts_exhausted"
    assert [json.loads(body)["metadata"]["id"] for body in world.take_dead_letters()] == ["cat"]


def send_with_input(world: World) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    world.s3.put_object(Bucket=world.bucket, Key="input.png", Body=picture.getvalue())
    world.send(["cat"], {"init_images": [f"s3://{world.bucket}/input.png"]}, tasktype="image-to-image")


def kill_at(world: World, proxy: Proxy, runtime: str, match, reaches: bool) -> None:
    with proxy.failing(Fault(match, reaches=reaches, hold=True, answer="drop")) as fault:
        agent = world.agent(runtime, INPUT_BUCKETS=world.bucket, **SOON)
        assert fault.held.wait(15)
        agent.signal(signal.SIGKILL)
        agent.process.wait()
