"""The task contract: what the HTTP API accepts, the agent runs, and both read and write in the bucket.

The API, its OpenAPI document, the agent and the local pipeline import it; the generator copies it into the
API's Lambda function. So it needs nothing but the standard library.
"""

import enum
import hashlib
import json
import math
from typing import Any

# An id becomes part of object keys, and the destination of an item in InvokeAI.
ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
# No segment starts with a dot: it could be "..", or lead into the folder of RECORDS_FOLDER.
_SEGMENT = r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*"
PREFIX_PATTERN = rf"^/*({_SEGMENT}(/{_SEGMENT})*/*)?$"
PREFIX_MAX_CHARACTERS = 256
# The context is returned in the callback, which must fit into one SNS message.
CONTEXT_MAX_BYTES = 65_536
# Levels of objects and arrays. A workflow has about ten; deeper nesting is an attack on recursive code.
MAX_DEPTH = 64
# Objects and arrays in one task. A workflow of a thousand nodes has about five thousand. Python takes much
# more time and memory for them than for other JSON of the same size.
MAX_CONTAINERS = 50_000
_INTEGER_MAX_CHARACTERS = 20  # of 2**64 - 1, and of -2**63
# Attributes included: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SNS_MAX_BYTES = 262_144
# The content of a larger task is in the bucket, and its message names the digest: as JSON it has at most so
# many bytes. Lambda takes requests of 6 MB: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
CONTENT_MAX_BYTES = 5 * 2**20
# In place of `content` in such a message: the SHA-256 of the content as canonical JSON.
CONTENT_DIGEST = "contentSha256"
# The size of an upload. A runtime may have a smaller limit for an input.
UPLOAD_MAX_BYTES = 2**30

# In this delivery of a message an agent announces that its task has failed. SQS moves the message to the
# dead-letter queue some deliveries later, without a callback: its maximum is 1,000.
MAX_DELIVERIES = 990

RUNTIME_TYPES = ("sdwebui", "comfyui", "invokeai", "custom")
# The task types of each runtime type. A custom runtime accepts any.
TASK_TYPES: dict[str, tuple[str, ...]] = {
    "sdwebui": (
        "text-to-image",
        "image-to-image",
        "extra-single-image",
        "extra-batch-images",
        "extra-batch-image",
    ),
    "comfyui": ("pipeline", "workflow"),
    "invokeai": ("graph", "pipeline"),
}
# The task type of a message that names none. SD WebUI has no default.
DEFAULT_TASK_TYPES = {"comfyui": "pipeline", "invokeai": "graph", "custom": "custom"}

# The classes of `metadata.priority`.
NORMAL, HIGH = "normal", "high"
# The code of a task that waited longer than its `metadata.ttlSeconds`, and how much later the API says so of
# one that no agent has received: an agent may just be claiming it.
EXPIRED, EXPIRED_MARGIN_SECONDS = "expired", 10.0
# A message is not kept longer in its queue.
TTL_MAX_SECONDS = 864_000

RECORDS_FOLDER = ".tasks"
# The name of the solution's own API key. A task that names no sender belongs to it, as one from SNS.
DEFAULT_SENDER = "default"
SENDER_MAX_CHARACTERS = 64
# With the other attributes of a callback, whose value it becomes, it fits into an SNS message.
WEBHOOK_MAX_CHARACTERS = 2048
# The message attributes by which the function that sends webhooks gets URL and sender.
WEBHOOK_ATTRIBUTE, SENDER_ATTRIBUTE = "webhook", "sender"


class TaskState(enum.StrEnum):
    """The `status` of a task in the API, in callbacks and in result.json."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ClaimState(enum.StrEnum):
    """The `state` of a claim: `{owner, attempts, started, expires, state}`, times in Unix seconds.

    A running claim that has expired counts as released: its agent was lost. The agent adds `progress`:
    `{value, step, steps, node, nodes_done, started}`; the API adds CANCEL_FIELD to cancel a running task.
    """

    RUNNING = "running"
    DONE = "done"
    RELEASED = "released"
    CANCELLED = "cancelled"


class WebhookState(enum.StrEnum):
    """The state of a task's webhook. PENDING: its task has not ended, or its first call is still to come."""

    PENDING = "pending"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    FAILED = "failed"


# Uploads of the API's clients: `{owner}/{id}` below it.
ASSETS_FOLDER = ".assets"
# The `__type` of an object in a workflow that stands for a file: `{__type, info: {id}}`. The agent fetches
# the key that the task's `metadata.assets` gives for the id: `{id: {key, name}}`.
ASSET_TYPE = "core/ASSET"

# In the claim of a running task: when its sender asked to cancel it.
CANCEL_FIELD = "cancel_requested"


# What ComfyUI runtimes answer to /object_info: written by the agents, for the API to check workflows.
NODES_FOLDER = ".nodes"
# The maximum size of such an object, and of the JSON in it: in memory it takes seven times as much.
# Those of the 800 nodes of ComfyUI 0.28.1 have 60 KB and 0.4 MB.
NODES_MAX_BYTES, NODES_MAX_JSON_BYTES = 2 * 2**20, 12 * 2**20
# A tag can be moved to another image while no pod runs: after this time its object counts no more.
NODES_DAYS = 7


