"""Publishes callbacks to the results topic."""

import json
from typing import Any

from botocore.exceptions import ClientError

from queue_agent.aws.retry import AwsUnavailable, OnRetry, call_with_retry, error_code
from queue_agent.task.protocol import SNS_MAX_BYTES
from queue_agent.task.record import TaskRecord, callback

# The rest is for the message attributes.
PAYLOAD_MAX_BYTES = SNS_MAX_BYTES - 2_144


class Callbacks:
    """One results topic."""

    def __init__(self, sns: Any, topic_arn: str, on_retry: OnRetry) -> None:
        self._sns = sns
        self._topic_arn = topic_arn
        self._on_retry = on_retry

    async def publish(self, record: TaskRecord, retry_seconds: float) -> None:
        """Publish the callback of a record. Raises `AwsUnavailable` after `retry_seconds`, or sooner when
        SNS refuses the callback whatever the time.
        """
        attributes = {"runtime": record.runtime, "status": record.status}
        message = payload(record)
        try:
            await call_with_retry(
                "Publish",
                lambda: self._sns.publish(
                    TopicArn=self._topic_arn,
                    Message=message,
                    MessageAttributes={
                        name: {"DataType": "String", "StringValue": value}
                        for name, value in attributes.items()
                    },
                ),
                retry_seconds,
                self._on_retry,
                hold_permanent=False,
            )
        except ClientError as error:  # the topic is gone
            raise AwsUnavailable("Publish", error_code(error)) from error


def payload(record: TaskRecord) -> str:
    """The callback as text that fits into an SNS message: of very many images only the first are listed.

    It then has the field `image_url_truncated`. It is ASCII: SNS refuses some characters that JSON allows.
    """
    fields = callback(record)
    text = json.dumps(fields)
    while len(text) > PAYLOAD_MAX_BYTES and fields["image_url"]:
        urls = fields["image_url"]
        excess = len(text) + len('"image_url_truncated": true, ') - PAYLOAD_MAX_BYTES
        fewer = max(1, excess * len(urls) // len(json.dumps(urls)) + 1)
        fields |= {"image_url": urls[:-fewer] if fewer < len(urls) else [], "image_url_truncated": True}
        text = json.dumps(fields)
    return text
