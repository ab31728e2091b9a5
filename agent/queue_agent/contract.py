"""What the agent's core and the adapters of the runtimes say to each other. Nothing here does anything."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

# Where a value stands in a task's content: ("init_images", 0) is content["init_images"][0].
Path = tuple[str | int, ...]
Progress = Callable[[float], None]


class TaskError(Exception):
    """The task is wrong: it would fail on every runtime, so its caller is told and it is not tried again."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class RuntimeUnavailable(Exception):  # noqa: N818 (a state of the world, not somebody's error)
    """The world is wrong (runtime down, hung, out of memory, restarted): the task is worth another try."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class Cancelled(Exception):  # noqa: N818 (see above)
    """The runtime's record says that somebody cancelled or interrupted this task while it ran."""


@dataclass(frozen=True)
class Task:
    """One request, as its sender wrote it; `content` is never changed by the core."""

    id: str
    runtime: str
    tasktype: str
    prefix: str  # "" or "a/b", safe as part of a key
    context: Any  # comes back in the callback, untouched
    content: Mapping[str, Any]
    request_sha256: str
    timeout_seconds: float  # for `Adapter.run`, which the core stops (then `cancel`) when it is over
    attempt: int  # 1 for the first


@dataclass(frozen=True)
class InputImage:
    """An image that the core fetched from a URL in the content, checked to be one."""

    data: bytes
    content_type: str
    extension: str  # "png"


@dataclass(frozen=True)
class Prepared:
    """A task ready to run at once: `payload` is what its adapter sends, and for its eyes only."""

    task: Task
    payload: Any


@dataclass(frozen=True)
class Ran:
    """A task whose work on the GPU is over: `payload` is what its adapter needs to collect the outputs."""

    task: Task
    payload: Any


@dataclass(frozen=True)
class Output:
    """One thing that the runtime made."""

    data: bytes
    content_type: str
    kind: str  # image | animation | video | audio | text | model | file
    extension: str  # "png"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """What came of one task. `metadata` is what the runtime says of it, small enough for a JSON record."""

    outputs: Sequence[Output]
    seed: int | None = None
    model: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Adapter(Protocol):
    """One runtime. Every method may raise `RuntimeUnavailable`; none holds the event loop."""

    def model(self, task: Task) -> str | None:
        """The checkpoint that the task asks for, by which tasks are grouped. None: it does not matter."""

    def image_fields(self, task: Task) -> Sequence[Path]:
        """Every place in the content where an image belongs. The core fetches those that hold a URL."""

    async def ready(self) -> bool:
        """Whether the runtime answers now. Cheap: it is asked often, also while a task runs. Never raises."""

    async def warm_up(self) -> None:
        """Prove that it can work: with a static model, that it is loaded. Asked after each time away."""

    async def prepare(self, task: Task, images: Mapping[Path, InputImage]) -> Prepared:
        """Check the task and send its inputs ahead. Never touches the GPU: another task may be running.

        Raises `TaskError` when the task is wrong. The same task may be prepared again later, or never run.
        """

    async def run(self, prepared: Prepared, on_progress: Progress) -> Ran:
        """Do the work once and return as soon as the GPU is free: the core starts the next task right then.

        An answer that holds the outputs is read in `collect`. `on_progress` hears 0.0 … 1.0 where known.
        Looks whether an earlier attempt left the work on the runtime before submitting it. Raises
        `TaskError`, `RuntimeUnavailable` or `Cancelled`. When this coroutine is cancelled, the core calls
        `cancel` next.
        """

    async def collect(self, ran: Ran) -> RunResult:
        """Decode or fetch what the run made, while the next task runs. Raises what `run` raises."""

    async def cancel(self, task: Task) -> None:
        """Stop the task if the runtime has it, running or waiting. No error when it has not."""

    async def idle(self) -> bool:
        """Whether the runtime runs nothing and holds nothing to run: only then may a task be given up."""

    async def clear(self) -> None:
        """Stop what an agent that was killed has left at work, if nobody can fetch what will come of it."""
