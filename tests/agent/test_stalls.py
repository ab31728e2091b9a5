"""Two agents at one task: leases that run out in a stall, messages that come twice, ids that are taken."""

import signal
import time

import pytest

from testing.proxy import Fault, Proxy, calls_to
from testing.world import World, log_records, wait_for


def test_a_task_longer_than_the_visibility_timeout_is_run_once(world: World):
    runtime, second_runtime = world.runtime("--service-time", "0.35"), world.runtime("--service-time", "0.1")
    runtime.fault("slow", match="long")
    world.send(["long"])
    world.agent(runtime.url, VISIBILITY_TIMEOUT_SECONDS=2, RUNTIME_NAME="first")
    wait_for(lambda: runtime.report()["running"] == "long")

    second = world.agent(second_runtime.url, VISIBILITY_TIMEOUT_SECONDS=2)
    time.sleep(2.5)
    claim = world.object(".tasks/long/claim.json")

    assert claim["state"] == "running" and claim["expires"] > time.time()
    assert world.callbacks_for(["long"])["long"]["runtime"] == "first"
    assert not [line for line in log_records(second) if line.get("task") == "long"]
    assert wait_for(lambda: world.messages_left() == 0)


@pytest.mark.thorough
def test_an_agent_that_stalls_past_its_lease_does_not_end_the_task_that_another_has_taken(world: World):
    slow = world.runtime("--service-time", "1")
    slow.fault("slow", match="cat")
    quick = world.runtime("--service-time", "0.1")
    world.send(["cat"])
    stalled = world.agent(slow.url, VISIBILITY_TIMEOUT_SECONDS=2, RUNTIME_NAME="stalled")
    wait_for(lambda: slow.report()["running"] == "cat")
    stalled.signal(signal.SIGSTOP)

    world.agent(quick.url, VISIBILITY_TIMEOUT_SECONDS=2, RUNTIME_NAME="quick")
    callback = world.callbacks_for(["cat"])["cat"]
    record = world.object("cat/result.json")
    stalled.signal(signal.SIGCONT)
    wait_for(lambda: [line for line in log_records(stalled) if "another agent" in line["event"]])
    time.sleep(0.5)

    assert callback["runtime"] == record["runtime"] == "quick"
    assert slow.runs("interrupted") == ["cat"]
    assert world.object("cat/result.json") == record
    assert (
        world.s3.get_object(Bucket=world.bucket, Key="cat/cat-1.png")["ContentLength"]
        == record["outputs"][0]["bytes"]
    )


@pytest.mark.thorough
def test_a_record_on_its_way_when_its_agent_stalls_does_not_replace_that_of_another(
    world: World, proxy: Proxy
):
    runtime, second_runtime = world.runtime("--service-time", "0.1"), world.runtime("--service-time", "0.1")
    world.send(["cat"])
    with proxy.failing(Fault(calls_to("PutObject", "result.json"), hold=True)) as fault:
        stalled = world.agent(runtime.url, VISIBILITY_TIMEOUT_SECONDS=2, RUNTIME_NAME="stalled")
        assert fault.held.wait(15)
        stalled.signal(signal.SIGSTOP)
        world.agent(second_runtime.url, VISIBILITY_TIMEOUT_SECONDS=2, RUNTIME_NAME="quick")
        world.callbacks_for(["cat"])
        fault.release.set()
        time.sleep(0.5)

    assert world.object("cat/result.json")["runtime"] == "quick"


@pytest.mark.thorough
def test_the_same_task_sent_twice_is_run_once(world: World):
    first, second = (world.runtime("--service-time", "0.5") for _ in range(2))
    world.send(["cat", "cat"])

    world.agent(first.url)
    world.agent(second.url)
    world.wait_for_callbacks(lambda callbacks: len(callbacks) >= 1)
    time.sleep(1)

    assert len(first.runs() + second.runs()) == 1


@pytest.mark.thorough
def test_a_finished_task_sent_again_is_announced_again_and_not_run(world: World):
    runtime = world.runtime("--service-time", "0.1")
    world.agent(runtime.url)
    world.send(["cat"])
    first = world.callbacks_for(["cat"])["cat"]

    world.send(["cat"])

    assert world.callbacks_for(["cat"])["cat"] == first
    assert wait_for(lambda: world.messages_left() == 0)
    assert runtime.runs() == ["cat"]


@pytest.mark.thorough
def test_another_task_under_an_id_that_is_taken_is_refused_and_leaves_the_result_alone(world: World):
    runtime = world.runtime("--service-time", "0.1")
    world.agent(runtime.url)
    world.send(["cat"])
    world.callbacks_for(["cat"])
    before = world.object("cat/result.json")

    world.send(["cat"], {"prompt": "something else"})

    assert world.callbacks_for(["cat"])["cat"]["error"]["code"] == "id_in_use"
    assert world.object("cat/result.json") == before
    assert runtime.runs() == ["cat"]
