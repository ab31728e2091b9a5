"""The three operations on a task: submit it, get its state, cancel it."""

import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from queue_agent.task.protocol import (
    SNS_MAX_BYTES,
    ClaimState,
    TaskState,
    canonical_json,
    claim_key,
    request_key,
    result_folder,
    result_key,
    s3_url,
)

from api.problem import ProblemError, service_unavailable
from api.records import Records, StoredObject
from api.settings import Runtime

TOO_LARGE = "Send images as https:// or s3:// URLs, not inside the task"
# Fields of result.json that the API returns when they are set.
RESULT_FIELDS = ("attempt", "context", "duration", "error", "finished", "model", "seed", "started")

Publish = Callable[[str, dict[str, str]], None]


@dataclass(frozen=True)
class Task:
    """A validated task, and the message attribute (name, value) by which the topic routes it."""

    runtime: Runtime
    metadata: dict[str, Any]
    content: dict[str, Any]
    route: tuple[str, str]

    @property
    def id(self) -> str:
        """The task's id."""
        return str(self.metadata["id"])

    @property
    def location(self) -> str:
        """The URL of the folder of its results."""
        return s3_url(self.runtime.bucket, f"{result_folder(self.metadata['prefix'], self.id)}/")

    @property
    def message(self) -> str:
        """The message that is published."""
        return canonical_json({"metadata": self.metadata, "content": self.content})

    @property
    def request(self) -> dict[str, Any]:
        """What distinguishes this task from another one with the same id."""
        digest = hashlib.sha256(canonical_json(self.content).encode()).hexdigest()
        return {"metadata": self.metadata, "sha256": digest}


def new_id() -> str:
    """An id for a task that was sent without one."""
    return uuid.uuid4().hex


def submit(task: Task, records: Records, publish: Publish) -> None:
    """Publish a task once, however often it is sent. Raises `ProblemError` for another task under its id."""
    message, attributes = task.message, dict([task.route])
    size = len(message) + sum(len(name) + len("String") + len(value.encode()) for name, value in [task.route])
    if size > SNS_MAX_BYTES:
        detail = f"The task has {size} bytes; the maximum of SNS is {SNS_MAX_BYTES}. {TOO_LARGE}."
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    key = request_key(task.id)
    record = {**task.request, "submitted": time.time(), "published": False}
    if not records.create(key, record):
        earlier = _same_request(task, records.read(key))
        if earlier["published"]:
            return
    # A function that is stopped here leaves `published` false: the next request publishes.
    publish(message, attributes)
    records.overwrite(key, {**record, "published": True})


def status(runtime: Runtime, task_id: str, records: Records) -> dict[str, Any]:
    """The state of a task, with links to its images when it has any. Raises `ProblemError` (404)."""
    request = records.read(request_key(task_id))
    prefix = request.value["metadata"]["prefix"] if request else ""
    result = records.read(result_key(prefix, task_id))
    # A task in the dead-letter queue has a result, and may be sent again from there.
    final = result is not None and "message_id" not in result.value
    claim = None if final else records.read(claim_key(task_id))
    if result and _state(claim) is TaskState.RUNNING:
        result = None
    if request is None and result is None and claim is None:
        raise _unknown(runtime, task_id)
    document: dict[str, Any] = {
        "id": task_id,
        "runtime": runtime.name,
        "status": result.value["status"] if result else _state(claim),
        "images": [],
        "output_location": s3_url(runtime.bucket, f"{result_folder(prefix, task_id)}/"),
    }
    if result:
        document["images"] = [records.link(output["key"]) for output in result.value.get("outputs", [])]
        fields = {name: result.value.get(name) for name in RESULT_FIELDS}
        document |= {name: value for name, value in fields.items() if value is not None}
    return document


def cancel(runtime: Runtime, task_id: str, records: Records) -> dict[str, Any]:
    """Cancel a queued task. Raises `ProblemError`: 404, or 409 once the task runs or has ended."""
    request = records.read(request_key(task_id))
    if request is None:
        raise _unknown(runtime, task_id)
    if records.read(result_key(request.value["metadata"]["prefix"], task_id)):
        raise ProblemError(HTTPStatus.CONFLICT, f"The task {task_id} has already ended.")
    now = time.time()
    claim = {"owner": "api", "attempt": 0, "started": now, "expires": now, "state": ClaimState.CANCELLED}
    if not records.create(claim_key(task_id), claim):
        _replace_claim(task_id, claim, records)
    return {"id": task_id, "runtime": runtime.name, "status": TaskState.CANCELLED}


def _replace_claim(task_id: str, cancelled: dict[str, Any], records: Records) -> None:
    """Replace a claim that was released or has expired."""
    claim = records.read(claim_key(task_id))
    state = _state(claim)
    if state is TaskState.CANCELLED:
        return
    free = claim is not None and state is TaskState.QUEUED
    if claim is None or not free or not records.replace(claim_key(task_id), cancelled, claim.etag):
        detail = f"The task {task_id} is running or has ended: only a queued task can be cancelled."
        raise ProblemError(HTTPStatus.CONFLICT, detail)


def _same_request(task: Task, record: StoredObject | None) -> dict[str, Any]:
    """The record of this very task. Raises `ProblemError` when another task has the id."""
    if record is None:
        # It expired between our two calls: nothing is left to compare with.
        raise service_unavailable()
    if any(record.value[name] != value for name, value in task.request.items()):
        raise ProblemError(HTTPStatus.CONFLICT, f"Another task has the id {task.id}: choose a different one.")
    return record.value


def _state(claim: StoredObject | None) -> TaskState:
    """The state that follows from a claim. An expired one counts as none: the message comes again."""
    if claim is None:
        return TaskState.QUEUED
    match ClaimState(claim.value["state"]):
        case ClaimState.CANCELLED:
            return TaskState.CANCELLED
        case ClaimState.RELEASED:
            return TaskState.QUEUED
        case ClaimState.DONE:
            return TaskState.RUNNING
    return TaskState.RUNNING if claim.value["expires"] > time.time() else TaskState.QUEUED


def _unknown(runtime: Runtime, task_id: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, f"The runtime {runtime.name} has no task {task_id}.")
