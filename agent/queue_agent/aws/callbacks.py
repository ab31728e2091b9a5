"""Tells the results topic how a task fares."""

import json
from typing import Any

from queue_agent.aws.retry import Note, insist
from queue_agent.task.protocol import SNS_MAX_BYTES
from queue_agent.task.record import TaskRecord, callback

# The rest is for the message attributes.
PAYLOAD_BYTES = SNS_MAX_BYTES - 2_144


class Callbacks:
    """One results topic."""

    def __init__(self, sns: Any, topic_arn: str, note: Note) -> None:
        self._sns = sns
        self._topic_arn = topic_arn
        self._note = note

    async def publish(self, record: TaskRecord, seconds: float) -> None:
        """Publish it, and try for `seconds`."""
        told = {"runtime": record.runtime, "status": record.status}
        await insist(
            "Publish",
            lambda: self._sns.publish(
                TopicArn=self._topic_arn,
                Message=payload(record),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in told.items()
                },
            ),
            seconds,
            self._note,
        )


def payload(record: TaskRecord) -> str:
    """The callback as text that fits SNS: of very many images only the first are named, and that is said.

    It is ASCII, since SNS refuses some characters that JSON allows.
    """
    told = callback(record)
    text = json.dumps(told)
    while len(text) > PAYLOAD_BYTES and told["image_url"]:
        urls = told["image_url"]
        excess = len(text) + len('"image_url_truncated": true, ') - PAYLOAD_BYTES
        fewer = max(1, excess * len(urls) // len(json.dumps(urls)) + 1)
        told |= {"image_url": urls[:-fewer] if fewer < len(urls) else [], "image_url_truncated": True}
        text = json.dumps(told)
    return text
