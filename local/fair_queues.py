"""Fair queues for the emulator, by the rules that AWS documents. Runs in the emulator's own environment.

Messages of groups that have had little of the consumers' time are received before those of a noisy group: one
with more than a tenth of the messages in flight, and at least 30, or with more than a tenth of the time that
consumers have spent lately. Each message without a group is a group of its own.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

NOISY_SHARE, NOISY_IN_FLIGHT = 0.1, 30
# AWS does not say how long it remembers.
RECENT_SECONDS = 300.0


class Shares:
    """How much of the consumers' time each group of one queue has had."""

    def __init__(self) -> None:
        self._began: dict[tuple[str, float], str] = {}  # message and time of its receipt → group
        self._ended: list[tuple[float, str, float]] = []  # time of the end, group, seconds

    def received(self, messages: Iterable[Mapping[str, Any]], now: float) -> None:
        """Remember when these messages were received."""
        for message in messages:
            if message.get("group_id"):
                self._began[message["id"], now] = message["group_id"]

    def noisy(self, messages: Iterable[Mapping[str, Any]], now: float) -> set[str]:
        """The groups whose messages are received after those of others; `messages`: all of the queue."""
        in_flight = {
            message["id"]: str(message.get("group_id") or message["id"])
            for message in messages
            if message.get("receive_count") and message["visible_at"] > now
        }
        self._close(in_flight, now)
        counts: dict[str, int] = defaultdict(int)
        for group in in_flight.values():
            counts[group] += 1
        seconds: dict[str, float] = defaultdict(float)
        for _, group, spent in self._ended:
            seconds[group] += spent
        for (_, began), group in self._began.items():
            seconds[group] += now - began
        total = sum(seconds.values())
        crowded = {
            group
            for group, count in counts.items()
            if count >= NOISY_IN_FLIGHT and count > NOISY_SHARE * len(in_flight)
        }
        return crowded | {group for group, spent in seconds.items() if spent > NOISY_SHARE * total > 0}

    def _close(self, in_flight: Mapping[str, str], now: float) -> None:
        """Account for messages that were deleted, or are visible again."""
        for key in [key for key in self._began if key[0] not in in_flight]:
            self._ended.append((now, self._began.pop(key), now - key[1]))
        self._ended = [entry for entry in self._ended if now - entry[0] < RECENT_SECONDS]


def extend(sqs: Any) -> None:
    """Let ministack's standard queues be fair. Their own order stays within noisy and quiet groups."""
    collect = sqs._collect_msgs
    shares: dict[str, Shares] = defaultdict(Shares)

    def collect_fairly(queue: dict[str, Any], *args: Any) -> Any:
        if not queue["is_fifo"] and any(message.get("group_id") for message in queue["messages"]):
            now, share = time.time(), shares[queue["attributes"].get("QueueArn", "")]
            noisy = share.noisy(queue["messages"], now)
            if noisy:
                queue["messages"].sort(key=lambda message: message.get("group_id") in noisy)
            received = collect(queue, *args)
            share.received(received, now)
            return received
        return collect(queue, *args)

    sqs._collect_msgs = collect_fairly
