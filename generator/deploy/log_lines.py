"""The lines of pods' logs: where each comes from, and which of them belong to a task."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

AGENT = "queue-agent"
# Events of the queue agent: its runtime starts a task, and the agent is done with one.
STARTED = "task started"
ENDED = frozenset({"task ended", "task returned to the queue", "task sent to the dead-letter queue"})


@dataclass(frozen=True)
class Line:
    """One line that a container wrote, and when, in UTC."""

    time: datetime
    pod: str
    container: str
    message: str

    def __str__(self) -> str:
        return f"{timestamp(self.time)} {self.pod} {self.container} {self.message}"


@dataclass(frozen=True)
class Event:
    """What a line of the queue agent says: the event, and the id of the task that it is about."""

    name: str
    task: str


def timestamp(time: datetime) -> str:
    """A time as in `2026-01-31T12:00:00.123Z`."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(line: Line) -> Event | None:
    """The event of a line of the queue agent; None for other lines."""
    found = fields(line)
    return Event(str(found.get("event", "")), str(found.get("task", ""))) if found else None


def fields(line: Line, container: str = AGENT) -> dict[str, Any]:
    """The fields of a line of a container; none where it is another's, or has no fields, or is cut off."""
    if line.container != container or not line.message.startswith("{"):
        return {}
    try:
        return dict(json.loads(line.message))
    except (ValueError, RecursionError):
        return {}


def of_task(lines: Iterable[Line], task: str) -> Iterator[Line]:
    """The lines of a task, in the order of time: those of the agent that name it, and those of its run.

    The runtime's own lines name no task. It runs one at a time: its lines belong to the last one started.
    """
    running: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: line.time):
        about = event(line)
        if about is None:
            if running.get(line.pod) == task:
                yield line
            continue
        if about.name == STARTED:
            running[line.pod] = about.task
        elif about.name in ENDED and running.get(line.pod) == about.task:
            del running[line.pod]
        if about.task == task:
            yield line


def is_over(lines: Iterable[Line], task: str) -> bool:
    """Whether the last event of the task is one that ends it, so that no line of it follows."""
    names = [about.name for about in map(event, lines) if about is not None and about.task == task]
    return bool(names) and names[-1] in ENDED
