"""The emulator's fair queues: what AWS documents of them, as far as the agent and the API rely on it."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local.emulator import Emulator
from local.fair_queues import Shares


@pytest.fixture(scope="module")
def sqs() -> Iterator[Any]:
    with Emulator() as emulator:
        env = emulator.client_env()
        yield boto3.client(
            "sqs",
            endpoint_url=env["AWS_ENDPOINT_URL"],
            region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )


def receive(sqs: Any, url: str) -> tuple[str, str]:
    answer = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["MessageGroupId"])
    [message] = answer["Messages"]
    return message["Body"], message["ReceiptHandle"]


def test_a_message_of_a_quiet_group_goes_before_the_rest_of_a_burst(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="burst")["QueueUrl"]
    for number in range(5):
        sqs.send_message(QueueUrl=url, MessageBody=f"noisy-{number}", MessageGroupId="noisy")
    first, handle = receive(sqs, url)
    sqs.send_message(QueueUrl=url, MessageBody="quiet", MessageGroupId="quiet")
    sqs.send_message(QueueUrl=url, MessageBody="alone")

    assert first == "noisy-0"
    assert [receive(sqs, url)[0] for _ in range(3)] == ["quiet", "alone", "noisy-1"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
    assert receive(sqs, url)[0] == "noisy-2"


def test_without_groups_messages_come_in_order(sqs: Any) -> None:
    url = sqs.create_queue(QueueName="plain")["QueueUrl"]
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))

    assert [receive(sqs, url)[0] for _ in range(3)] == ["0", "1", "2"]


def in_flight(group: str, count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"{group}-{n}", "group_id": group, "receive_count": 1, "visible_at": 1000.0}
        for n in range(count)
    ]


@pytest.mark.parametrize(("count", "noisy"), [(29, set()), (30, {"a"})])
def test_a_group_with_many_messages_in_flight_is_noisy(count: int, noisy: set[str]) -> None:
    assert Shares().noisy(in_flight("a", count), 0.0) == noisy


def test_a_group_is_noisy_by_the_time_of_consumers_and_no_longer_after_a_while() -> None:
    shares = Shares()
    slow, quick = in_flight("slow", 1), in_flight("quick", 1)
    shares.received(slow, 0.0)
    shares.noisy(slow, 95.0)
    shares.received(quick, 95.0)

    assert shares.noisy([*slow, *quick], 100.0) == {"slow"}
    assert shares.noisy([], 101.0) == {"slow"}, "both are deleted; their time counts for a while"
    assert shares.noisy([], 500.0) == set()
