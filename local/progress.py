"""The progress of tasks while they run, and their outcome. Pure: clocks and calls are elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from queue_agent.task.protocol import TaskState

from generator.solution.model import Runtime
from local.examples import PlannedTask
from sd_on_eks import TaskStatus


@dataclass(frozen=True)
class QueueDepth:
    """How many messages of a queue wait, and how many are in flight."""

    waiting: int
    running: int


@dataclass(frozen=True)
class Callback:
    """The final callback of a task, and when it was received (Unix time)."""

    status: str
    received: float


@dataclass(frozen=True)
class RuntimeProgress:
    """How many tasks of one runtime are in each state, and the title of the last one that ended."""

    runtime: str
    type: str
    total: int
    waiting: int
    running: int
    done: int
    failed: int
    latest: str


@dataclass
class Progress:
    """The state of all tasks: when each was sent, why it was refused, its callback."""

    runtimes: Sequence[Runtime]
    planned: Sequence[PlannedTask]
    sent: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    callbacks: dict[str, Callback] = field(default_factory=dict)
    depths: Mapping[str, QueueDepth] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether every task was refused or has had its final callback."""
        return len(self.callbacks) + len(self.refused) == len(self.planned)

    def rows(self) -> list[RuntimeProgress]:
        """One row for each runtime, in the order of the config."""
        return [self._row(runtime) for runtime in self.runtimes]

    def _row(self, runtime: Runtime) -> RuntimeProgress:
        tasks = [task for task in self.planned if task.runtime == runtime.name]
        ended = [task for task in tasks if task.id in self.callbacks]
        done = sum(self.callbacks[task.id].status == TaskState.COMPLETED for task in ended)
        left = sum(task.id in self.sent for task in tasks) - len(ended)
        # The agent deletes a message a moment after the callback: until then it looks like a task that runs.
        running = min(self.depths.get(runtime.name, QueueDepth(0, 0)).running, left)
        last = max(ended, key=lambda task: self.callbacks[task.id].received, default=None)
        return RuntimeProgress(
            runtime=runtime.name,
            type=runtime.type,
            total=len(tasks),
            waiting=left - running,
            running=running,
            done=done,
            failed=len(ended) - done + sum(task.id in self.refused for task in tasks),
            latest=last.request.title if last else "",
        )


@dataclass(frozen=True)
class TaskTimes:
    """When a task was sent, started and announced (Unix time), and how long it ran (seconds)."""

    sent: float
    started: float
    run: float
    announced: float

    @property
    def ended(self) -> float:
        """When the runtime had finished it."""
        return self.started + self.run

    @property
    def queue(self) -> float:
        """Seconds from sending to start."""
        return max(0.0, self.started - self.sent)

    @property
    def upload(self) -> float:
        """Seconds from the last step of the runtime until the client has the callback."""
        return max(0.0, self.announced - self.ended)


@dataclass(frozen=True)
class TaskOutcome:
    """How one task ended. `status` is the last one from the API; None if the API refused the task."""

    planned: PlannedTask
    status: TaskStatus | None
    pictures: tuple[Path, ...] = ()
    problem: str = ""
    times: TaskTimes | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the pictures and the callback have arrived."""
        return not self.problem and bool(self.pictures)


def task_times(status: TaskStatus, sent: float, announced: float) -> TaskTimes | None:
    """The times of a task; None if it never ran. `sent` and `announced` are Unix times of the client."""
    if status.started is None or status.duration is None:
        return None
    return TaskTimes(sent, status.started, status.duration, announced)
