"""The record of a task: the content of result.json, from which every callback is made."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from queue_agent.task.protocol import TaskState

# Of the fields of a callback. With the context, which has a maximum of its own, they fit into one message.
ERROR_MAX_CHARACTERS = 2000
MODEL_MAX_CHARACTERS = 500
SEED_MAX_BITS = 64
# An agent of an earlier version reads the records without them.
OPTIONAL_OF_OUTPUT = ("thumbnail", "problem")


@dataclass(frozen=True)
class Error:
    """Why a task failed."""

    code: str
    message: str


@dataclass(frozen=True)
class StoredThumbnail:
    """The thumbnail of an output in the bucket."""

    key: str
    content_type: str
    bytes: int


@dataclass(frozen=True)
class StoredOutput:
    """One output in the bucket. `problem`: why it is as the runtime made it, not as the task asked for."""

    key: str
    content_type: str
    bytes: int
    sha256: str
    kind: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    thumbnail: StoredThumbnail | None = None
    problem: str = ""


@dataclass(frozen=True)
class TaskRecord:
    """The state and the result of one task.

    `message_id` is set when the task is in the dead-letter queue: sent again from there, it runs again.
    """

    runtime: str
    id: str
    status: str
    output_url: str
    context: Any
    attempt: int
    image_url: tuple[str, ...] = ()
    error: Error | None = None
    duration: float | None = None  # seconds on the runtime
    seed: int | None = None
    model: str | None = None
    outputs: tuple[StoredOutput, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    request_sha256: str = ""
    started: float | None = None  # Unix time
    finished: float | None = None
    message_id: str | None = None
    sender: str = ""  # see `Task`


def to_json(record: TaskRecord) -> bytes:
    """The record as the bytes of result.json: the same record gives the same bytes."""
    document = {"result": record.status == TaskState.COMPLETED, **asdict(record)}
    for name in ("error", "message_id", "sender"):
        if not document[name]:
            del document[name]
    for output in document["outputs"]:
        for name in OPTIONAL_OF_OUTPUT:
            if not output[name]:
                del output[name]
    try:
        text = json.dumps(document, sort_keys=True, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(document), sort_keys=True)
    return text.encode()


def slim(record: TaskRecord) -> TaskRecord:
    """The record without what the callback does not have."""
    outputs = tuple(replace(output, metadata={}) for output in record.outputs)
    return replace(record, metadata={}, outputs=outputs)


def from_json(data: bytes) -> TaskRecord | None:
    """The record in these bytes; None when they hold none, because somebody else wrote the object."""
    try:
        document = json.loads(data)
        document.pop("result")
        document["image_url"] = tuple(document["image_url"])
        document["outputs"] = tuple(map(_output, document["outputs"]))
        document["error"] = Error(**document["error"]) if "error" in document else None
        return TaskRecord(**document)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _output(document: dict[str, Any]) -> StoredOutput:
    if "thumbnail" in document:
        document["thumbnail"] = StoredThumbnail(**document["thumbnail"])
    return StoredOutput(**document)


def callback(record: TaskRecord) -> dict[str, Any]:
    """The fields of the callback, in the format of the reference system."""
    fields: dict[str, Any] = {
        "runtime": record.runtime,
        "id": record.id,
        "result": record.status == TaskState.COMPLETED,
        "status": record.status,
        "image_url": list(record.image_url),
        "output_url": record.output_url,
        "context": record.context,
        "attempt": record.attempt,
    }
    if any(output.thumbnail for output in record.outputs):
        fields["thumbnail_url"] = [
            _thumbnail_url(*pair) for pair in zip(record.image_url, record.outputs, strict=True)
        ]
    if record.error is not None:
        fields["error"] = {"code": record.error.code, "message": record.error.message[:ERROR_MAX_CHARACTERS]}
    seed = record.seed if record.seed is not None and record.seed.bit_length() <= SEED_MAX_BITS else None
    model = record.model[:MODEL_MAX_CHARACTERS] if record.model is not None else None
    optional = {"duration": record.duration, "seed": seed, "model": model}
    return fields | {name: value for name, value in optional.items() if value is not None}


def _thumbnail_url(image_url: str, output: StoredOutput) -> str | None:
    """The URL of an output's thumbnail, which is in the same bucket; None when it has none."""
    return None if output.thumbnail is None else image_url.removesuffix(output.key) + output.thumbnail.key


def _finite(value: Any) -> Any:
    """The value with null for NaN and infinite numbers, which JSON does not have."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value
