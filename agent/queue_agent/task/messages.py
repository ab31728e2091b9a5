"""The body of a queue message as a task: v1alpha2 or v1alpha1, in an SNS envelope or raw. Trusts nothing."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from queue_agent.contract import Task

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
TASKTYPE = ID
# A segment that starts with a dot could be "..", or lead into the agent's own folder ".tasks".
SEGMENT = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*")
PREFIX_CHARACTERS = 256
# The context comes back in the callback, and SNS takes 256 KB for all of that.
CONTEXT_BYTES = 65536
# A workflow is some ten deep. Deeper than this is an attack on whatever walks over it.
DEPTH = 64
TASKTYPES = {"comfyui": "pipeline", "invokeai": "graph", "custom": "custom"}


class Malformed(Exception):  # noqa: N818 (says what the message is)
    """This message will never be a task. `id` is set when the message has one that can be used."""

    def __init__(self, reason: str, task_id: str | None = None) -> None:
        self.reason, self.id = reason, task_id
        super().__init__(reason)


@dataclass(frozen=True)
class Defaults:
    """What a task has that its sender does not say."""

    runtime_type: str
    timeout_seconds: float


def parse(body: str, defaults: Defaults, attempt: int) -> Task:
    """The task in `body`. Raises `Malformed`."""
    document = _document(body)
    if isinstance(document.get("Message"), str) and "Type" in document:
        document = _document(document["Message"])
    if "metadata" not in document and isinstance(document.get("alwayson_scripts"), dict):
        document = _from_v1alpha1(document)
    metadata, content = document.get("metadata"), document.get("content")
    if not isinstance(metadata, dict):
        raise Malformed("metadata is not an object")
    task_id = _id(metadata.get("id"))
    if not isinstance(content, dict):
        raise Malformed("content is not an object", task_id)
    return Task(
        id=task_id,
        runtime=str(metadata.get("runtime", "")),
        tasktype=_tasktype(metadata, defaults, task_id),
        prefix=_prefix(metadata.get("prefix"), task_id),
        context=_context(metadata.get("context"), task_id),
        content=content,
        request_sha256=hashlib.sha256(canonical(content).encode()).hexdigest(),
        timeout_seconds=_timeout(metadata.get("timeoutSeconds"), defaults, task_id),
        attempt=attempt,
    )


def canonical(value: Any) -> str:
    """One text for equal values, as the HTTP API makes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as fault:
        raise Malformed(f"not JSON: {str(fault)[:200]}") from None
    if not isinstance(document, dict):
        raise Malformed("not a JSON object")
    if _deeper(document, DEPTH):
        raise Malformed(f"nested deeper than {DEPTH} levels")
    return document


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return True


def _from_v1alpha1(body: dict[str, Any]) -> dict[str, Any]:
    """The envelope that the HTTP API puts around a body of v1alpha1."""
    scripts = body["alwayson_scripts"]
    names = {"id": "id_task", "tasktype": "task", "prefix": "save_dir"}
    metadata = {name: scripts[theirs] for name, theirs in names.items() if theirs in scripts}
    return {"metadata": {"runtime": "legacy", **metadata}, "content": body}


def _id(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not ID.fullmatch(text):
        raise Malformed(
            "metadata.id is not 1 to 64 letters, digits, '-' or '_' that start with a letter or digit"
        )
    return text


def _tasktype(metadata: Mapping[str, Any], defaults: Defaults, task_id: str) -> str:
    value = metadata.get("tasktype", TASKTYPES.get(defaults.runtime_type))
    if not isinstance(value, str) or not TASKTYPE.fullmatch(value):
        raise Malformed("metadata.tasktype is not a word", task_id)
    return value


def _prefix(value: Any, task_id: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > PREFIX_CHARACTERS:
        raise Malformed(f"metadata.prefix is not a text of at most {PREFIX_CHARACTERS} characters", task_id)
    prefix = value.strip("/")
    if prefix and not all(SEGMENT.fullmatch(segment) for segment in prefix.split("/")):
        raise Malformed(
            "metadata.prefix has more than letters, digits and ._=-, or a segment that starts with a dot",
            task_id,
        )
    return prefix


def _context(value: Any, task_id: str) -> Any:
    if value is None:
        return {}
    size = len(canonical(value))
    if size > CONTEXT_BYTES:
        raise Malformed(f"metadata.context has {size} bytes, more than {CONTEXT_BYTES}", task_id)
    return value


def _timeout(value: Any, defaults: Defaults, task_id: str) -> float:
    """The sender may ask for less time than the runtime gives, not for more."""
    if value is None:
        return defaults.timeout_seconds
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Malformed("metadata.timeoutSeconds is not a number above 0", task_id)
    return min(float(value), defaults.timeout_seconds)
