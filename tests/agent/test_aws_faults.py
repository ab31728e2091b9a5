"""S3, SNS and SQS refuse calls, are late or lose their answers: the GPU's work is done once all the same."""

import contextlib
import signal
import time

import pytest
from queue_agent.flow.scheduler import MAX_FINISHING

from testing.proxy import Fault, Proxy, calls_to
from testing.world import World, log_records, wait_for
from tests.agent.adapters.conftest import picture

CALLS = {
    "receive": calls_to("ReceiveMessage"),
    "claim": calls_to("PutObject", "claim.json"),
    "picture": calls_to("PutObject", "cat-1.png"),
    "record": calls_to("PutObject", "result.json"),
    "callback": calls_to("Publish"),
    "delete": calls_to("DeleteMessage"),
}


@pytest.mark.thorough
def test_calls_that_are_refused_are_repeated_without_the_work_on_the_gpu(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.1")
    faults = {name: Fault(call, times=4, answer="503 ServiceUnavailable") for name, call in CALLS.items()}
    with contextlib.ExitStack() as stack:
        for fault in faults.values():
            stack.enter_context(proxy.failing(fault))
        world.send(["cat"])
        world.agent(runtime.url)
        callback = world.callbacks_for(["cat"])["cat"]
        wait_for(lambda: world.messages_left() == 0)

    assert {name: fault.seen for name, fault in faults.items()} == dict.fromkeys(CALLS, 4)
    assert callback["status"] == "completed" and callback["attempt"] == 1
    assert runtime.runs() == ["cat"]


@pytest.mark.thorough
def test_calls_whose_answer_is_lost_are_repeated_without_harm(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.1")
    faults = {
        name: Fault(call, reaches=True, answer="drop") for name, call in CALLS.items() if name != "receive"
    }
    with contextlib.ExitStack() as stack:
        for fault in faults.values():
            stack.enter_context(proxy.failing(fault))
        world.send(["cat"])
        agent = world.agent(runtime.url)
        callback = world.callbacks_for(["cat"])["cat"]
        wait_for(lambda: [line for line in log_records(agent) if line["event"] == "task ended"])

    assert {name: fault.seen for name, fault in faults.items()} == dict.fromkeys(faults, 1)
    assert not [line for line in log_records(agent) if line["level"] == "error"]
    assert callback["status"] == "completed" and callback["attempt"] == 1
    assert runtime.runs() == ["cat"]


@pytest.mark.thorough
def test_a_finished_task_that_s3_never_takes_is_given_back_in_the_end(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.1")
    with proxy.failing(Fault(calls_to("PutObject", "cat-1.png"), times=-1, answer="503 SlowDown")):
        world.send(["cat", "dog"])
        agent = world.agent(runtime.url, AWS_RETRY_SECONDS=1)
        assert world.callbacks_for(["dog"])["dog"]["status"] == "completed"
        wait_for(lambda: [line for line in log_records(agent) if line.get("reason") == "aws_unavailable"])

    assert world.callbacks_for(["cat"])["cat"]["status"] == "completed"


@pytest.mark.thorough
def test_the_gpu_goes_on_while_s3_is_slow(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.1")
    ids = [f"t{n}" for n in range(8)]
    with proxy.failing(Fault(calls_to("PutObject", ".png"), times=-1, delay=1.5)):
        world.send(ids)
        world.agent(runtime.url)
        wait_for(lambda: len(runtime.runs()) == 8)
        runs = [run for run in runtime.report()["runs"] if run["id"] in ids]
        world.callbacks_for(ids)

    assert runs[-1]["ended"] - runs[0]["started"] < 8 * 1.5 / 2


@pytest.mark.thorough
def test_the_gpu_waits_before_too_many_pictures_are_held(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.02")
    with proxy.failing(Fault(calls_to("PutObject", ".png"), times=-1, answer="503 SlowDown")):
        ids = [f"t{n}" for n in range(MAX_FINISHING + 4)]
        world.send(ids)
        world.agent(runtime.url)
        wait_for(lambda: len(runtime.runs()) == MAX_FINISHING)
        time.sleep(0.5)
        held = len(runtime.runs())

    assert held == MAX_FINISHING
    assert world.callbacks_for(ids).keys() == set(ids)


@pytest.mark.thorough
@pytest.mark.parametrize("answer", ["404 NotFound", "403 AuthorizationError", "400 InvalidParameter"])
def test_callbacks_that_sns_refuses_hold_neither_the_gpu_nor_the_tasks(
    world: World, proxy: Proxy, answer: str
):
    ids = [f"t{n}" for n in range(MAX_FINISHING + 4)]
    runtime = world.runtime("--service-time", "0.02")
    with proxy.failing(Fault(calls_to("Publish"), times=-1, answer=answer)):
        world.send(ids)
        world.agent(runtime.url)
        wait_for(lambda: len(runtime.runs()) == len(ids))

    callbacks = world.callbacks_for(ids)
    assert {callback["status"] for callback in callbacks.values()} == {"completed"}
    assert sorted(runtime.runs()) == sorted(ids)
    assert world.take_dead_letters() == []


@pytest.mark.thorough
def test_a_callback_that_sns_never_takes_ends_in_the_dead_letter_queue_once_with_its_picture_stored(
    world: World, proxy: Proxy
):
    runtime = world.runtime("--service-time", "0.02")
    with proxy.failing(Fault(calls_to("Publish"), times=-1, answer="404 NotFound")):
        world.send(["cat"])
        world.agent(runtime.url, MAX_ATTEMPTS=2)
        letters = wait_for(world.take_dead_letters)
        wait_for(lambda: world.messages_left() == 0)

    assert len(letters) == 1 and world.take_dead_letters() == []
    assert runtime.runs() == ["cat"]
    assert world.object("cat/result.json")["status"] == "completed"
    world.send_body(letters[0])
    assert world.callbacks_for(["cat"])["cat"]["status"] == "completed"
    assert runtime.runs() == ["cat"]


@pytest.mark.thorough
def test_a_task_that_another_agent_claimed_during_a_stall_is_not_started(world: World):
    slow, quick = world.runtime("--service-time", "2"), world.runtime("--service-time", "0.05")
    stalled = world.agent(slow.url, VISIBILITY_TIMEOUT_SECONDS=2)
    # One after the other: the order of a queue is not that of sending.
    world.send(["one"])
    wait_for(lambda: slow.report()["running"] == "one")
    world.send(["two"])
    wait_for(lambda: slow.report()["running"] == "one" and claimed(world, "two"))
    stalled.signal(signal.SIGSTOP)

    world.agent(quick.url, VISIBILITY_TIMEOUT_SECONDS=2)
    world.callbacks_for(["one", "two"])
    stalled.signal(signal.SIGCONT)
    time.sleep(1)

    assert (slow.runs(), slow.runs("interrupted")) == (["one"], [])
    assert slow.report()["running"] is None


def claimed(world: World, task: str) -> bool:
    listing = world.s3.list_objects_v2(Bucket=world.bucket, Prefix=f".tasks/{task}/claim.json")
    return bool(listing["KeyCount"])


OK_WITH_ERROR = "200 InternalError"


@pytest.mark.thorough
def test_s3_that_answers_200_with_an_error_is_asked_again(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "0.1")
    world.s3.put_object(Bucket=world.bucket, Key="inputs/a.png", Body=picture())
    faults = {
        "not written": Fault(calls_to("PutObject", "cat-1.png"), times=2, answer=OK_WITH_ERROR),
        "written": Fault(calls_to("PutObject", "result.json"), reaches=True, answer=OK_WITH_ERROR),
        "input": Fault(calls_to("GetObject", "inputs/"), times=1, answer=OK_WITH_ERROR),
    }
    with contextlib.ExitStack() as stack:
        for fault in faults.values():
            stack.enter_context(proxy.failing(fault))
        content = {"init_images": [f"s3://{world.bucket}/inputs/a.png"]}
        world.send(["cat"], content, tasktype="image-to-image")
        agent = world.agent(runtime.url, INPUT_BUCKETS=world.bucket)
        callback = world.callbacks_for(["cat"])["cat"]
        wait_for(lambda: [line for line in log_records(agent) if line["event"] == "task ended"])

    assert {name: fault.seen for name, fault in faults.items()} == {
        "not written": 2,
        "written": 1,
        "input": 1,
    }
    assert not [line for line in log_records(agent) if line["level"] == "error"]
    assert callback["status"] == "completed"
    assert runtime.runs() == ["cat"]


@pytest.mark.thorough
def test_a_claim_that_s3_answers_with_an_error_at_200_is_not_taken_for_free(world: World, proxy: Proxy):
    runtime = world.runtime("--service-time", "1")
    world.send(["cat"])
    world.agent(runtime.url)
    wait_for(lambda: runtime.report()["running"] == "cat")
    with proxy.failing(Fault(calls_to("GetObject", "claim.json"), times=3, answer=OK_WITH_ERROR)) as fault:
        world.send_body(world.last_sent)
        second = world.agent(world.runtime("--service-time", "0.1").url)
        wait_for(lambda: fault.seen == 3)
        world.callbacks_for(["cat"])

    assert runtime.runs() == ["cat"]
    assert not [line for line in log_records(second) if line["level"] == "error"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "answer", ["400 ExpiredToken", "403 RequestTimeTooSkewed", "400 ThrottlingException"]
)
def test_an_input_that_s3_refuses_for_a_while_is_not_the_tasks_fault(world: World, proxy: Proxy, answer: str):
    runtime = world.runtime("--service-time", "0.1")
    world.s3.put_object(Bucket=world.bucket, Key="inputs/a.png", Body=picture())
    content = {"init_images": [f"s3://{world.bucket}/inputs/a.png"]}
    with proxy.failing(Fault(calls_to("GetObject", "inputs/a.png"), answer=answer)) as fault:
        world.send(["cat"], content, tasktype="image-to-image")
        world.agent(runtime.url, INPUT_BUCKETS=world.bucket)
        callback = world.callbacks_for(["cat"])["cat"]

    assert (callback["status"], callback["attempt"], fault.seen) == ("completed", 2, 1)
