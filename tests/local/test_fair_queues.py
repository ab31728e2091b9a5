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


def message(group: str, number: int, *, received: bool = True, sent: float = 0.0) -> dict[str, Any]:
    flight = {"receive_count": 1, "visible_at": 10_000.0} if received else {"visible_at": 0.0}
    return {"id": f"{group}-{number}", "group_id": group, "sent_at": sent, **flight}


def first(shares: Shares, messages: list[dict[str, Any]], now: float) -> set[str]:
    """The groups whose messages go before those of others."""
    order = shares.order(messages, now)
    best = min(map(order, messages))
    return {str(one["group_id"]) for one in messages if order(one) == best}


WAITING = [message(group, 99, received=False) for group in "ab"]


@pytest.mark.parametrize(("count", "groups"), [(29, {"a", "b"}), (30, {"b"})])
def test_a_group_with_many_messages_in_flight_is_noisy(count: int, groups: set[str]) -> None:
    assert first(Shares(), [*(message("a", n) for n in range(count)), *WAITING], 0.0) == groups


def test_a_group_is_noisy_by_the_time_of_consumers() -> None:
    shares = Shares()
    assert first(shares, [message("a", 0), *WAITING], 0.0) == {"a", "b"}
    assert first(shares, [message("a", 0), *WAITING], 95.0) == {"b"}
    assert first(shares, WAITING, 100.0) == {"b"}, "the time of a deleted message counts for a while"
    assert first(shares, WAITING, 401.0) == {"a", "b"}


def test_a_group_that_waits_no_more_starts_anew() -> None:
    shares = Shares()
    shares.order([message("a", 0), *WAITING], 0.0)
    shares.drained([message("a", 0), WAITING[1]], 50.0)
    assert first(shares, WAITING, 50.0) == {"a", "b"}


def test_a_group_that_has_sent_nothing_for_five_minutes_is_not_noisy() -> None:
    shares = Shares()
    shares.order([message("a", 0), *WAITING], 0.0)
    assert first(shares, [message("a", 0), *WAITING], 299.0) == {"b"}
    assert first(shares, [message("a", 0), *WAITING], 300.0) == {"a", "b"}


def test_of_two_noisy_groups_the_one_with_fewer_messages_in_flight_goes_first() -> None:
    shares = Shares()
    both = [message("a", 0), message("a", 1), message("b", 0), *WAITING]
    shares.order(both, 0.0)
    assert first(shares, both, 10.0) == {"b"}
