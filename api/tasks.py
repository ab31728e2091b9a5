"""What can be done with a task: submit it, ask for it, cancel it."""

import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from api.problem import ProblemError, unavailable
from api.records import Records, StoredObject, claim_key, folder, request_key
from api.settings import Runtime
from api.validation import canonical

# What SNS takes, with the attributes: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SNS_MAX_BYTES = 262_144
TOO_LARGE = "Send pictures as https:// or s3:// URLs, not inside the task"
PASSED_ON = ("attempt", "context", "duration", "error", "finished", "model", "seed", "started")

Publish = Callable[[str, dict[str, str]], None]


@dataclass(frozen=True)
class Task:
    """A task that has been checked, and the attribute by which the topic routes it."""

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
        """Where its results will be."""
        return f"s3://{self.runtime.bucket}/{folder(self.metadata['prefix'], self.id)}/"

    @property
    def message(self) -> str:
        """What the topic is sent."""
        return canonical({"metadata": self.metadata, "content": self.content})

    @property
    def request(self) -> dict[str, Any]:
        """What tells this task from another with its id."""
        digest = hashlib.sha256(canonical(self.content).encode()).hexdigest()
        return {"metadata": self.metadata, "sha256": digest}


def new_id() -> str:
    """An id for a task whose sender gave none."""
    return uuid.uuid4().hex


def submit(task: Task, records: Records, publish: Publish) -> None:
    """Publish a task once, however often it is sent; refuse another task under its id."""
    message, attributes = task.message, dict([task.route])
    size = len(message) + sum(len(name) + len("String") + len(value.encode()) for name, value in [task.route])
    if size > SNS_MAX_BYTES:
        detail = f"The task has {size} bytes, SNS takes {SNS_MAX_BYTES}. {TOO_LARGE}."
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    key = request_key(task.id)
    wanted = {**task.request, "submitted": time.time(), "published": False}
    if not records.create(key, wanted):
        known = _same(task, records.read(key))
        if known["published"]:
            return
    # A function that ends here leaves `published` false: the next try publishes.
    publish(message, attributes)
    records.overwrite(key, {**wanted, "published": True})


def status(runtime: Runtime, task: str, records: Records) -> dict[str, Any]:
    """How a task fares, with links to its pictures when it has any."""
    request = records.read(request_key(task))
    prefix = request.value["metadata"]["prefix"] if request else ""
    result = records.read(f"{folder(prefix, task)}/result.json")
    # A task that was set aside has a result, and may be sent again from the dead-letter queue.
    over = result is not None and "message_id" not in result.value
    claim = None if over else records.read(claim_key(task))
    if result and _state(claim) == "running":
        result = None
    if request is None and result is None and claim is None:
        raise _unknown(runtime, task)
    answer: dict[str, Any] = {
        "id": task,
        "runtime": runtime.name,
        "status": result.value["status"] if result else _state(claim),
        "images": [],
        "output_location": f"s3://{runtime.bucket}/{folder(prefix, task)}/",
    }
    if result:
        answer["images"] = [records.link(output["key"]) for output in result.value.get("outputs", [])]
        known = {name: result.value.get(name) for name in PASSED_ON}
        answer |= {name: value for name, value in known.items() if value is not None}
    return answer


def cancel(runtime: Runtime, task: str, records: Records) -> dict[str, Any]:
    """Cancel a task that no agent has begun; refuse when one has, or when it has ended."""
    request = records.read(request_key(task))
    if request is None:
        raise _unknown(runtime, task)
    if records.read(f"{folder(request.value['metadata']['prefix'], task)}/result.json"):
        raise ProblemError(HTTPStatus.CONFLICT, f"{task} has ended: there is nothing to cancel.")
    now = time.time()
    cancelled = {"owner": "api", "attempt": 0, "started": now, "expires": now, "state": "cancelled"}
    if not records.create(claim_key(task), cancelled):
        _cancel_claimed(task, cancelled, records)
    return {"id": task, "runtime": runtime.name, "status": "cancelled"}


def _cancel_claimed(task: str, cancelled: dict[str, Any], records: Records) -> None:
    """Take over a claim that nobody holds any more."""
    claim = records.read(claim_key(task))
    state = _state(claim)
    if state == "cancelled":
        return
    free = claim is not None and state == "queued"
    if claim is None or not free or not records.replace(claim_key(task), cancelled, claim.etag):
        raise ProblemError(HTTPStatus.CONFLICT, f"{task} runs or has ended: cancel only what waits.")


def _same(task: Task, record: StoredObject | None) -> dict[str, Any]:
    """The record of this very task; a ProblemError when the id is another task's."""
    if record is None:
        # Removed between our two calls: nothing of it is left to repeat.
        raise unavailable()
    if any(record.value[name] != value for name, value in task.request.items()):
        raise ProblemError(HTTPStatus.CONFLICT, f"{task.id} is another task's id: give this one its own.")
    return record.value


def _state(claim: StoredObject | None) -> str:
    """What a claim says of its task. One that ran out is as good as none: the message comes again."""
    if claim is None:
        return "queued"
    state = str(claim.value["state"])
    if state == "running":
        return "running" if claim.value["expires"] > time.time() else "queued"
    return {"released": "queued", "done": "running"}.get(state, state)


def _unknown(runtime: Runtime, task: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, f"{runtime.name} knows no task {task}.")
