"""Parses the body of a queue message: v1alpha2 or v1alpha1, in an SNS envelope or raw. Trusts nothing."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from queue_agent.contract import OutputOptions, Task
from queue_agent.task.output_options import output_options
from queue_agent.task.output_rules import output_errors
from queue_agent.task.protocol import (
    CONTENT_DIGEST,
    CONTEXT_MAX_BYTES,
    DEFAULT_SENDER,
    DEFAULT_TASK_TYPES,
    HIGH,
    ID_PATTERN,
    PREFIX_MAX_CHARACTERS,
    PREFIX_PATTERN,
    SENDER_MAX_CHARACTERS,
    WEBHOOK_MAX_CHARACTERS,
    canonical_json,
    parse_json,
    structure_error,
)

ID_RULE = "must have 1 to 64 letters, digits, '-' or '_' and start with a letter or digit"


class MalformedMessageError(Exception):
    """The message can never become a task. `task_id` is set when it has a valid id."""

    def __init__(self, reason: str, task_id: str | None = None) -> None:
        self.reason, self.task_id = reason, task_id
        super().__init__(reason)


@dataclass(frozen=True)
class Defaults:
    """The values of a task that its message does not set."""

    runtime_type: str
    timeout_seconds: float


def parse(body: str, defaults: Defaults, attempt: int) -> Task:
    """The task in a body; `attempt` counts the deliveries from 1. Raises `MalformedMessageError`."""
    document, number = _json_object(body)
    if isinstance(document.get("Message"), str) and "Type" in document:
        document, number = _json_object(document["Message"])
    structure = structure_error(document)
    if "metadata" not in document and isinstance(document.get("alwayson_scripts"), dict):
        document = _from_v1alpha1(document)
    metadata, content = document.get("metadata"), document.get("content")
    if not isinstance(metadata, dict):
        raise MalformedMessageError("metadata must be an object")
    task_id = _task_id(metadata.get("id"))
    if number:
        raise MalformedMessageError(f"the number {number} is out of range", task_id)
    if structure:
        raise MalformedMessageError(f"the task {structure}", task_id)
    digest = _digest(document, task_id)
    if digest:
        content = {}
    elif not isinstance(content, dict):
        raise MalformedMessageError("content must be an object", task_id)
    return Task(
        id=task_id,
        runtime=str(metadata.get("runtime", "")),
        tasktype=_tasktype(metadata, defaults, task_id),
        prefix=_prefix(metadata.get("prefix"), task_id),
        context=_context(metadata.get("context"), task_id),
        content=content,
        request_sha256=digest or _sha256(content),
        timeout_seconds=_timeout(metadata.get("timeoutSeconds"), defaults, task_id),
        attempt=attempt,
        assets=_assets(metadata.get("assets"), task_id),
        size=len(body),
        sender=_sender(metadata.get("sender"), task_id),
        ttl_seconds=_ttl(metadata.get("ttlSeconds"), task_id),
        stored=bool(digest),
        webhook=_webhook(metadata.get("webhook"), task_id),
        links=_links(metadata.get("links"), task_id),
        output=_output(metadata.get("output"), task_id),
        high=metadata.get("priority") == HIGH,
    )


def with_content(task: Task, data: bytes) -> Task:
    """The task with its content, which was stored in the bucket. Raises `MalformedMessageError`."""
    content, number = _json_object(data.decode(errors="replace"))
    if number or structure_error(content) or _sha256(content) != task.request_sha256:
        raise MalformedMessageError("the content in the bucket is not that of the message", task.id)
    return replace(task, content=content, stored=False, size=task.size + len(data))


def _digest(document: Mapping[str, Any], task_id: str) -> str:
    """The digest of a content that is in the bucket; "" when the message has the content itself."""
    digest = document.get(CONTENT_DIGEST)
    if digest is None or "content" in document:
        return ""
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise MalformedMessageError(f"{CONTENT_DIGEST} must be the SHA-256 of the content", task_id)
    return digest


def _sha256(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _json_object(text: str) -> tuple[dict[str, Any], str]:
    """The object in a text, and its first number that is out of range."""
    try:
        document, number = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError(f"not valid JSON: {str(error)[:200]}") from None
    if not isinstance(document, dict):
        raise MalformedMessageError("not a JSON object")
    return document, number


def _from_v1alpha1(body: dict[str, Any]) -> dict[str, Any]:
    """The v1alpha2 document of a v1alpha1 body, as the HTTP API makes it."""
    scripts = body["alwayson_scripts"]
    keys = {"id": "id_task", "tasktype": "task", "prefix": "save_dir"}
    metadata = {name: scripts[key] for name, key in keys.items() if key in scripts}
    return {"metadata": {"runtime": "legacy", **metadata}, "content": body}


def _task_id(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(ID_PATTERN, text):
        raise MalformedMessageError(f"metadata.id {ID_RULE}")
    return text


def _tasktype(metadata: Mapping[str, Any], defaults: Defaults, task_id: str) -> str:
    value = metadata.get("tasktype", DEFAULT_TASK_TYPES.get(defaults.runtime_type))
    if not isinstance(value, str) or not re.fullmatch(ID_PATTERN, value):
        raise MalformedMessageError(
            f"metadata.tasktype {ID_RULE}",
            task_id,
        )
    return value


def _prefix(value: Any, task_id: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > PREFIX_MAX_CHARACTERS:
        raise MalformedMessageError(
            f"metadata.prefix must be a string of at most {PREFIX_MAX_CHARACTERS} characters", task_id
        )
    if not re.fullmatch(PREFIX_PATTERN, value):
        raise MalformedMessageError(
            "metadata.prefix may only have letters, digits and ._=-, and no segment may start with a dot",
            task_id,
        )
    return value.strip("/")


def _context(value: Any, task_id: str) -> Any:
    if value is None:
        return {}
    size = len(canonical_json(value))
    if size > CONTEXT_MAX_BYTES:
        raise MalformedMessageError(
            f"metadata.context has {size} bytes; the maximum is {CONTEXT_MAX_BYTES}", task_id
        )
    return value


def _assets(value: Any, task_id: str) -> Mapping[str, Mapping[str, str]]:
    """The files of asset references, which the API's function has looked up."""
    files = {} if value is None else value
    if not isinstance(files, dict) or not all(_is_asset(file) for file in files.values()):
        raise MalformedMessageError("metadata.assets must be an object: id → {key, name}", task_id)
    return files


