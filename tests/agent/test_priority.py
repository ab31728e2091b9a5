"""Tasks of high priority: which queue is asked first, and which task runs next."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from queue_agent.aws.queue import HIGH_IN_A_ROW, HIGH_POLL_SECONDS, Message, Queue, QueueUrls
from queue_agent.flow.job import Job
from queue_agent.flow.scheduler import Scheduler
from queue_agent.ops.metrics import Metrics
from queue_agent.task.messages import Defaults, parse

from testing.world import World
from tests.agent.adapters.conftest import task

TASKS, HIGH = "https://sqs/1/tasks", "https://sqs/1/tasks-high"


class Sqs:
    """SQS with so many messages in each queue; notes the calls."""

    def __init__(self, **messages: int) -> None:
        self.messages = {TASKS: messages.get("tasks", 0), HIGH: messages.get("high", 0)}
        self.calls: list[tuple[str, int, int]] = []
        self.deleted: list[str] = []

    async def receive_message(self, **call: Any) -> Mapping[str, Any]:
        url = call["QueueUrl"]
        self.calls.append((url, call["MaxNumberOfMessages"], call["WaitTimeSeconds"]))
        count = min(self.messages[url], call["MaxNumberOfMessages"])
        self.messages[url] -= count
        return {"Messages": [{"MessageId": url, "ReceiptHandle": "r", "Body": "{}"}] * count}

    async def delete_message(self, **call: Any) -> None:
        self.deleted.append(call["QueueUrl"])


def queue(sqs: Sqs, high: str = HIGH) -> Queue:
    return Queue(sqs, QueueUrls(TASKS, "dead", high), 120, lambda *_: None)


async def received(queue: Queue, times: int, count: int = 1) -> str:
    """One letter for each message: h or t."""
    batches = [await queue.receive(count, 5) for _ in range(times)]
    return "".join("h" if message.queue_url == HIGH else "t" for batch in batches for message in batch)


async def test_tasks_of_high_priority_are_received_first_and_the_others_get_a_fifth() -> None:
    assert HIGH_IN_A_ROW == 4
    assert await received(queue(Sqs(tasks=100, high=100)), 11) == "hhhhthhhhth"
    assert await received(queue(Sqs(tasks=100, high=100)), 4, count=10) == "hhhhthhhht"


async def test_when_one_queue_is_empty_all_come_from_the_other() -> None:
    assert await received(queue(Sqs(high=100)), 8) == "h" * 8
    assert await received(queue(Sqs(tasks=100)), 2, count=10) == "t" * 20


async def test_waiting_for_either_queue_looks_into_both_every_two_seconds() -> None:
    sqs = Sqs()
    await received(queue(sqs), 2)

    assert sqs.calls == [(HIGH, 1, 0), (TASKS, 1, HIGH_POLL_SECONDS)] * 2


async def test_one_queue_is_polled_as_before() -> None:
    sqs = Sqs(tasks=1)
    await received(queue(sqs, high=""), 2)

    assert sqs.calls == [(TASKS, 1, 5)] * 2


async def test_a_message_is_deleted_from_the_queue_that_it_came_from() -> None:
    sqs = Sqs(high=1, tasks=1)
    one = queue(sqs)
    for _ in range(2):
        [message] = await one.receive(1, 0)
        await one.delete(message, 0)

    assert sqs.deleted == [HIGH, TASKS]


@pytest.mark.parametrize(("priority", "high"), [("high", True), ("normal", False), (None, False), (1, False)])
def test_the_priority_of_a_message_is_that_of_its_metadata(priority: object, high: bool) -> None:
    body = {"metadata": {"id": "a", "tasktype": "text-to-image", "priority": priority}, "content": {}}
    assert parse(json.dumps(body), Defaults("sdwebui", 60), 1).high is high


def job(scheduler: Scheduler, name: str, *, high: bool) -> Job:
    plain = task("text-to-image", {})
    one = Job(Message(name, "", "", 1, 0.0, 0.0, "", {}), replace(plain, id=name, high=high), None, 0.0)
    scheduler.add(one)
    return one


async def test_a_received_task_of_high_priority_runs_before_those_that_are_ready() -> None:
    scheduler = Scheduler(Metrics(), 0.0, 1000)
    jobs = [job(scheduler, name, high=name.startswith("h")) for name in ("n1", "n2", "h1", "h2")]
    while scheduler.prepare_next():
        pass

    assert [one.task.id for one in scheduler.ahead] == ["h1", "h2", "n1", "n2"]
    late = job(scheduler, "h3", high=True)
    scheduler.prepare_next()
    for one in (*jobs, late):
        scheduler.mark_ready(one, 0.1)
    scheduler.open = True
    scheduler.start_next()
    assert [one.task.id for one in (scheduler.running, *scheduler.ahead) if one] == [
        "h1",
        "h2",
        "h3",
        "n1",
        "n2",
    ]


@pytest.mark.thorough
def test_an_agent_runs_tasks_of_the_second_queue_first_and_forgets_none(world: World) -> None:
    high = world.sqs.create_queue(QueueName="tasks-high", Attributes={"VisibilityTimeout": "120"})["QueueUrl"]
    world.send([f"n{n}" for n in range(12)])
    for n in range(6):
        metadata = {"id": f"h{n}", "runtime": "painter", "tasktype": "text-to-image", "priority": "high"}
        body = json.dumps({"metadata": metadata, "content": {"prompt": "x"}})
        world.sqs.send_message(QueueUrl=high, MessageBody=body)

    world.agent(world.runtime("--service-time", "0.2").url, HIGH_PRIORITY_QUEUE_URL=high)

    ids = [f"n{n}" for n in range(12)] + [f"h{n}" for n in range(6)]
    results = world.callbacks_for(ids)
    assert {result["status"] for result in results.values()} == {"completed"}
    records = {name: world.object(f"{name}/result.json") for name in ids}
    order = sorted(ids, key=lambda name: records[name]["started"])
    assert sum(name.startswith("h") for name in order[:8]) == 6, order
