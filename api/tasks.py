"""The three operations on a task: submit it, get its state, cancel it."""

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from queue_agent.task.protocol import (
    CANCEL_FIELD,
    CONTENT_DIGEST,
    CONTENT_MAX_BYTES,
    DEFAULT_SENDER,
    HIGH,
    NORMAL,
    SNS_MAX_BYTES,
    ClaimState,
    TaskState,
    WebhookState,
    canonical_json,
    claim_key,
    content_key,
    message_group,
    request_key,
    result_folder,
    result_key,
    s3_url,
    webhook_key,
)

from api.index import index_entry, tasks_folder
from api.problem import ProblemError, service_unavailable
from api.records import Records, StoredObject
from api.settings import Runtime
from api.state import TaskView, claim_state, read_task, sender_of, timestamp
from api.waits import Waits

TOO_LARGE = "Send images as https:// URLs or as uploads (POST /v1alpha2/uploads), not inside the task"
# Fields of result.json that the API returns when they are set.
RESULT_FIELDS = ("attempt", "context", "duration", "error", "finished", "model", "seed", "started")
PROGRESS_FIELDS = ("step", "steps", "node")
ENDED = (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED)
# An agent writes the claim of a running task a few times a minute.
CLAIM_RACES = 5

# Message, attributes, group, URL of the queue: "" for the queue to which the topic routes by the attributes.
Publish = Callable[[str, dict[str, str], str, str], None]


@dataclass(frozen=True)
class Task:
    """A validated task, its sender, and the message attribute (name, value) by which the topic routes it."""

    runtime: Runtime
    metadata: dict[str, Any]
    content: dict[str, Any]
    route: tuple[str, str]
    sender: str

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
        """The message with the whole task. The agent notes the sender in the result."""
        return canonical_json({"metadata": self._routed, "content": self.content})

    @property
    def short_message(self) -> str:
        """The message of a task whose content is in the bucket."""
        return canonical_json({"metadata": self._routed, CONTENT_DIGEST: self.request["sha256"]})

    @property
    def request(self) -> dict[str, Any]:
        """What distinguishes this task from another one with the same id."""
        digest = hashlib.sha256(canonical_json(self.content).encode()).hexdigest()
        return {"metadata": self.metadata, "sender": self.sender, "sha256": digest}

    @property
    def _routed(self) -> dict[str, Any]:
        return {**self.metadata, **({} if self.sender == DEFAULT_SENDER else {"sender": self.sender})}


def new_id() -> str:
    """An id for a task that was sent without one."""
    return uuid.uuid4().hex


def submit(task: Task, records: Records, publish: Publish, notes: Mapping[str, Any] | None = None) -> None:
    """Publish a task once, however often it is sent; `notes` are kept in its record.

    Raises `ProblemError` for another task under its id.
    """
    message, is_whole = _message_of(task)
    key = request_key(task.id)
    record = {**task.request, **(notes or {}), "submitted": time.time(), "published": False}
    if not records.create(key, record):
        earlier = _same_request(task, records.read(key))
        if earlier["published"]:
            return
        record["submitted"] = earlier["submitted"]  # so that the index has one entry for the task
    if not is_whole:
        records.overwrite(content_key(task.id), task.content)
    # A function that is stopped here leaves `published` false: the next request publishes.
    priority = task.metadata.get("priority", NORMAL)
    group = message_group(task.sender, priority)
    queue = task.runtime.high_priority_url if priority == HIGH else ""
    entry = tasks_folder(task.sender) + index_entry(record["submitted"], task.id)
    with ThreadPoolExecutor(1) as threads:  # the client waits for one of the two, not for both
        indexed = threads.submit(records.overwrite, entry, {})
        publish(message, dict([task.route]), group, queue)
        indexed.result()
    records.overwrite(key, {**record, "published": True})


def _message_of(task: Task) -> tuple[str, bool]:
    """The message to publish, and whether it has the whole task. Raises `ProblemError`: 413."""
    name, value = task.route
    room = SNS_MAX_BYTES - len(name) - len("String") - len(value.encode())
    message = task.message
    if len(message) <= room:
        return message, True
    short = task.short_message
    size = len(canonical_json(task.content))
    if size > CONTENT_MAX_BYTES:
        detail = f"The content has {size} bytes; the maximum is {CONTENT_MAX_BYTES}. {TOO_LARGE}."
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    if len(short) > room:
        detail = f"The metadata has {len(short)} bytes; the maximum is {room}. Shorten its `context`."
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    return short, False