def _is_asset(file: Any) -> bool:
    return isinstance(file, dict) and all(isinstance(file.get(name), str) for name in ("key", "name"))


def _sender(value: Any, task_id: str) -> str:
    """The API's function writes it; a sender that publishes to the topic itself may as well."""
    if value is None or value == DEFAULT_SENDER:
        return ""
    if not isinstance(value, str) or len(value) > SENDER_MAX_CHARACTERS:
        raise MalformedMessageError(
            f"metadata.sender must be a string of at most {SENDER_MAX_CHARACTERS} characters", task_id
        )
    return value


def _webhook(value: Any, task_id: str) -> str:
    """What becomes a message attribute. The function that calls the URL checks whether it may be called."""
    if value is None:
        return ""
    valid = isinstance(value, str) and value.isascii() and value.isprintable()
    if not valid or not 0 < len(value) <= WEBHOOK_MAX_CHARACTERS:
        raise MalformedMessageError(
            f"metadata.webhook must be a URL of at most {WEBHOOK_MAX_CHARACTERS} ASCII characters", task_id
        )
    return str(value)


def _links(value: Any, task_id: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise MalformedMessageError("metadata.links must be true or false", task_id)
    return bool(value)


def _output(value: Any, task_id: str) -> OutputOptions | None:
    if value is None:
        return None
    for name, text in output_errors(value):
        raise MalformedMessageError(f"metadata.output{name and '.'}{name} {text}", task_id)
    return output_options(value)


def _timeout(value: Any, defaults: Defaults, task_id: str) -> float:
    """The message may ask for less time than the runtime allows, not for more."""
    if value is None:
        return defaults.timeout_seconds
    return min(_positive(value, "timeoutSeconds", task_id), defaults.timeout_seconds)


def _ttl(value: Any, task_id: str) -> float:
    """How long the task may wait for its run; without limit when it does not say."""
    return math.inf if value is None else _positive(value, "ttlSeconds", task_id)


def _positive(value: Any, name: str, task_id: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise MalformedMessageError(f"metadata.{name} must be a number greater than 0", task_id)
    return float(value)
