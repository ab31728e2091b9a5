"""Publishes callbacks to the results topic."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from queue_agent.aws.retry import AwsUnavailable, OnRetry, call_with_retry
from queue_agent.task.protocol import SNS_MAX_BYTES
from queue_agent.task.record import TaskRecord, callback

# The rest is for the message attributes, of which the URL of a webhook is the longest.
PAYLOAD_MAX_BYTES = SNS_MAX_BYTES - 4_096


@dataclass(frozen=True)
class Links:
    """Links to the outputs of a task, and to their thumbnails: None for an output that has none."""

    images: Sequence[str] = ()
    thumbnails: Sequence[str | None] = ()


NO_LINKS = Links()


class Callbacks:
    """One results topic."""

    def __init__(self, sns: Any, topic_arn: str, on_retry: OnRetry) -> None:
        self._sns = sns
        self._topic_arn = topic_arn
        self._on_retry = on_retry

    async def publish(
        self,
        record: TaskRecord,
        retry_seconds: float,
        *,
        routing: Mapping[str, str] | None = None,
        links: Links = NO_LINKS,
    ) -> None:
        """Publish the callback of a record. Raises `AwsUnavailable` after `retry_seconds`, or sooner when
        SNS refuses the callback whatever the time.

        `routing`: message attributes for the function that sends webhooks; `links`: when the sender of the
        task wants them.
        """
        attributes = {"runtime": record.runtime, "status": record.status, **(routing or {})}
        message = payload(record, links)
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
            raise AwsUnavailable("Publish", error) from error


def payload(record: TaskRecord, links: Links = NO_LINKS) -> str:
    """The callback as text that fits into an SNS message: of very many images only the first are listed.

    It then has the field `image_url_truncated`, or for another list that had to be shortened
    `images_truncated` and the like. It is ASCII: SNS refuses some characters that JSON allows.
    """
    fields = callback(record)
    lists: dict[str, Sequence[str | None]] = {
        "image_url": fields.pop("image_url"),
        "thumbnail_url": fields.pop("thumbnail_url", ()),
        "images": links.images,
        "thumbnails": links.thumbnails,
    }
    for name, urls in lists.items():
        if urls or name == "image_url":
            fields[name] = list(urls)
            text = _shortened(fields, name)
    return text


def _shortened(fields: dict[str, Any], name: str) -> str:
    """The fields as text; of the list `name` only so many items are kept that the text fits."""
    mark = f"{name}_truncated"
    text = json.dumps(fields)
    while len(text) > PAYLOAD_MAX_BYTES and fields[name]:
        urls = fields[name]
        excess = len(text) + len(f'"{mark}": true, ') - PAYLOAD_MAX_BYTES
        fewer = max(1, excess * len(urls) // len(json.dumps(urls)) + 1)
        fields |= {name: urls[:-fewer] if fewer < len(urls) else [], mark: True}
        text = json.dumps(fields)
    return text
