"""SIGTERM: scale-in, a drained node, a spot interruption."""

import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from local import processes
from local.processes import Child
from testing import containers
from testing.proxy import Fault, Proxy, calls_to
from testing.world import Runtime, World, log_records, port_of, wait_for


def test_an_idle_agent_ends_within_one_poll(world: World):
    runtime = world.runtime("--service-time", "0.05")
    agent = world.agent(runtime.url)
    world.send(["cat"])
    world.callbacks_for(["cat"])

    assert ends(agent, 4) == 0


@pytest.mark.thorough
def test_an_agent_that_waits_for_its_runtime_ends_at_once(world: World):
    agent = world.agent("http://127.0.0.1:1")
    wait_for(lambda: [line for line in log_records(agent) if line["event"] == "waiting for the runtime"])

    assert ends(agent, 2) == 0


def test_an_agent_that_is_still_starting_ends_at_once(world: World, tmp_path: Path):
    agent = containers.start(
        "agent", [sys.executable, "-m", "queue_agent"], world.environment("http://127.0.0.1:1"), tmp_path
    )
    try:
        # As PID 1 it would not get the signal before it has a handler.
        wait_for(lambda: agent.handles(signal.SIGTERM))
        still_importing = "uvloop" not in Path(f"/proc/{agent.first()}/maps").read_text()

        assert ends(agent, 2) == 0
        assert still_importing
    finally:
        processes.stop([agent], 0)


def one_runs_and_two_waits(world: World, runtime: Runtime) -> Child:
    """An agent that runs a task and holds a second one."""
    # One after the other: the order of a queue is not that of sending.
    agent = world.agent(runtime.url, SHUTDOWN_GRACE_SECONDS=20)
    world.send(["one"])
    wait_for(lambda: runtime.report()["running"] == "one")
    world.send(["two"])
    wait_for(lambda: world.messages_in_flight() == 2)
    return agent


def test_a_running_task_is_finished_and_what_waits_is_given_back_at_once(world: World):
    runtime = world.runtime("--service-time", "2")
    agent = one_runs_and_two_waits(world, runtime)

    code = ends(agent, 8)

    assert code == 0
    assert world.callbacks_for(["one"])["one"]["status"] == "completed"
    assert len(world.sqs.receive_message(QueueUrl=world.queue, WaitTimeSeconds=1)["Messages"]) == 1
    assert runtime.runs() == ["one"]


@pytest.mark.thorough
def test_a_slow_renewal_does_not_hide_what_an_ending_agent_gave_back(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "2")
    agent = one_runs_and_two_waits(world, runtime)

    renewal = calls_to("ChangeMessageVisibility", '"VisibilityTimeout": 15')
    with proxy.failing(Fault(renewal, times=-1, delay=0.5)) as fault:
        ends(agent, 8)

    assert fault.seen > 0
    assert len(world.sqs.receive_message(QueueUrl=world.queue, WaitTimeSeconds=1)["Messages"]) == 1


@pytest.mark.thorough
def test_a_task_that_takes_longer_than_the_grace_is_stopped_and_given_back(world: World):
    # The warm-up takes as long as a task, unless the runtime is set to dynamic.
    runtime = world.runtime("--service-time", "30", "--dynamic")
    world.send(["long"], {"override_settings": {"sd_model_checkpoint": "sd_xl_turbo_1.0.safetensors"}})
    agent = world.agent(runtime.url, SHUTDOWN_GRACE_SECONDS=1, DYNAMIC_SD_MODEL="true", MODEL_FILENAME="")
    wait_for(lambda: runtime.report()["running"] == "long")

    assert ends(agent, 8) == 0
    assert runtime.runs("interrupted") == ["long"]
    assert len(world.sqs.receive_message(QueueUrl=world.queue, WaitTimeSeconds=1)["Messages"]) == 1
    assert world.object(".tasks/long/claim.json")["state"] == "released"


@pytest.mark.thorough
def test_what_a_dying_node_takes_along_is_back_in_seconds(world: World):
    dying, healthy = (
        world.runtime("--service-time", "60", "--dynamic"),
        world.runtime("--service-time", "0.05"),
    )
    world.send(["cat"], {"override_settings": {"sd_model_checkpoint": "sd_xl_turbo_1.0.safetensors"}})
    dynamic = {"DYNAMIC_SD_MODEL": "true", "MODEL_FILENAME": "", "MAX_ATTEMPTS": 1}
    agent = world.agent(dying.url, VISIBILITY_TIMEOUT_SECONDS=300, SHUTDOWN_GRACE_SECONDS=600, **dynamic)
    wait_for(lambda: dying.report()["running"] == "cat")
    agent.signal(signal.SIGTERM)
    wait_for(lambda: world.object(".tasks/cat/claim.json")["seconds"] < 300)
    agent.signal(signal.SIGKILL)
    began = time.monotonic()

    world.agent(healthy.url, VISIBILITY_TIMEOUT_SECONDS=300, MAX_ATTEMPTS=1)

    callback = world.callbacks_for(["cat"])["cat"]
    assert (callback["status"], callback["attempt"]) == ("completed", 1)
    assert time.monotonic() - began < 45


@pytest.mark.thorough
def test_the_runtime_is_let_go_only_once_nothing_runs(world: World):
    runtime = world.runtime("--service-time", "1")
    world.send(["cat"])
    agent = world.agent(runtime.url)
    url = f"http://127.0.0.1:{port_of(agent)}/drained"
    wait_for(lambda: runtime.report()["running"] == "cat")
    answered: list[list[str]] = []
    asking = threading.Thread(target=lambda: answered.append(runtime.runs() if fetched(url) else []))
    asking.start()
    time.sleep(0.2)

    agent.signal(signal.SIGTERM)
    asking.join(10)

    assert answered == [["cat"]]


@pytest.mark.thorough
def test_a_message_that_arrives_during_the_last_poll_is_given_back(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.05")
    with proxy.failing(Fault(calls_to("ReceiveMessage"), reaches=True, hold=True)) as fault:
        agent = world.agent(runtime.url)
        world.send(["cat"])
        assert fault.held.wait(15)
        agent.signal(signal.SIGTERM)
        time.sleep(0.3)
        fault.release.set()
        code = agent.process.wait(10)

    assert code == 0
    assert len(world.sqs.receive_message(QueueUrl=world.queue, WaitTimeSeconds=1)["Messages"]) == 1


def ends(agent: Child, seconds: float) -> int:
    agent.signal(signal.SIGTERM)
    return agent.process.wait(seconds)


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())
