"""The end of a task: outputs stored, the record last, the caller told, the message gone. Or given back."""

import asyncio
import time
from dataclasses import replace

from queue_agent.aws.claims import LeaseLost
from queue_agent.aws.queue import Message
from queue_agent.aws.retry import AwsUnavailable
from queue_agent.aws.store import Lost, sha256
from queue_agent.contract import Output, RunResult
from queue_agent.flow.job import Job
from queue_agent.flow.services import Services
from queue_agent.flow.together import together
from queue_agent.ops.logs import log
from queue_agent.task import protocol, record
from queue_agent.task.record import Error, StoredOutput, TaskRecord

# How long a message stays away after a failure: 2 s, 6 s, 18 s …
FIRST_RETURN_SECONDS = 2.0
LONGEST_RETURN_SECONDS = 300.0


async def deliver(kit: Services, job: Job, result: RunResult, started: float, duration: float) -> None:
    """Store what a task gave, then announce it. Raises `AwsUnavailable` or `LeaseLost`."""
    ended = asyncio.get_running_loop().time()
    await _still_ours(job)
    numbered = enumerate(result.outputs, 1)
    outputs = tuple(await together(_put(kit, job, number, output) for number, output in numbered))
    done = replace(
        blank(kit, job, "completed"),
        image_url=tuple(protocol.s3_url(kit.store.bucket, each.key) for each in outputs),
        duration=round(duration, 3),
        seed=result.seed,
        model=result.model,
        outputs=outputs,
        metadata=result.metadata,
        started=started,
        finished=time.time(),
    )
    kept = await _write(kit, job, done)
    kit.metrics.upload.observe(asyncio.get_running_loop().time() - ended)
    await announce(kit, job, kept)


async def fail(kit: Services, job: Job, code: str, message: str) -> None:
    """The task is wrong: keep that, and tell its caller. Raises `AwsUnavailable` or `LeaseLost`."""
    failed = replace(blank(kit, job, "failed"), error=Error(code, message), finished=time.time())
    if job.lease is None:  # the id is another task's: its record stays as it is
        await announce(kit, job, replace(failed, output_url=""))
        return
    await announce(kit, job, await _write(kit, job, failed))


async def announce(kit: Services, job: Job, known: TaskRecord) -> None:
    """Publish the callback, then delete the message. The claim says "done" meanwhile."""
    seconds = kit.settings.aws_retry_seconds
    closing = asyncio.ensure_future(_end(job, "done"))
    try:
        await kit.callbacks.publish(known, seconds)
        await kit.queue.delete(job.message, seconds)
    finally:
        await closing
    kit.metrics.tasks.labels(known.status, known.error.code if known.error else "").inc()
    log.info("task ended", extra={**job.told(), **_said(known)})


async def give_back(kit: Services, job: Job, reason: str, after: float) -> None:
    """Let another agent, or this one, have it in `after` seconds."""
    kit.metrics.returned.labels(reason).inc()
    log.info("task given back", extra={**job.told(), "reason": reason, "after": after})
    await _end(job, "released")
    try:
        await kit.queue.give_back(job.message, after)
    except AwsUnavailable as fault:  # it comes back by itself when its visibility timeout ends
        log.warning("could not give a task back", extra={**job.told(), "error": str(fault)})


async def world_failed(kit: Services, job: Job, code: str, message: str) -> None:
    """Not the task's fault: back to the queue, or aside when it has been tried often enough."""
    if job.message.attempt < kit.settings.max_attempts:
        wait = min(FIRST_RETURN_SECONDS * 3.0 ** (job.message.attempt - 1), LONGEST_RETURN_SECONDS)
        await give_back(kit, job, code, wait)
        return
    try:
        await set_aside(kit, job, code, message)
    except AwsUnavailable as fault:
        log.warning("could not set a task aside", extra={**job.told(), "error": str(fault)})
        await give_back(kit, job, code, LONGEST_RETURN_SECONDS)


