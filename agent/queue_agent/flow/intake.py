"""From a received message to a claimed task."""

import time
from dataclasses import dataclass, replace

from queue_agent.aws.claims import AlreadyEnded, Busy, CancelledBySender, Lease, id_in_use
from queue_agent.aws.queue import Message
from queue_agent.concurrency import off_loop
from queue_agent.contract import Task, TaskError
from queue_agent.flow.job import Job
from queue_agent.flow.services import Services
from queue_agent.task import messages
from queue_agent.task.messages import Defaults, MalformedMessageError, parse
from queue_agent.task.protocol import EXPIRED, TaskState, content_key, expired_message
from queue_agent.task.record import TaskRecord

MAX_RETRY_AFTER_SECONDS = 3600.0


@dataclass(frozen=True)
class Ended:
    """There is nothing to run: `record` is to be announced, unless it was, and the message deleted."""

    record: TaskRecord
    announced: bool = False


@dataclass(frozen=True)
class ClaimedElsewhere:
    """Another agent runs the task: the message is to be delivered again after this many seconds."""

    retry_after: float


async def accept(services: Services, message: Message, now: float) -> Job:
    """The job of a message that was received at `now`.

    Raises `MalformedMessageError`, and `AwsUnavailable` when the content of a large task cannot be read.
    """
    settings = services.settings
    defaults = Defaults(settings.runtime_type, settings.task_timeout_seconds)
    task = await off_loop(len(message.body), parse, message.body, defaults, message.delivery)
    try:
        model = await _model(services, task) if settings.dynamic_model else None
    except TaskError as error:
        raise MalformedMessageError(str(error), task.id) from error
    return Job(message, task, model, now)


async def with_content(services: Services, task: Task) -> Task:
    """The task with its content, which may be in the bucket. Raises `TaskError` and `AwsUnavailable`."""
    if not task.stored:
        return task
    stored = await services.store.read(content_key(task.id))
    if stored is None:
        raise TaskError("malformed", "the content of the task has expired")
    try:
        return await off_loop(len(stored.data), messages.with_content, task, stored.data)
    except MalformedMessageError as error:
        raise TaskError("malformed", error.reason) from error


async def _model(services: Services, task: Task) -> str | None:
    """The model that the task asks for. A content in the bucket is read again later: many tasks may wait."""
    return services.adapter.model(await with_content(services, task))


async def claim(services: Services, job: Job) -> Lease | Ended | ClaimedElsewhere:
    """The lease of the job's task, which the job then has, or why there is none.

    Raises `TaskError` and `AwsUnavailable`.
    """
    claim = await services.claims.acquire(job.task, job.message.id)
    match claim:
        case Lease():
            job.lease = claim
            job.task = replace(job.task, attempt=claim.attempts.counted + 1)
            return claim
        case Busy():
            visibility = services.settings.visibility_timeout_seconds
            return ClaimedElsewhere(retry_after(claim, job.message.delivery, time.time(), visibility))
        case CancelledBySender():
            return Ended(cancelled_record(services, job))
        case AlreadyEnded(record, announced):
            if record.request_sha256 not in ("", job.task.request_sha256):
                raise id_in_use()
            return Ended(record, announced)


def refuse_expired(job: Job, now: float) -> None:
    """Raise `TaskError` for a task that has waited longer than its sender wants; `now` is a Unix time."""
    if now - job.message.sent > job.task.ttl_seconds:
        raise TaskError(EXPIRED, expired_message(job.task.ttl_seconds))


def retry_after(busy: Busy, attempt: int, now: float, visibility: float) -> float:
    """Seconds until the message of a task that another agent runs is delivered again.

    A second message for the task is delayed longer each time, so that it does not use up its attempts while
    the first is running. The same message must be back when the other agent's lease ends.
    """
    left = max(busy.until - now, 1.0)
    if busy.same_message:
        return left + 1.0
    return float(min(max(left, visibility * 2.0 ** min(attempt - 1, 10)), MAX_RETRY_AFTER_SECONDS))


def cancelled_record(services: Services, job: Job) -> TaskRecord:
    """The record of a task that its sender cancelled: nothing of it is in the bucket."""
    return TaskRecord(
        runtime=services.settings.runtime_name,
        id=job.task.id,
        status=TaskState.CANCELLED,
        output_url="",
        context=job.task.context,
        attempt=job.task.attempt,
    )
