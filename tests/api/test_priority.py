"""Tasks of high priority: the API sends them to the second queue of a runtime that has one."""

from typing import Any

import pytest

from local.emulator import Emulator
from tests.api.conftest import Deployed, Solve, deploy

pytestmark = pytest.mark.thorough

CONTENT = {"prompt": "x"}


@pytest.fixture(scope="module")
def shared(api_emulator: Emulator, solve: Solve) -> Deployed:
    first = {"name": "sdxl", "type": "sdwebui", "modelFilename": "a.safetensors", "priorityQueue": True}
    second = {"name": "plain", "type": "sdwebui", "modelFilename": "b.safetensors"}
    return deploy(api_emulator, solve("minimal", stackName="classes", modelsRuntime=[first, second]))


def send(shared: Deployed, runtime: str, name: str, priority: str) -> None:
    metadata = {"id": name, "runtime": runtime, "tasktype": "text-to-image", "priority": priority}
    reply = shared.call("POST", "/v1alpha2", {"task": {"metadata": metadata, "content": CONTENT}})
    assert reply.status == 200, reply.body


def received(shared: Deployed, name: str) -> list[dict[str, Any]]:
    sqs = shared.cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageSystemAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


def test_each_class_has_its_queue_and_both_are_counted(shared: Deployed) -> None:
    [runtime, _] = shared.solution.runtimes
    for name, priority in (("n1", "normal"), ("h1", "high"), ("h2", "high")):
        send(shared, "sdxl", name, priority)

    high = received(shared, runtime.high_priority_queue.name)
    assert sorted(name for name in ("h1", "h2") for message in high if f'"{name}"' in message["Body"]) == [
        "h1",
        "h2",
    ]
    assert {message["Attributes"]["MessageGroupId"] for message in high} == {"default.high"}
    [normal] = received(shared, runtime.queue.name)
    assert '"n1"' in normal["Body"]
    described = shared.call("GET", "/runtimes/sdxl").body
    assert (described["queue"]["waiting"], described["priority_queue"]) == (3, True)
    assert shared.call("GET", "/v1alpha2/sdxl/h1").body["status"] == "queued"
    assert shared.call("DELETE", "/v1alpha2/sdxl/h1").body["status"] == "cancelled"


def test_a_task_that_is_sent_twice_is_one_message(shared: Deployed) -> None:
    [runtime, _] = shared.solution.runtimes
    before = len(received(shared, runtime.high_priority_queue.name))
    for _ in range(2):
        send(shared, "sdxl", "twice", "high")

    assert len(received(shared, runtime.high_priority_queue.name)) == before + 1


def test_a_runtime_with_one_queue_takes_both_classes_there(shared: Deployed) -> None:
    [_, runtime] = shared.solution.runtimes
    for name, priority in (("n1", "normal"), ("h1", "high")):
        send(shared, "plain", name, priority)

    assert len(received(shared, runtime.queue.name)) == 2
