"""The runtime crashes, hangs, starts late or runs out of memory."""

import json
import signal
import time

import pytest
from queue_agent.task.protocol import MAX_DELIVERIES

from local import processes
from testing.world import MAX_ATTEMPTS, World, log_records, wait_for

# A hung runtime and a returned message are waited for; tests do not wait as long as users do.
QUICK = {"CANCEL_GRACE_SECONDS": 1, "RUNTIME_SILENCE_SECONDS": 1, "VISIBILITY_TIMEOUT_SECONDS": 2}


@pytest.mark.thorough
def test_a_task_whose_runtime_crashed_is_done_once_it_is_back(world: World):
    runtime = world.runtime("--service-time", "0.1")
    runtime.fault("crash", match="cat")
    agent = world.agent(runtime.url)
    world.send(["cat"])

    assert runtime.child.process.wait(15) == 137
    back = world.restart(runtime)
    callback = world.callbacks_for(["cat"])["cat"]

    assert callback["status"] == "completed" and callback["attempt"] == 2
    assert back.runs() == ["cat"]
    assert agent.alive


@pytest.mark.thorough
def test_a_task_that_runs_while_the_outputs_of_another_prove_broken_is_left_alone(world: World):
    runtime = world.runtime("--service-time", "1")
    runtime.fault("broken-output", match="cat")
    world.send(["cat", "dog"])
    world.agent(runtime.url)

    callbacks = world.callbacks_for(["cat", "dog"])

    assert (callbacks["cat"]["attempt"], callbacks["dog"]["attempt"]) == (2, 1)
    assert runtime.runs("interrupted") == []


@pytest.mark.thorough
def test_what_waits_behind_a_runtime_that_is_gone_goes_to_another_pod(world: World):
    stopped_runtime, second_runtime = (
        world.runtime("--service-time", "1"),
        world.runtime("--service-time", "0.05"),
    )
    world.send(["one", "two"])
    first = world.agent(stopped_runtime.url, RUNTIME_NAME="first")
    wait_for(lambda: world.messages_in_flight() == 2 and stopped_runtime.report()["running"])

    processes.stop([stopped_runtime.child])
    wait_for(lambda: [line for line in log_records(first) if line.get("reason") == "runtime_away"])
    world.agent(second_runtime.url, RUNTIME_NAME="second")

    assert {callback["runtime"] for callback in world.callbacks_for(["one", "two"]).values()} == {"second"}


@pytest.mark.thorough
def test_what_waits_behind_a_task_of_unforeseen_length_goes_to_another_pod(world: World):
    slow, free = world.runtime("--service-time", "60", "--dynamic"), world.runtime("--service-time", "0.05")
    model = {"override_settings": {"sd_model_checkpoint": "sd_xl_turbo_1.0.safetensors"}}
    world.send(["long"], model)
    world.agent(slow.url, DYNAMIC_SD_MODEL="true", MODEL_FILENAME="", MODEL_GROUPING_SECONDS=0)
    # One after the other: the order of a queue is not that of sending.
    wait_for(lambda: slow.report()["running"] == "long")
    world.send(["short"], model)
    wait_for(lambda: world.messages_in_flight() == 2)

    world.agent(free.url, RUNTIME_NAME="free")

    assert world.callbacks_for(["short"])["short"]["runtime"] == "free"
    assert slow.report()["running"] == "long"


@pytest.mark.thorough
def test_work_whose_connection_broke_is_interrupted_before_another_agent_can_get_it(world: World):
    runtime = world.runtime("--service-time", "1")
    runtime.fault("disconnect", match="cat")
    world.agent(runtime.url)
    world.send(["cat"])

    callback = world.callbacks_for(["cat"])["cat"]

    assert callback["status"] == "completed" and callback["attempt"] == 2
    assert runtime.runs("interrupted") == ["cat"]
    assert runtime.runs() == ["cat"]


@pytest.mark.thorough
def test_a_runtime_that_starts_late_costs_no_task_an_attempt(world: World):
    runtime = world.runtime("--service-time", "0.05")
    processes.stop([runtime.child])
    world.send(["cat"])
    world.agent(runtime.url)

    time.sleep(1)
    world.restart(runtime, "--load-time", "1")

    assert world.callbacks_for(["cat"])["cat"]["attempt"] == 1


@pytest.mark.thorough
def test_a_task_that_takes_too_long_is_stopped_and_its_sender_notified(world: World):
    runtime = world.runtime("--service-time", "0.1")
    runtime.fault("slow", match="cat")
    world.agent(runtime.url)

    world.send(["cat", "dog"], timeoutSeconds=0.5)
    callbacks = world.callbacks_for(["cat", "dog"])

    assert callbacks["cat"]["error"]["code"] == "timeout"
    assert callbacks["dog"]["status"] == "completed"
    assert runtime.runs("interrupted") == ["cat"]


