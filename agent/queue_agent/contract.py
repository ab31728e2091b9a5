"""The contract between the agent's core and the adapters of the runtimes: types only."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from queue_agent.blobs import Blob

# The path of a value in a task's content: ("init_images", 0) is content["init_images"][0].
FieldPath = tuple[str | int, ...]


# The codes of a `TaskError` whose task failed while it ran, not before.
EXECUTION_ERROR, TIMEOUT = "execution_error", "timeout"


@dataclass(frozen=True)
class Progress:
    """How far a run is: `value` of 1.0; `step` of `steps` in the node or the sampler that is at work."""

    value: float
    step: int | None = None
    steps: int | None = None
    node: str | None = None
    nodes_done: int | None = None


ProgressCallback = Callable[[Progress], None]


class TaskError(Exception):
    """The task itself is wrong and would fail again: its callback says `failed`, and it is not retried."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class RuntimeUnavailable(Exception):  # noqa: N818 (a state, not an error of the task)
    """The runtime is down, hung, out of memory or restarted: the task is retried.

    `needs_restart`: every further task would fail until the runtime is restarted, as after an error of CUDA.
    """

    def __init__(self, code: str, message: str, *, needs_restart: bool = False) -> None:
        self.code, self.message, self.needs_restart = code, message, needs_restart
        super().__init__(f"{code}: {message}")


class Cancelled(Exception):  # noqa: N818 (see above)
    """The task was cancelled or interrupted on the runtime while it ran."""


@dataclass(frozen=True)
class PictureOptions:
    """How one picture is written: as it is where `format` is "" or `max_size` 0.

    `quality`: 1 to 100, of a lossy format. `max_size`: pixels of the longer side.
    """

    format: str = ""
    quality: int = 0
    max_size: int = 0


@dataclass(frozen=True)
class OutputOptions:
    """How each picture of a task is stored, and whether with a thumbnail next to it."""

    picture: PictureOptions = PictureOptions()
    thumbnail: PictureOptions | None = None


@dataclass(frozen=True)
class Task:
    """One task, as its sender wrote it; the core never changes `content`."""

    id: str
    runtime: str
    tasktype: str
    prefix: str  # "" or "a/b", safe as part of a key
    context: Any  # returned in the callback, unchanged
    content: Mapping[str, Any]
    request_sha256: str
    timeout_seconds: float  # of `Adapter.run`; after it the core cancels the run and calls `cancel`
    attempt: int  # counted from 1: those that have begun, this one included
    assets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # id → {key, name}
    size: int = 0  # of its message, in bytes
    sender: str = ""  # the name of its API key, unless that is the solution's own
    ttl_seconds: float = math.inf  # it may wait so long in the queue and here
    stored: bool = False  # whether its content is still in the bucket: `content` is empty until it is read
    webhook: str = ""  # the URL that is called at its end
    links: bool = False  # whether its callback has https links to its outputs
    output: OutputOptions | None = None  # how its pictures are stored; None: as the runtime makes them
    high: bool = False  # it runs before tasks of normal priority that this agent has received


@dataclass(frozen=True)
class InputImage:
    """An image, video or audio file that the core has fetched from a URL in the content, and validated."""

    data: Blob
    content_type: str
    extension: str  # "png"


@dataclass(frozen=True)
class Prepared:
    """A task that is ready to run. `payload` is private to the adapter, and has blobs of `size` bytes."""

    task: Task
    payload: Any
    size: int = 0


@dataclass(frozen=True)
class FinishedRun:
    """A task that the GPU has finished. `payload` is private to the adapter."""

    task: Task
    payload: Any


@dataclass(frozen=True)
class Output:
    """One file or text that the runtime has made."""

    data: Blob
    content_type: str
    kind: str  # image | animation | video | audio | text | model | file
    extension: str  # "png"
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """The result of one task. `metadata` is from the runtime, and small enough for a JSON record."""

    outputs: Sequence[Output]
    seed: int | None = None
    model: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Adapter(Protocol):
    """The client of one runtime. Every method may raise `RuntimeUnavailable`; none blocks the event loop.

    `prepare` and `collect` also raise `ScratchFull`.
    """

    def model(self, task: Task) -> str | None:
        """The model that the task asks for, by which tasks are grouped. None: it does not matter."""

    def image_fields(self, task: Task) -> Sequence[FieldPath]:
        """The path of every field of the content that takes an image. The core fetches URLs in them."""

    def media_fields(self, task: Task) -> Sequence[FieldPath]:
        """The path of every field of the content that takes a video or audio file, by URL too."""

    async def ready(self) -> bool:
        """Whether the runtime responds. Cheap: it is called often, also while a task runs. Never raises."""

    async def warm_up(self) -> None:
        """Check that the runtime can run a task: that a static model is loaded. Called after each outage."""

    async def prepare(self, task: Task, images: Mapping[FieldPath, InputImage]) -> Prepared:
        """Validate the task and upload its inputs. Never uses the GPU: another task may be running.

        Raises `TaskError`. A task may be prepared more than once, and may never run.
        """

    async def run(self, prepared: Prepared, on_progress: ProgressCallback) -> FinishedRun:
        """Run the task once. Returns as soon as the GPU is free: the core then starts the next task.

        Outputs in the response are read in `collect`. Looks for work that an earlier attempt left on the
        runtime before it submits the task. Raises `TaskError`, `RuntimeUnavailable` or `Cancelled`. After
        cancelling this coroutine, the core calls `cancel`.
        """

    async def collect(self, run: FinishedRun) -> RunResult:
        """Decode or fetch the outputs, while the next task runs. Raises what `run` raises."""

    async def cancel(self, task: Task) -> None:
        """Stop the task if the runtime has it, running or queued. No error when it has not."""

    async def idle(self) -> bool:
        """Whether the runtime has nothing running and nothing queued."""

    async def clear(self) -> None:
        """Stop the work that a killed agent left running, if its outputs could not be fetched."""

    async def nodes(self) -> Mapping[str, Any] | None:
        """The nodes that the runtime has, with which the API checks workflows: `{classes, replaced}`.

        None for a runtime that does not describe them. Called while other tasks run.
        """