def status(runtime: Runtime, task_id: str, records: Records, sender: str, waits: Waits) -> dict[str, Any]:
    """The state of a task, with links to its images when it has any. Raises `ProblemError` (404)."""
    task = read_task(task_id, records)
    if not task.known or task.sender != sender:
        raise _unknown(runtime, task_id)
    document: dict[str, Any] = {
        "id": task_id,
        "runtime": runtime.name,
        "status": task.state,
        "images": [],
        "output_location": s3_url(runtime.bucket, f"{result_folder(task.prefix, task_id)}/"),
    }
    if task.result:
        outputs = task.result.get("outputs", [])
        document["images"] = [records.link(output["key"]) for output in outputs]
        if any("thumbnail" in output for output in outputs):
            thumbnails = [output.get("thumbnail") for output in outputs]
            document["thumbnails"] = [item and records.link(item["key"]) for item in thumbnails]
        if problems := [output.get("problem") for output in outputs if "problem" in output]:
            document["output_problems"] = problems
        document |= {name: task.result.get(name) for name in RESULT_FIELDS}
    if task.webhook:
        document["webhook"] = _webhook_state(task_id, task, records)
    waits.note(runtime.name, task_id, task)
    fields = {**document, **task_times(task)}
    if "queued_seconds" in fields:
        expected = waits.expected(runtime.name, fields["queued_seconds"])
        fields["expected_wait_seconds"] = None if expected is None else round(expected, 3)
    return {name: value for name, value in fields.items() if value is not None}


def task_times(task: TaskView) -> dict[str, Any]:
    """When the task was sent, started and ended, how long it waits, and how far it is."""
    times = {"created": task.created, "started_at": task.started, "finished_at": task.finished}
    fields: dict[str, Any] = {name: timestamp(value) for name, value in times.items() if value is not None}
    if task.state is TaskState.QUEUED and task.created is not None:
        fields["queued_seconds"] = round(max(0.0, task.now - task.created), 3)
    if task.state is TaskState.RUNNING:
        fields["progress"] = task.progress.get("value", 0.0)
        fields |= {name: task.progress.get(name) for name in PROGRESS_FIELDS}
    return fields | ({"cancelling": True} if task.cancelling else {})


def _webhook_state(task_id: str, task: TaskView, records: Records) -> dict[str, Any]:
    """How it went with the webhook of a task; the function that calls it has noted that."""
    stored = records.read(webhook_key(task_id)) if task.state in ENDED else None
    if stored is None:
        return {"state": WebhookState.PENDING}
    times = {"last_attempt_at": stored.value.get("at"), "next_attempt_at": stored.value.get("next_at")}
    known = {name: stored.value.get(name) for name in ("state", "attempts", "http_status", "error")}
    fields = known | {name: timestamp(value) for name, value in times.items() if value is not None}
    return {name: value for name, value in fields.items() if value is not None}


def cancel(runtime: Runtime, task_id: str, records: Records, sender: str) -> dict[str, Any]:
    """Cancel a task: at once when it is queued, within seconds when it runs. Raises `ProblemError`: 404, or
    409 once it has ended.
    """
    request = records.read(request_key(task_id))
    if request is None or sender_of(request.value) != sender:
        raise _unknown(runtime, task_id)
    if records.read(result_key(request.value["metadata"]["prefix"], task_id)):
        raise _ended(task_id)
    now = time.time()
    claim = {"owner": "api", "sender": sender, "started": now, "expires": now, "state": ClaimState.CANCELLED}
    answer = {"id": task_id, "runtime": runtime.name}
    if records.create(claim_key(task_id), claim) or _cancel_claimed(task_id, claim, records):
        return {**answer, "status": TaskState.CANCELLED}
    return {**answer, "status": TaskState.RUNNING, "cancelling": True}


def _cancel_claimed(task_id: str, cancelled: dict[str, Any], records: Records) -> bool:
    """Cancel a task that has a claim; False when an agent runs it, which was asked to stop it."""
    for _ in range(CLAIM_RACES):
        stored = records.read(claim_key(task_id))
        if stored is None:
            break  # it expired after 30 days
        if stored.value["state"] == ClaimState.DONE or sender_of(stored.value) != cancelled["sender"]:
            raise _ended(task_id)
        state = claim_state(stored.value, time.time())
        if state is TaskState.CANCELLED:
            return True
        if state is TaskState.RUNNING and CANCEL_FIELD in stored.value:
            return False
        running = {**stored.value, CANCEL_FIELD: time.time()}
        claim = running if state is TaskState.RUNNING else cancelled
        if records.replace(claim_key(task_id), claim, stored.etag):
            return state is not TaskState.RUNNING
    raise service_unavailable()


def _same_request(task: Task, record: StoredObject | None) -> dict[str, Any]:
    """The record of this very task. Raises `ProblemError` when another task has the id."""
    if record is None:
        # It expired between our two calls: nothing is left to compare with.
        raise service_unavailable()
    known = {"sender": DEFAULT_SENDER, **record.value}
    if any(known[name] != value for name, value in task.request.items()):
        raise ProblemError(HTTPStatus.CONFLICT, f"Another task has the id {task.id}: choose a different one.")
    return record.value


def _ended(task_id: str) -> ProblemError:
    return ProblemError(HTTPStatus.CONFLICT, f"The task {task_id} has already ended.")


def _unknown(runtime: Runtime, task_id: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, f"The runtime {runtime.name} has no task {task_id}.")
