"""From a message to a task that can run at once."""

import time

from queue_agent.aws.claims import Busy, CancelledBySender, Lease, Over
from queue_agent.aws.queue import Message
from queue_agent.contract import TaskError
from queue_agent.flow.job import Job
from queue_agent.flow.services import Services
from queue_agent.task.messages import Defaults, MalformedMessageError, parse
from queue_agent.task.record import TaskRecord

LONGEST_AWAY_SECONDS = 3600.0


class Settled(Exception):  # noqa: N818 (the outcome, not an error)
    """There is nothing to run: `record` is to be announced, and the message deleted."""

    def __init__(self, record: TaskRecord) -> None:
        self.record = record
        super().__init__(record.status)


class TakenElsewhere(Exception):  # noqa: N818 (see above)
    """Another agent works on it: the message is to come back in `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"for {seconds:.0f} s")


def accept(kit: Services, message: Message, now: float) -> Job:
    """The job of a message. Raises `MalformedMessageError`."""
    defaults = Defaults(kit.settings.runtime_type, kit.settings.task_timeout_seconds)
    task = parse(message.body, defaults, message.attempt)
    try:
        model = kit.adapter.model(task) if kit.settings.dynamic_model else None
    except TaskError as fault:
        raise MalformedMessageError(str(fault), task.id) from fault
    return Job(message, task, model, now)


async def claim(kit: Services, job: Job) -> None:
    """Make the task ours. Raises `Settled`, `TakenElsewhere` or `TaskError`."""
    answer = await kit.claims.claim(job.task, job.message.id)
    match answer:
        case Lease():
            job.lease = answer
        case Busy():
            raise TakenElsewhere(
                away(answer, job.message.attempt, time.time(), kit.settings.visibility_timeout_seconds)
            )
        case CancelledBySender():
            raise Settled(cancelled(kit, job))
        case Over(record):
            if record.request_sha256 not in ("", job.task.request_sha256):
                raise TaskError("id_in_use", "another task had this id before: give this one its own")
            raise Settled(record)


def away(busy: Busy, attempt: int, now: float, visibility: float) -> float:
    """How long a message stays away whose task another agent has.

    A second message for the task comes back later each time, so that it does not use up its attempts while
    the first is at work. The same message is to be there when the other agent's lease ends.
    """
    left = max(busy.until - now, 1.0)
    if busy.same_message:
        return left + 1.0
    return float(min(max(left, visibility * 2.0 ** min(attempt - 1, 10)), LONGEST_AWAY_SECONDS))


def cancelled(kit: Services, job: Job) -> TaskRecord:
    """What is told of a task whose sender cancelled it: nothing of it is in the bucket."""
    return TaskRecord(
        runtime=kit.settings.runtime_name,
        id=job.task.id,
        status="cancelled",
        output_url="",
        context=job.task.context,
        attempt=job.task.attempt,
    )
