"""What the API answers, as typed values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The final states of a task. The agent's protocol has them too; a client installs without the agent.
ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Receipt:
    """The API's answer to an accepted task."""

    id: str
    runtime: str
    output_location: str
    status_url: str = ""
    cancel_url: str = ""


@dataclass(frozen=True)
class TaskStatus:
    """The state of a task (queued, running, completed, failed, cancelled) and the URLs of its pictures.

    In a list of tasks `images` is empty. Times are Unix seconds, or RFC 3339 texts as the API gives them.
    """

    id: str
    runtime: str
    status: str
    images: tuple[str, ...] = ()
    # Of each image, for a task whose `output` asks for thumbnails; None for what has none.
    thumbnails: tuple[str | None, ...] = ()
    error: str = ""
    error_code: str = ""
    seed: int | None = None
    model: str | None = None
    # When the runtime started it (Unix time), and how many seconds the runtime took.
    started: float | None = None
    duration: float | None = None
    created: str = ""
    started_at: str = ""
    finished_at: str = ""
    progress: float | None = None
    queued_seconds: float | None = None
    expected_wait_seconds: float | None = None
    cancelling: bool = False
    context: Any = None

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.status in ENDED


@dataclass(frozen=True)
class RuntimeInfo:
    """A runtime of the solution. `models` and the counts of tasks are known of a runtime that was asked for.

    `model` is the one that a static runtime has loaded; None for a dynamic one. `priority_queue`: whether
    tasks of high priority have a queue of their own.
    """

    name: str
    type: str
    tasktypes: tuple[str, ...]
    model: str | None = None
    models: tuple[str, ...] = ()
    waiting: int | None = None
    running: int | None = None
    oldest_seconds: int | None = None
    timeout_seconds: float | None = None
    expected_wait_seconds: float | None = None
    priority_queue: bool = False


def receipt_of(answer: Mapping[str, Any]) -> Receipt:
    """The typed form of the answer to an accepted task; v1alpha1 calls its id `id_task`."""
    return Receipt(
        id=str(answer.get("id") or answer["id_task"]),
        runtime=str(answer["runtime"]),
        output_location=str(answer["output_location"]),
        status_url=str(answer.get("status_url", "")),
        cancel_url=str(answer.get("cancel_url", "")),
    )


def status_of(answer: Mapping[str, Any]) -> TaskStatus:
    """The typed form of the API's status document, or of a task in a list."""
    error = answer.get("error") or {}
    return TaskStatus(
        id=str(answer["id"]),
        runtime=str(answer["runtime"]),
        status=str(answer["status"]),
        images=tuple(str(url) for url in answer.get("images") or ()),
        thumbnails=tuple(answer.get("thumbnails", ())),
        error=": ".join(str(error[key]) for key in ("code", "message") if error.get(key)),
        error_code=str(error.get("code", "")),
        seed=answer.get("seed"),
        model=answer.get("model"),
        started=answer.get("started"),
        duration=answer.get("duration"),
        created=str(answer.get("created", "")),
        started_at=str(answer.get("started_at", "")),
        finished_at=str(answer.get("finished_at", "")),
        progress=answer.get("progress"),
        queued_seconds=answer.get("queued_seconds"),
        expected_wait_seconds=answer.get("expected_wait_seconds"),
        cancelling=bool(answer.get("cancelling")),
        context=answer.get("context"),
    )


def runtime_of(answer: Mapping[str, Any]) -> RuntimeInfo:
    """The typed form of the description of a runtime."""
    queue = answer.get("queue") or {}
    return RuntimeInfo(
        name=str(answer["name"]),
        type=str(answer["type"]),
        tasktypes=tuple(answer.get("tasktypes") or ()),
        model=answer.get("model"),
        models=tuple(answer.get("models") or ()),
        waiting=queue.get("waiting"),
        running=queue.get("running"),
        oldest_seconds=queue.get("oldest_seconds"),
        timeout_seconds=answer.get("timeout_seconds"),
        expected_wait_seconds=answer.get("expected_wait_seconds"),
        priority_queue=bool(answer.get("priority_queue")),
    )