async def set_aside(kit: Services, job: Job, code: str, message: str) -> None:
    """To the dead-letter queue, from where it may be sent again; its caller is told why."""
    seconds = kit.settings.aws_retry_seconds
    await _still_ours(job)
    await kit.queue.set_aside(job.message, f"{code}: {message}", seconds)
    kit.metrics.set_aside.labels(code).inc()
    reason = f"tried {job.message.attempt} times; the last time: {message}"
    failed = replace(
        blank(kit, job, "failed"),
        error=Error(code, reason),
        finished=time.time(),
        message_id=job.message.id,
    )
    await _write(kit, job, failed)
    await kit.callbacks.publish(failed, seconds)
    await kit.queue.delete(job.message, seconds)
    await _end(job, "released")
    kit.metrics.tasks.labels("failed", code).inc()
    log.error("task set aside", extra={**job.told(), **_said(failed)})


async def refuse(kit: Services, message: Message, task_id: str | None, reason: str) -> None:
    """A message that is no task: aside, with a callback when there is an id to call it by."""
    seconds = kit.settings.aws_retry_seconds
    log.error("message set aside", extra={"task": task_id, "message_id": message.id, "reason": reason})
    try:
        await kit.queue.set_aside(message, reason, seconds)
        if task_id is not None:
            error = Error("malformed", reason)
            told = TaskRecord(
                kit.settings.runtime_name, task_id, "failed", "", {}, message.attempt, error=error
            )
            await kit.callbacks.publish(told, seconds)
        await kit.queue.delete(message, seconds)
    except AwsUnavailable as fault:  # it comes back by itself
        log.warning("could not set a message aside", extra={"message_id": message.id, "error": str(fault)})
        return
    kit.metrics.set_aside.labels("malformed").inc()
    kit.metrics.tasks.labels("failed", "malformed").inc()


def blank(kit: Services, job: Job, status: str) -> TaskRecord:
    """What every record of this task says."""
    return TaskRecord(
        runtime=kit.settings.runtime_name,
        id=job.task.id,
        status=status,
        output_url=protocol.s3_url(kit.store.bucket, protocol.result_key(job.task.prefix, job.task.id)),
        context=job.task.context,
        attempt=job.task.attempt,
        request_sha256=job.task.request_sha256,
    )


def running(kit: Services, job: Job, started: float) -> TaskRecord:
    """What is told when a task starts."""
    return replace(blank(kit, job, "running"), output_url="", started=started)


async def _put(kit: Services, job: Job, number: int, output: Output) -> StoredOutput:
    key = protocol.output_key(job.task.prefix, job.task.id, number, output.extension)
    digest = await sha256(output.data)
    await kit.store.put(key, output.data, output.content_type)
    return StoredOutput(key, output.content_type, len(output.data), digest, output.kind, output.metadata)


async def _write(kit: Services, job: Job, new: TaskRecord) -> TaskRecord:
    """Write result.json, unless another agent did: then that one counts."""
    await _still_ours(job)
    key, data = protocol.result_key(job.task.prefix, job.task.id), record.to_json(new)
    former = job.lease.former if job.lease else None
    try:
        if former is None:
            await kit.store.create(key, data)
        else:
            await kit.store.replace(key, data, former)
    except Lost:
        known, _ = await kit.claims.result(job.task)
        if known is None:
            raise LeaseLost(key) from None
        return known
    return new


async def _still_ours(job: Job) -> None:
    if job.lease is not None:
        await job.lease.ensure()


async def _end(job: Job, state: str) -> None:
    """The claim's last word. Without it the claim ends by itself, so that a failure is no matter."""
    if job.lease is None:
        return
    try:
        await job.lease.end(state)
    except (LeaseLost, AwsUnavailable) as fault:
        log.info("the claim could not be ended", extra={**job.told(), "error": str(fault)})


def _said(known: TaskRecord) -> dict[str, object]:
    code = known.error.code if known.error else None
    return {"status": known.status, "code": code, "duration": known.duration, "outputs": len(known.outputs)}
