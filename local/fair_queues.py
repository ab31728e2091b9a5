"""Fair queues for the emulator, by the rules that AWS documents. Runs in the emulator's own environment.

A group is noisy with more than a tenth of the messages in flight, and at least 30 of them, or with more than
a tenth of the time that consumers have spent lately. Messages of other groups are received first, and of
several noisy groups those of the one with the fewest messages in flight. A group is noisy no longer once none
of its messages waits, or when none was sent for five minutes. Each message without a group is a group of its
own.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NOISY_SHARE, NOISY_IN_FLIGHT = 0.1, 30
QUIET_SECONDS = 300.0
# AWS does not say how long it remembers.
RECENT_SECONDS = 300.0

Message = Mapping[str, Any]


class Shares:
    """How much of the consumers' time each group of one queue has had."""

    def __init__(self) -> None:
        self._began: dict[str, tuple[str, float]] = {}  # message → group, time of its receipt
        self._ended: list[tuple[float, str, float]] = []  # time of the end, group, seconds

    def order(self, messages: Sequence[Message], now: float) -> Callable[[Message], int]:
        """The key by which `messages`, all of the queue, are received: less goes first."""
        self._account(messages, now)
        counts = Counter(_group(message) for message in messages if _in_flight(message, now))
        noisy = self._noisy(messages, counts, now)
        return lambda message: 1 + counts[_group(message)] if _group(message) in noisy else 0

    def _noisy(self, messages: Sequence[Message], counts: Mapping[str, int], now: float) -> set[str]:
        seconds: dict[str, float] = defaultdict(float)
        for _, group, spent in self._ended:
            seconds[group] += spent
        for group, began in self._began.values():
            seconds[group] += now - began
        threshold = NOISY_SHARE * sum(seconds.values())
        in_flight = sum(counts.values())
        crowded = {g for g, n in counts.items() if n >= NOISY_IN_FLIGHT and n > NOISY_SHARE * in_flight}
        slow = {group for group, spent in seconds.items() if spent > threshold}
        sending = {_group(m) for m in messages if now - m.get("sent_at", now) < QUIET_SECONDS}
        return (crowded | slow) & sending

    def _account(self, messages: Sequence[Message], now: float) -> None:
        """Account for messages that have been received since, were deleted, or are visible again."""
        in_flight = {message["id"]: _group(message) for message in messages if _in_flight(message, now)}
        for key in self._began.keys() - in_flight.keys():
            group, began = self._began.pop(key)
            self._ended.append((now, group, now - began))
        self._ended = [entry for entry in self._ended if now - entry[0] < RECENT_SECONDS]
        for key in in_flight.keys() - self._began.keys():
            self._began[key] = in_flight[key], now

    def drained(self, messages: Sequence[Message], now: float) -> None:
        """Forget the time of the groups of which no message waits after a receipt."""
        self._account(messages, now)
        waiting = {_group(message) for message in messages if not _in_flight(message, now)}
        self._ended = [entry for entry in self._ended if entry[1] in waiting]
        self._began = {
            key: (group, began if group in waiting else now) for key, (group, began) in self._began.items()
        }


def _group(message: Message) -> str:
    return str(message.get("group_id") or message["id"])


def _in_flight(message: Message, now: float) -> bool:
    return bool(message.get("receive_count")) and message["visible_at"] > now


def extend(sqs: Any) -> None:
    """Let ministack's standard queues be fair. Their own order stays within noisy and quiet groups."""
    collect = sqs._collect_msgs
    shares: dict[str, Shares] = defaultdict(Shares)

    def collect_fairly(queue: dict[str, Any], *args: Any) -> Any:
        if queue["is_fifo"] or not any(message.get("group_id") for message in queue["messages"]):
            return collect(queue, *args)
        share = shares[queue["attributes"].get("QueueArn", "")]
        queue["messages"].sort(key=share.order(queue["messages"], time.time()))
        received = collect(queue, *args)
        share.drained(queue["messages"], time.time())
        return received

    sqs._collect_msgs = collect_fairly