def expired_message(ttl_seconds: float) -> str:
    """What a task's error says that waited too long."""
    return f"the task waited longer than its ttlSeconds of {ttl_seconds:g}"


def message_group(sender: str, priority: str) -> str:
    """The group of a task's message, by which SQS is fair: a key's tasks of high priority have their own.

    SQS delivers messages of groups that have had little of the agents' time before those of groups that have
    had much. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
    """
    return f"{sender}.{HIGH}" if priority == HIGH else sender


def canonical_json(value: Any) -> str:
    """The same text for equal values, in ASCII: SQS refuses some characters that JSON allows."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse_json(text: str) -> tuple[Any, str]:
    """The value in a JSON text, and its first number that is out of range: "" when there is none.

    Integers have at most 64 bits, as the largest seed of the runtimes does; NaN and infinite numbers are not
    JSON. Such a number is 0 in the value, so that the rest can still be read. Raises `ValueError` and
    `RecursionError`.
    """
    refused: list[str] = []

    def refuse(literal: str) -> int:
        refused.append(literal[:40])
        return 0

    def integer(literal: str) -> int:
        fits = len(literal) <= _INTEGER_MAX_CHARACTERS and -(2**63) <= (number := int(literal)) < 2**64
        return number if fits else refuse(literal)

    def real(literal: str) -> float:
        return number if math.isfinite(number := float(literal)) else refuse(literal)

    value = json.loads(text, parse_int=integer, parse_float=real, parse_constant=refuse)
    return value, refused[0] if refused else ""


def structure_error(value: Any) -> str:
    """What is wrong with a value that has too many levels, or too many objects and arrays; "" if nothing."""
    level = [value] if isinstance(value, dict | list) else []
    containers = 0
    for _ in range(MAX_DEPTH):
        containers += len(level)
        if not level or containers > MAX_CONTAINERS:
            break
        children = (parent.values() if isinstance(parent, dict) else parent for parent in level)
        level = [child for siblings in children for child in siblings if isinstance(child, dict | list)]
    if containers > MAX_CONTAINERS:
        return f"has more than {MAX_CONTAINERS} objects and arrays"
    return f"is nested deeper than {MAX_DEPTH} levels" if level else ""


def result_folder(prefix: str, task_id: str) -> str:
    """The folder of a task's results; `prefix` has no slash at either end."""
    return f"{prefix}/{task_id}" if prefix else task_id


def output_key(prefix: str, task_id: str, number: int, extension: str) -> str:
    """The key of output `number`, counted from 1."""
    return f"{result_folder(prefix, task_id)}/{task_id}-{number}.{extension}"


def thumbnail_key(prefix: str, task_id: str, number: int, extension: str) -> str:
    """The key of the thumbnail of output `number`."""
    return f"{result_folder(prefix, task_id)}/{task_id}-{number}-thumbnail.{extension}"


def result_key(prefix: str, task_id: str) -> str:
    """The key of the record that is written last: a task that has one has ended."""
    return f"{result_folder(prefix, task_id)}/result.json"


def request_key(task_id: str) -> str:
    """The key of the API's record of the request: `{metadata, sha256, submitted, published}`."""
    return f"{RECORDS_FOLDER}/{task_id}/request.json"


def claim_key(task_id: str) -> str:
    """The key of the claim of the agent that runs the task, or of the API that cancelled it."""
    return f"{RECORDS_FOLDER}/{task_id}/claim.json"


def asset_key(owner: str, asset_id: str) -> str:
    """The key of an upload."""
    return f"{ASSETS_FOLDER}/{owner}/{asset_id}"


def content_key(task_id: str) -> str:
    """The key of the content of a task whose message would be too large."""
    return f"{RECORDS_FOLDER}/{task_id}/content.json"


def webhook_key(task_id: str) -> str:
    """The key of the state of a task's webhook: `{state, attempts, at, next_at, http_status, error}`."""
    return f"{RECORDS_FOLDER}/{task_id}/webhook.json"


def upload_folder(owner: str) -> str:
    """The folder of an owner's uploads that tasks name by their `s3://` address."""
    return f"{ASSETS_FOLDER}/{owner}/uploads/"


def workflow_key(task_id: str) -> str:
    """The key of the workflow of a job, as its sender wrote it."""
    return f"{RECORDS_FOLDER}/{task_id}/workflow.json"


def nodes_key(image: str) -> str:
    """The key of the nodes of a runtime's image, given as in a pod: gzipped JSON `{classes, replaced}`."""
    return f"{NODES_FOLDER}/{hashlib.sha256(image.encode()).hexdigest()[:40]}.json.gz"


def nodes_expire(image: str) -> bool:
    """Whether the nodes of an image may change: its reference has no digest."""
    return "@sha256:" not in image


def s3_url(bucket: str, key: str) -> str:
    """The URL of an object, as callbacks and the API name it."""
    return f"s3://{bucket}/{key}"
