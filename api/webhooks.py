"""The Lambda function of webhooks: calls the URL of each task that ends, and notes how that went.

Its messages come from the results topic by a queue, one for each task that has a webhook. A call that fails
is repeated later and later; after the last one SQS moves the message to the dead-letter queue.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from queue_agent.task.protocol import (
    DEFAULT_SENDER,
    SENDER_ATTRIBUTE,
    WEBHOOK_ATTRIBUTE,
    WebhookState,
    canonical_json,
    s3_url,
    webhook_key,
)

from api.records import Records
from api.webhook_calls import WebhookError, call_webhook
from api.webhook_signatures import SECRET_VARIABLE, StackSecrets, webhook_headers
from api.webhook_urls import allows_local

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "max_attempts": 2},
    signature_version="s3v4",
)
# The pause after a failed call, four times as long after each: 5 s, 20 s … 6 hours.
_FIRST_PAUSE_SECONDS, _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS = 5, 4, 21_600

log = logging.getLogger("webhooks")


@dataclass(frozen=True)
class Message:
    """One message: the callback of a task, and where it is to be sent."""

    id: str
    receipt_handle: str
    attempt: int  # counted from 1
    url: str
    sender: str
    callback: Mapping[str, Any]

    @property
    def webhook_id(self) -> str:
        """The same for every attempt, and for a callback that was published twice."""
        same = {name: value for name, value in self.callback.items() if name != "images"}
        return f"msg_{hashlib.sha256(canonical_json(same).encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class Clients:
    """The clients of AWS."""

    s3: Any
    sqs: Any
    secrets: StackSecrets


class Webhooks:
    """Sends the webhooks of one solution: at most `attempts` calls each; `buckets` by the runtimes' names."""

    def __init__(
        self, attempts: int, buckets: Mapping[str, str], environment: Mapping[str, str], clients: Clients
    ) -> None:
        self._attempts, self._buckets, self._clients = attempts, buckets, clients
        self._queue, self._local = environment["QUEUE_URL"], allows_local(environment)
        log.setLevel(logging.INFO)

    def handle(self, event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
        """Send the webhooks of a batch at the same time; the failures stay in the queue."""
        messages = [_message(record) for record in event["Records"]]
        with ThreadPoolExecutor(len(messages)) as calls:
            sent = list(calls.map(self._send, messages))
        failed = [message.id for message, done in zip(messages, sent, strict=True) if not done]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def _send(self, message: Message) -> bool:
        """Send one webhook; whether its message is done with."""
        try:
            state = self._call(message)
            self._note(message, state)
            if (pause := state.get("next_at")) is not None:
                self._retry_after(message, pause - state["at"])
            elif state["state"] == WebhookState.FAILED:
                self._retry_after(message, 0)  # SQS then moves it to the dead-letter queue
        except (BotoCoreError, ClientError) as error:
            # Nothing is lost: it comes again when its visibility timeout ends.
            log.error("a call to AWS failed: %s", error)
            return False
        return bool(state["state"] == WebhookState.DELIVERED)

    def _call(self, message: Message) -> dict[str, Any]:
        """Call the URL; the state of the webhook that follows."""
        body = json.dumps({**message.callback, **self._links(message)}).encode()
        now = time.time()
        signed = webhook_headers(
            self._clients.secrets.current(), message.sender, message.webhook_id, int(now), body
        )
        headers = {"Content-Type": "application/json", "User-Agent": "sd-on-eks-webhooks", **signed}
        state: dict[str, Any] = {"attempts": message.attempt, "at": now}
        try:
            status = call_webhook(message.url, body, headers, local=self._local)
        except WebhookError as error:
            state |= {"error": str(error), **({"http_status": error.status} if error.status else {})}
            if message.attempt >= self._attempts:
                return {**state, "state": WebhookState.FAILED}
            return {**state, "state": WebhookState.RETRYING, "next_at": now + pause_after(message.attempt)}
        return {**state, "state": WebhookState.DELIVERED, "http_status": status}

    def _links(self, message: Message) -> dict[str, list[str | None]]:
        """New links to pictures and thumbnails: those of an earlier attempt may have expired."""
        callback = message.callback
        bucket = self._buckets.get(callback["runtime"])
        if bucket is None:  # the runtime was removed since
            return {"images": []}
        records, folder = Records(self._clients.s3, bucket), s3_url(bucket, "")

        def links(urls: Sequence[str | None]) -> list[str | None]:
            return [
                url and records.link(url.removeprefix(folder))
                for url in urls
                if url is None or url.startswith(folder)
            ]

        thumbnails = {"thumbnails": links(callback["thumbnail_url"])} if "thumbnail_url" in callback else {}
        return {"images": links(callback["image_url"]), **thumbnails}

    def _note(self, message: Message, state: Mapping[str, Any]) -> None:
        """Log the state, and keep it for the status of the task."""
        callback = message.callback
        log.info(json.dumps({"runtime": callback["runtime"], "task": callback["id"], **state}))
        bucket = self._buckets.get(callback["runtime"])
        # The id in a callback about an id that is in use is that of another task.
        if bucket is not None and (callback.get("error") or {}).get("code") != "id_in_use":
            Records(self._clients.s3, bucket).overwrite(webhook_key(callback["id"]), dict(state))

    def _retry_after(self, message: Message, seconds: float) -> None:
        self._clients.sqs.change_message_visibility(
            QueueUrl=self._queue, ReceiptHandle=message.receipt_handle, VisibilityTimeout=round(seconds)
        )


def start(settings: str) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """The handler for these settings, which are JSON: `{attempts, buckets}`."""
    plain = Config(connect_timeout=2, read_timeout=4, retries=_CONFIG.retries)
    sqs, manager = (boto3.client(name, config=plain) for name in ("sqs", "secretsmanager"))
    secrets = StackSecrets(manager, os.environ[SECRET_VARIABLE])
    clients = Clients(boto3.client("s3", config=_CONFIG), sqs, secrets)
    return Webhooks(environment=os.environ, clients=clients, **json.loads(settings)).handle


def pause_after(attempt: int) -> int:
    """How many seconds pass after this failed call, counted from 1, before the next one."""
    return int(min(_FIRST_PAUSE_SECONDS * _PAUSE_GROWTH ** (attempt - 1), _LONGEST_PAUSE_SECONDS))


def _message(record: Mapping[str, Any]) -> Message:
    attributes = {name: value["stringValue"] for name, value in record["messageAttributes"].items()}
    return Message(
        id=record["messageId"],
        receipt_handle=record["receiptHandle"],
        attempt=int(record["attributes"]["ApproximateReceiveCount"]),
        url=attributes[WEBHOOK_ATTRIBUTE],
        sender=attributes.get(SENDER_ATTRIBUTE, DEFAULT_SENDER),
        callback=json.loads(record["body"]),
    )
