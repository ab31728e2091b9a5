"""One message on its way through the agent."""

import asyncio
import enum
from dataclasses import dataclass, field

from queue_agent.aws.claims import Lease
from queue_agent.aws.queue import Message
from queue_agent.contract import Task


class Stage(enum.Enum):
    """Where a job is."""

    KEPT = "kept"  # received, not begun: others may still be asked first
    PREPARING = "preparing"
    READY = "ready"
    RUNNING = "running"
    FINISHING = "finishing"


@dataclass(eq=False)
class Job:
    """A task, the message that it came in, and where it is. Times are those of the event loop."""

    message: Message
    task: Task
    model: str | None
    taken: float
    stage: Stage = Stage.KEPT
    begin: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    lease: Lease | None = None
    started: float = 0.0
    progress: float = 0.0
    heard: float = 0.0  # when it was so far
    abandoned: str = ""
    life: asyncio.Task[None] | None = None

    def abandon(self, reason: str) -> None:
        """Give it up at the next chance, unless its work is done and only has to be stored."""
        if self.stage is not Stage.FINISHING and not self.abandoned and self.life is not None:
            self.abandoned = reason
            self.life.cancel()

    def told(self) -> dict[str, object]:
        """What every line of the log says of it."""
        return {"task": self.task.id, "attempt": self.task.attempt}
