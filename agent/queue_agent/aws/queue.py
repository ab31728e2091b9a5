"""The queue of the runtime: receive, hold, give back, delete, set aside."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from queue_agent.aws.retry import Note, code_of, insist

SQS_MAX_RECEIVE = 10
# A receipt that SQS no longer knows: the message was deleted, or has been given to somebody else.
GONE = ("ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue")
GIVE_BACK_SECONDS = 10.0
REASON_CHARACTERS = 256


@dataclass(frozen=True)
class Message:
    """One delivery of one message."""

    id: str
    receipt: str
    body: str
    attempt: int  # how often SQS has handed it out, this time included
    sent: float  # unix time
    received: float  # unix time
    trace: str  # AWSTraceHeader, or ""
    attributes: Mapping[str, Any]


class Queue:
    """One queue and its dead-letter queue. Failed calls are repeated here, and only here."""

    def __init__(self, sqs: Any, url: str, dead_letter_url: str, visibility: int, note: Note) -> None:
        self._sqs = sqs
        self._url = url
        self._dead_letter_url = dead_letter_url
        self._visibility = visibility
        self._note = note

    async def receive(self, count: int, wait: int) -> list[Message]:
        """Up to `count` messages; waits `wait` seconds for the first. Tries until SQS answers."""
        answer = await insist(
            "ReceiveMessage",
            lambda: self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(count, SQS_MAX_RECEIVE),
                WaitTimeSeconds=wait,
                VisibilityTimeout=self._visibility,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", "AWSTraceHeader"],
            ),
            float("inf"),
            self._note,
        )
        return [_message(each) for each in answer.get("Messages", [])]

    async def hold(self, message: Message) -> bool:
        """Hide it for another visibility timeout. False: it is no longer ours to hide."""
        return await self._hide(message, self._visibility, self._visibility / 3)

    async def give_back(self, message: Message, after: float) -> bool:
        """Let others have it in `after` seconds."""
        return await self._hide(message, round(after), GIVE_BACK_SECONDS)

    async def delete(self, message: Message, seconds: float) -> None:
        """Done with it. That it is gone already is as good."""
        try:
            await insist(
                "DeleteMessage",
                lambda: self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt),
                seconds,
                self._note,
            )
        except ClientError as error:
            if code_of(error) not in GONE:
                raise

    async def set_aside(self, message: Message, reason: str, seconds: float) -> None:
        """Send a copy to the dead-letter queue. Its attributes say the reason, if SQS has room for them."""
        text = "".join(c if c.isprintable() and c.isascii() else "?" for c in reason)[:REASON_CHARACTERS]
        told = {"reason": {"DataType": "String", "StringValue": text or "?"}}
        try:
            await self._send(message.body, _sendable(message.attributes) | told, seconds)
        except ClientError as error:
            if code_of(error) != "InvalidParameterValue":
                raise
            await self._send(message.body, {}, seconds)  # attributes count towards the largest size

    async def _send(self, body: str, attributes: Mapping[str, Any], seconds: float) -> None:
        await insist(
            "SendMessage",
            lambda: self._sqs.send_message(
                QueueUrl=self._dead_letter_url, MessageBody=body, MessageAttributes=attributes
            ),
            seconds,
            self._note,
        )

    async def _hide(self, message: Message, seconds: int, patience: float) -> bool:
        try:
            await insist(
                "ChangeMessageVisibility",
                lambda: self._sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
                ),
                patience,
                self._note,
            )
        except ClientError as error:
            if code_of(error) in GONE:
                return False
            raise
        return True


def _message(answer: Mapping[str, Any]) -> Message:
    system = answer.get("Attributes", {})
    now = time.time()
    return Message(
        id=answer["MessageId"],
        receipt=answer["ReceiptHandle"],
        body=answer["Body"],
        attempt=int(system.get("ApproximateReceiveCount", 1)),
        sent=int(system["SentTimestamp"]) / 1000 if "SentTimestamp" in system else now,
        received=now,
        trace=system.get("AWSTraceHeader", ""),
        attributes=answer.get("MessageAttributes", {}),
    )


def _sendable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Received attributes as SQS takes them again, with one left over for the reason (SQS takes ten)."""
    names = ("DataType", "StringValue", "BinaryValue")
    kept = {key: {name: value[name] for name in names if name in value} for key, value in attributes.items()}
    return dict(list(kept.items())[:9])
