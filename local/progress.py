"""How tasks stand while they run, and what came of them. Pure: clocks and calls are elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generator.client import TaskStatus
from generator.solution.model import Runtime
from local.examples import Planned

COMPLETED = "completed"


@dataclass(frozen=True)
class Depth:
    """How many messages of a queue wait, and how many an agent holds."""

    waiting: int
    running: int


@dataclass(frozen=True)
class Heard:
    """The last callback of a task, and when it came (Unix time)."""

    status: str
    at: float


@dataclass(frozen=True)
class Row:
    """How one runtime stands."""

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
    """What is known of the tasks so far: when each was sent, what was said of it."""

    runtimes: Sequence[Runtime]
    planned: Sequence[Planned]
    sent: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    heard: dict[str, Heard] = field(default_factory=dict)
    depths: Mapping[str, Depth] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return len(self.heard) + len(self.refused) == len(self.planned)

    def rows(self) -> list[Row]:
        """One row for each runtime, in the order of the config."""
        return [self._row(runtime) for runtime in self.runtimes]

    def _row(self, runtime: Runtime) -> Row:
        own = [each for each in self.planned if each.runtime == runtime.name]
        heard = [each for each in own if each.id in self.heard]
        done = sum(self.heard[each.id].status == COMPLETED for each in heard)
        left = sum(each.id in self.sent for each in own) - len(heard)
        # The agent deletes a message a moment after the callback: until then it looks like a task that runs.
        running = min(self.depths.get(runtime.name, Depth(0, 0)).running, left)
        last = max(heard, key=lambda each: self.heard[each.id].at, default=None)
        return Row(
            runtime=runtime.name,
            type=runtime.type,
            total=len(own),
            waiting=left - running,
            running=running,
            done=done,
            failed=len(heard) - done + sum(each.id in self.refused for each in own),
            latest=last.request.title if last else "",
        )


@dataclass(frozen=True)
class Times:
    """When a task was sent, and when its runtime began with it (Unix time); where its seconds went."""

    sent: float
    started: float
    run: float
    heard: float

    @property
    def ended(self) -> float:
        """When the runtime was free again."""
        return self.started + self.run

    @property
    def queue(self) -> float:
        """From its sending to its start."""
        return max(0.0, self.started - self.sent)

    @property
    def upload(self) -> float:
        """From the last step of the runtime to the callback that the client hears."""
        return max(0.0, self.heard - self.ended)


@dataclass(frozen=True)
class Outcome:
    """What came of one task. `status` is the last that the API said of it; None when it refused the task."""

    planned: Planned
    status: TaskStatus | None
    pictures: tuple[Path, ...] = ()
    problem: str = ""
    times: Times | None = None

    @property
    def good(self) -> bool:
        """Whether it has its pictures, and its client was told so."""
        return not self.problem and bool(self.pictures)


def times(status: TaskStatus, sent: float, heard: float) -> Times | None:
    """The times of a task that was sent and heard of at these moments; None when it never ran."""
    if status.started is None or status.duration is None:
        return None
    return Times(sent, status.started, status.duration, heard)
