"""What the records in the bucket say about a task. Reads them once, and decides from what it has read."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from queue_agent.task.protocol import (
    CANCEL_FIELD,
    DEFAULT_SENDER,
    EXPIRED,
    EXPIRED_MARGIN_SECONDS,
    ClaimState,
    TaskState,
    claim_key,
    expired_message,
    request_key,
    result_key,
)

from api.records import Records, StoredObject

# The result of a task whose id a task of another sender has, which did not come by the API.
ID_IN_USE: dict[str, Any] = {
    "status": TaskState.FAILED,
    "error": {"code": "id_in_use", "message": "another task has this id: choose a different one"},
}


@dataclass(frozen=True)
class TaskView:
    """The records of one task at the Unix time `now`; `result` only when it is the task's present state."""

    request: dict[str, Any] | None
    result: dict[str, Any] | None
    claim: dict[str, Any] | None
    now: float

    @property
    def sender(self) -> str:
        """The name of the key that it was sent with."""
        return sender_of(self.request or self.result or self.claim or {})

    @property
    def known(self) -> bool:
        """Whether there is any record of the task."""
        return bool(self.request or self.result or self.claim)

    @property
    def prefix(self) -> str:
        """The folder for the task's results, as its request names it."""
        return str(self.request["metadata"]["prefix"]) if self.request else ""

    @property
    def webhook(self) -> str:
        """The URL that is called at its end, if its sender named one."""
        return str(self.request["metadata"].get("webhook") or "") if self.request else ""

    @property
    def state(self) -> TaskState:
        """The state of the task."""
        return TaskState(self.result["status"]) if self.result else claim_state(self.claim, self.now)

    @property
    def cancelling(self) -> bool:
        """Whether its sender asked to cancel it, and its agent has not stopped it yet."""
        waits = self.state in (TaskState.QUEUED, TaskState.RUNNING)
        return waits and CANCEL_FIELD in (self.claim or {})

    @property
    def created(self) -> float | None:
        """When the API took the task."""
        return self.request["submitted"] if self.request else None

    @property
    def started(self) -> float | None:
        """When its run began; for a run of a few seconds known only at its end."""
        if self.result:
            return self.result.get("started")
        return self.progress.get("started") if self.state is TaskState.RUNNING else None

    @property
    def finished(self) -> float | None:
        """When its result was stored."""
        return self.result.get("finished") if self.result else None

    @property
    def progress(self) -> dict[str, Any]:
        """What the agent has reported about the run: `{value, step, steps, node, nodes_done, started}`."""
        return dict((self.claim or {}).get("progress") or {})


def read_task(task_id: str, records: Records) -> TaskView:
    """The task's records: two reads for a task that has ended, else three."""
    stored = records.read(request_key(task_id))
    request = stored.value if stored else None
    prefix = request["metadata"]["prefix"] if request else ""
    result = records.read(result_key(prefix, task_id))
    # A task in the dead-letter queue has a result, and may be sent again from there.
    final = result is not None and "message_id" not in result.value
    claim = None if final else records.read(claim_key(task_id))
    now = time.time()
    if request and any(sender_of(other.value) != sender_of(request) for other in (result, claim) if other):
        return TaskView(request, ID_IN_USE, None, now)
    if result and claim_state(_value(claim), now) is TaskState.RUNNING:
        result = None
    view = TaskView(request, _value(result), _value(claim), now)
    return replace(view, result=_expired(ttl)) if (ttl := _ended_ttl(view)) else view


def _ended_ttl(task: TaskView) -> float:
    """The time to live of a task that waits and has had its time, though no agent has said so yet; else 0."""
    if task.request is None or task.state is not TaskState.QUEUED:
        return 0.0
    ttl = float(task.request["metadata"].get("ttlSeconds", 0.0))
    return ttl if ttl and task.now > task.request["submitted"] + ttl + EXPIRED_MARGIN_SECONDS else 0.0


def _expired(ttl: float) -> dict[str, Any]:
    return {"status": TaskState.FAILED, "error": {"code": EXPIRED, "message": expired_message(ttl)}}


def sender_of(record: Mapping[str, Any]) -> str:
    """Who sent the task of a request, a result or a claim."""
    return str(record.get("sender") or DEFAULT_SENDER)


def claim_state(claim: dict[str, Any] | None, now: float) -> TaskState:
    """The state that follows from a claim. An expired one counts as none: the message comes again."""
    if claim is None:
        return TaskState.QUEUED
    match ClaimState(claim["state"]):
        case ClaimState.CANCELLED:
            return TaskState.CANCELLED
        case ClaimState.RELEASED:
            return TaskState.QUEUED
        case ClaimState.DONE:
            return TaskState.RUNNING
    return TaskState.RUNNING if claim["expires"] > now else TaskState.QUEUED


def timestamp(seconds: float) -> str:
    """A Unix time as RFC 3339, in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(stored: StoredObject | None) -> dict[str, Any] | None:
    return stored.value if stored else None