@pytest.mark.thorough
def test_a_runtime_that_hangs_gets_no_work_until_it_is_well_again(world: World):
    runtime = world.runtime("--service-time", "0.1")
    runtime.fault("hang", match="cat")
    agent = world.agent(runtime.url, TASK_TIMEOUT_SECONDS=1, **QUICK)
    world.send(["cat"])

    wait_for(lambda: [line for line in log_records(agent) if line.get("reason") == "runtime_hung"])
    world.send(["dog"])
    time.sleep(0.5)
    assert world.s3.list_objects_v2(Bucket=world.bucket, Prefix=".tasks/dog")["KeyCount"] == 0
    runtime.clear_faults()

    assert {callback["status"] for callback in world.callbacks_for(["cat", "dog"]).values()} == {"completed"}


@pytest.mark.thorough
def test_a_runtime_that_falls_silent_is_noticed_long_before_the_deadline(world: World):
    runtime = world.runtime("--service-time", "0.3")
    agent = world.agent(runtime.url, **QUICK)
    world.send(["cat"])
    wait_for(lambda: runtime.report()["running"] == "cat")

    runtime.child.signal(signal.SIGSTOP)
    wait_for(lambda: [line for line in log_records(agent) if line.get("reason") == "runtime_silent"])
    runtime.child.signal(signal.SIGCONT)

    assert world.callbacks_for(["cat"])["cat"]["status"] == "completed"


@pytest.mark.thorough
def test_a_task_that_runs_out_of_memory_is_tried_again(world: World):
    runtime = world.runtime("--service-time", "0.1")
    runtime.fault("oom", match="cat")
    world.agent(runtime.url)

    world.send(["cat"])

    assert world.callbacks_for(["cat"])["cat"]["attempt"] == 2


def test_a_task_that_fails_each_time_is_dead_lettered_and_its_sender_gets_the_reason(world: World):
    runtime = world.runtime("--service-time", "0.05")
    runtime.fault("oom", match="cat", times=-1)
    world.agent(runtime.url, **QUICK)

    world.send(["cat"])
    callback = world.callbacks_for(["cat"])["cat"]

    assert callback["error"]["code"] == "out_of_memory"
    assert callback["attempt"] == MAX_ATTEMPTS
    assert [json.loads(body)["metadata"]["id"] for body in world.take_dead_letters()] == ["cat"]
    assert wait_for(lambda: world.messages_left() == 0)


@pytest.mark.thorough
def test_a_task_sent_again_from_the_dead_letter_queue_is_run_again(world: World):
    runtime = world.runtime("--service-time", "0.05")
    runtime.fault("oom", match="cat")
    world.agent(runtime.url, MAX_ATTEMPTS=1)
    world.send(["cat"])
    world.callbacks_for(["cat"])

    world.send_body(wait_for(world.take_dead_letters)[0])

    assert world.callbacks_for(["cat"])["cat"]["status"] == "completed"
    assert world.object("cat/result.json")["status"] == "completed"


def deliver(world: World, times: int) -> None:
    """Receive the only message and give it back, so often."""
    for _ in range(times):
        (message,) = world.sqs.receive_message(QueueUrl=world.queue, WaitTimeSeconds=2)["Messages"]
        handle = {"QueueUrl": world.queue, "ReceiptHandle": message["ReceiptHandle"]}
        world.sqs.change_message_visibility(**handle, VisibilityTimeout=0)


@pytest.mark.thorough
def test_a_task_that_was_delivered_often_but_never_ran_has_all_its_attempts(world: World):
    runtime = world.runtime("--service-time", "0.1")
    world.send(["cat"])
    deliver(world, 20)
    world.agent(runtime.url, MAX_ATTEMPTS=1)

    callback = world.callbacks_for(["cat"])["cat"]

    assert (callback["status"], callback["attempt"]) == ("completed", 1)


@pytest.mark.thorough
def test_a_task_that_sqs_is_about_to_give_up_is_announced_although_the_runtime_is_away(world: World):
    """Else it would be returned, and SQS would move it to the dead-letter queue without a callback."""
    runtime = world.runtime("--service-time", "0.1")
    world.send(["cat"])
    deliver(world, MAX_DELIVERIES - 2)
    (message,) = world.sqs.receive_message(QueueUrl=world.queue, WaitTimeSeconds=2)["Messages"]
    handle = {"QueueUrl": world.queue, "ReceiptHandle": message["ReceiptHandle"]}
    world.sqs.change_message_visibility(**handle, VisibilityTimeout=6)
    agent = world.agent(runtime.url, RECEIVE_WAIT_SECONDS=20)
    wait_for(lambda: [line for line in log_records(agent) if line["event"] == "the runtime is ready"])
    processes.stop([runtime.child], 0.05)

    callback = world.callbacks_for(["cat"])["cat"]

    assert (callback["status"], callback["error"]["code"]) == ("failed", "attempts_exhausted")
    assert len(world.take_dead_letters()) == 1
    assert not [line for line in log_records(agent) if line.get("reason") == "too_late"]
