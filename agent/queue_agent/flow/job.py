"""One task in the agent, with the message that it came in."""

import asyncio
import enum
from dataclasses import dataclass, field

from queue_agent.aws.claims import Lease
from queue_agent.aws.queue import Message
from queue_agent.contract import Progress, Task
from queue_agent.flow.budget import Room
from queue_agent.task.attempts import Attempts


class Stage(enum.Enum):
    """How far a job has got."""

    RECEIVED = "received"  # not prepared yet: another task may go first
    PREPARING = "preparing"
    READY = "ready"
    RUNNING = "running"
    FINISHING = "finishing"
    ANNOUNCING = "announcing"  # its result is stored, so nothing large is in memory any more


@dataclass(eq=False)
class Job:
    """A task, its message and its stage. Times are seconds of the event loop's clock."""

    message: Message
    task: Task
    model: str | None
    received_at: float
    stage: Stage = Stage.RECEIVED
    may_prepare: asyncio.Event = field(default_factory=asyncio.Event)
    may_run: asyncio.Event = field(default_factory=asyncio.Event)
    lease: Lease | None = None
    has_result: bool = False  # of an earlier delivery
    room: Room | None = None  # for its inputs, until its run is over
    prepared_since: float = 0.0
    started: float = 0.0
    loads_model: bool = False  # as far as is known: its run takes longer
    progress: float = 0.0
    progress_at: float = 0.0
    place: Progress | None = None  # the last report of the runtime
    run_started: float = 0.0  # Unix time
    collected: asyncio.Event = field(default_factory=asyncio.Event)  # its outputs are here
    output_bytes: int = 0  # of the runtime's response or of the outputs, until they are stored
    abandon_reason: str = ""
    # A change of its visibility that is on its way when the message is given back would hide it again.
    visibility: asyncio.Lock = field(default_factory=asyncio.Lock)
    returned: bool = False
    runner: asyncio.Task[None] | None = None  # the asyncio task that runs its stages

    def abandon(self, reason: str) -> None:
        """Cancel its stages, unless its run is over and only its result has to be stored and announced."""
        ran = self.stage in (Stage.FINISHING, Stage.ANNOUNCING)
        if not ran and not self.abandon_reason and self.runner is not None:
            self.abandon_reason = reason
            self.runner.cancel()

    def free_room(self) -> None:
        """Its inputs are not needed any more."""
        if self.room is not None:
            self.room.shrink(0)

    def exhausted(self, max_attempts: int) -> bool:
        """Whether no attempt may begin any more."""
        attempts = self.lease.attempts if self.lease is not None else Attempts()
        return attempts.exhausted(max_attempts, self.message.delivery)

    def is_last_attempt(self, max_attempts: int) -> bool:
        """Whether none may follow this one.

        Without a claim none counts, for nothing can be known of them. A task that has a result is only
        announced: there each delivery counts.
        """
        if self.has_result:
            return self.message.delivery >= max_attempts
        attempts = self.lease.attempts.failed() if self.lease is not None else Attempts()
        return attempts.exhausted(max_attempts, self.message.delivery)

    @property
    def message_bytes(self) -> int:
        """The size of the message's body, roughly: it is nearly always ASCII."""
        return len(self.message.body)

    def log_fields(self) -> dict[str, object]:
        """The fields of every log line about the job."""
        return {"task": self.task.id, "attempt": self.task.attempt}
