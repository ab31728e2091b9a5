"""The queues of the runtime: its tasks, those of high priority, and the dead-letter queue."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from queue_agent.aws.retry import OnRetry, call_with_retry
from queue_agent.aws_errors import error_code

SQS_MAX_RECEIVE = 10
# SQS takes ten message attributes; one is left for the reason.
SQS_MAX_ATTRIBUTES = 10
# A receipt handle that is no longer valid: the message was deleted, or has been delivered again.
STALE_RECEIPT_CODES = ("ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue")
SYSTEM_ATTRIBUTES = ("ApproximateReceiveCount", "SentTimestamp", "AWSTraceHeader", "MessageGroupId")
RETURN_RETRY_SECONDS = 10.0
REASON_MAX_CHARACTERS = 256
# With a second queue, of tasks of high priority: after so many of its messages the other is asked first, so
# that its tasks do not wait forever.
HIGH_IN_A_ROW = 4
# So soon an agent that waits at the other queue looks into the second one again.
HIGH_POLL_SECONDS = 2


@dataclass(frozen=True)
class Message:
    """One delivery of one message."""

    id: str
    receipt_handle: str
    body: str
    delivery: int  # counted from 1
    sent: float  # Unix time
    received: float  # Unix time
    trace: str  # AWSTraceHeader, or ""
    attributes: Mapping[str, Any]
    group: str = ""  # MessageGroupId: whose share of a fair queue it counts towards
    queue_url: str = ""  # where it came from


@dataclass(frozen=True)
class QueueUrls:
    """The queues of one runtime. `high_priority` is "" where there is no second queue."""

    tasks: str
    dead_letter: str
    high_priority: str = ""


class Queue:
    """The queues of one runtime. Failed calls are retried; then they raise `AwsUnavailable`."""

    def __init__(self, sqs: Any, urls: QueueUrls, visibility_timeout: int, on_retry: OnRetry) -> None:
        self._sqs = sqs
        self._urls = urls
        self._visibility_timeout = visibility_timeout
        self._on_retry = on_retry
        self._high_in_a_row = 0

    async def receive(self, count: int, wait_seconds: int) -> list[Message]:
        """Up to `count` messages, those of high priority first; waits for the first.

        Retries until SQS responds.
        """
        tasks, high = self._urls.tasks, self._urls.high_priority
        if not high:
            return await self._receive(tasks, count, wait_seconds)
        soon = min(wait_seconds, HIGH_POLL_SECONDS)
        if (left := HIGH_IN_A_ROW - self._high_in_a_row) <= 0:
            self._high_in_a_row = 0
            return await self._receive(tasks, 1, 0) or await self._receive(high, count, soon)
        messages = await self._receive(high, min(count, left), 0)
        self._high_in_a_row += len(messages)
        return messages or await self._receive(tasks, count, soon)

    async def _receive(self, url: str, count: int, wait_seconds: int) -> list[Message]:
        response = await call_with_retry(
            "ReceiveMessage",
            lambda: self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(count, SQS_MAX_RECEIVE),
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=self._visibility_timeout,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=SYSTEM_ATTRIBUTES,
            ),
            float("inf"),
            self._on_retry,
        )
        return [_message(entry, url) for entry in response.get("Messages", [])]

    async def extend_visibility(self, message: Message, seconds: float) -> bool:
        """Hide the message for so long from now. False when it is visible to other agents again."""
        return await self._change_visibility(message, math.ceil(seconds), seconds / 3)

    async def change_visibility(self, message: Message, after: float) -> bool:
        """Make the message visible after `after` seconds. False when it is visible already."""
        return await self._change_visibility(message, round(after), RETURN_RETRY_SECONDS)

    async def delete(self, message: Message, retry_seconds: float) -> None:
        """Delete the message. No error when it is gone already."""
        try:
            await call_with_retry(
                "DeleteMessage",
                lambda: self._sqs.delete_message(
                    QueueUrl=message.queue_url, ReceiptHandle=message.receipt_handle
                ),
                retry_seconds,
                self._on_retry,
                hold_permanent=False,
            )
        except ClientError as error:
            if error_code(error) not in STALE_RECEIPT_CODES:
                raise

    async def send_to_dead_letter_queue(self, message: Message, reason: str, retry_seconds: float) -> None:
        """Send a copy to the dead-letter queue, with the attribute `reason` if SQS has room for it."""
        text = "".join(c if c.isprintable() and c.isascii() else "?" for c in reason)[:REASON_MAX_CHARACTERS]
        attributes = {
            **_sendable(message.attributes),
            "reason": {"DataType": "String", "StringValue": text or "?"},
        }
        try:
            await self._send(message, attributes, retry_seconds)
        except ClientError as error:
            if error_code(error) != "InvalidParameterValue":
                raise
            await self._send(message, {}, retry_seconds)  # attributes count towards the maximum size

    async def _send(self, message: Message, attributes: Mapping[str, Any], retry_seconds: float) -> None:
        # It is sent again from there with its group.
        group = {"MessageGroupId": message.group} if message.group else {}
        await call_with_retry(
            "SendMessage",
            lambda: self._sqs.send_message(
                QueueUrl=self._urls.dead_letter,
                MessageBody=message.body,
                MessageAttributes=attributes,
                **group,
            ),
            retry_seconds,
            self._on_retry,
        )

    async def _change_visibility(self, message: Message, seconds: int, retry_seconds: float) -> bool:
        try:
            await call_with_retry(
                "ChangeMessageVisibility",
                lambda: self._sqs.change_message_visibility(
                    QueueUrl=message.queue_url,
                    ReceiptHandle=message.receipt_handle,
                    VisibilityTimeout=seconds,
                ),
                retry_seconds,
                self._on_retry,
            )
        except ClientError as error:
            if error_code(error) in STALE_RECEIPT_CODES:
                return False
            raise
        return True


def _message(entry: Mapping[str, Any], queue_url: str) -> Message:
    system = entry.get("Attributes", {})
    now = time.time()
    return Message(
        id=entry["MessageId"],
        receipt_handle=entry["ReceiptHandle"],
        body=entry["Body"],
        delivery=int(system.get("ApproximateReceiveCount", 1)),
        sent=int(system["SentTimestamp"]) / 1000 if "SentTimestamp" in system else now,
        received=now,
        trace=system.get("AWSTraceHeader", ""),
        attributes=entry.get("MessageAttributes", {}),
        group=system.get("MessageGroupId", ""),
        queue_url=queue_url,
    )


def _sendable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Received message attributes in the form in which they are sent."""
    fields = ("DataType", "StringValue", "BinaryValue")
    sendable = {
        name: {field: value[field] for field in fields if field in value}
        for name, value in attributes.items()
    }
    return dict(list(sendable.items())[: SQS_MAX_ATTRIBUTES - 1])
