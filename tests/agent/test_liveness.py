"""What the agent answers to the liveness probe of its runtime: which faults only a restart ends."""

import time
import urllib.error
import urllib.request

import pytest

from local import processes
from local.processes import Child
from testing.world import World, port_of, wait_for

QUICK = {"CANCEL_GRACE_SECONDS": 1, "RUNTIME_SILENCE_SECONDS": 1, "VISIBILITY_TIMEOUT_SECONDS": 2}


def liveness(agent: Child) -> tuple[int, str]:
    """What the liveness probe of the runtime's container gets from the agent."""
    return answer(f"http://127.0.0.1:{port_of(agent)}/runtime/healthz")


def answer(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return int(response.status), str(response.read().decode())
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.thorough
def test_after_an_error_of_the_gpu_no_task_runs_until_the_runtime_was_restarted(world: World):
    runtime = world.runtime("--service-time", "0.05")
    runtime.fault("device", match="cat")
    agent = world.agent(runtime.url, **QUICK)
    world.send(["cat"])
    wait_for(lambda: liveness(agent)[0] == 503)
    innocent = ["dog", "cow", "pig", "hen", "owl"]

    world.send(innocent)
    time.sleep(1.5)

    assert "CUDA error" in liveness(agent)[1]
    assert {run["id"] for run in runtime.report()["runs"]} <= {"cat", "task"}
    processes.stop([runtime.child])
    world.restart(runtime)
    callbacks = world.callbacks_for(["cat", *innocent])
    assert {callback["status"] for callback in callbacks.values()} == {"completed"}
    # A poll that was under way may have received some of them: they were returned at once.
    assert max(callbacks[name]["attempt"] for name in innocent) <= 2
    assert liveness(agent) == (200, "ok\n")


@pytest.mark.thorough
def test_a_node_on_which_different_tasks_fail_takes_no_more_and_says_so(world: World):
    runtime = world.runtime("--service-time", "0.05")
    runtime.fault("mount", times=-1, match="fox")  # not the warm-up
    agent = world.agent(runtime.url, **QUICK)
    names = [f"fox{n}" for n in range(8)]

    world.send(names)
    wait_for(lambda: liveness(agent)[0] == 503)
    attempts = len(runtime.report()["runs"])
    time.sleep(1.5)

    assert len(runtime.report()["runs"]) == attempts
    assert world.take_dead_letters() == [] and world.receive_callbacks() == []


@pytest.mark.thorough
def test_a_hook_that_waits_for_the_last_task_does_not_wait_when_the_runtime_must_be_restarted(world: World):
    runtime = world.runtime("--service-time", "0.05")
    runtime.fault("device", match="cat")
    agent = world.agent(runtime.url, **QUICK)
    world.send(["cat"])
    wait_for(lambda: liveness(agent)[0] == 503)

    assert answer(f"http://127.0.0.1:{port_of(agent)}/drained") == (200, "drained\n")


@pytest.mark.thorough
def test_a_runtime_that_answers_but_stays_busy_must_be_restarted(world: World):
    runtime = world.runtime("--service-time", "0.1")
    runtime.fault("hang", match="cat")
    agent = world.agent(runtime.url, TASK_TIMEOUT_SECONDS=1, RESTART_AFTER_SECONDS=2, **QUICK)
    world.send(["cat"])

    wait_for(lambda: liveness(agent)[0] == 503)

    assert liveness(agent)[1] == "it is busy\n"


@pytest.mark.thorough
def test_a_runtime_that_is_silent_must_be_restarted(world: World):
    runtime = world.runtime()
    agent = world.agent(runtime.url, RESTART_AFTER_SECONDS=2, **QUICK)
    wait_for(lambda: liveness(agent)[0] == 200)

    processes.stop([runtime.child])

    wait_for(lambda: "has not responded" in liveness(agent)[1])
