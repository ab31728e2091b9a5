"""Ends a task: stores its result, publishes the callback, deletes the message. Or returns it to the queue."""

import asyncio
import time
from dataclasses import replace

from queue_agent.aws.callbacks import Links
from queue_agent.aws.claims import LeaseLost
from queue_agent.aws.queue import Message
from queue_agent.aws.retry import AwsUnavailable
from queue_agent.aws.store import sha256
from queue_agent.concurrency import gather_or_cancel, off_loop
from queue_agent.contract import Output, RunResult
from queue_agent.flow.job import Job
from queue_agent.flow.services import Services
from queue_agent.ops.logs import log
from queue_agent.task import protocol, record
from queue_agent.task.protocol import ClaimState, TaskState
from queue_agent.task.record import Error, StoredOutput, StoredThumbnail, TaskRecord

# Delay of the next delivery after a failure: 2 s, 6 s, 18 s …
FIRST_RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 300.0


async def store(
    services: Services, job: Job, result: RunResult, started: float, duration: float
) -> TaskRecord:
    """Store the result of a task and return its record; `duration` is the run's, in seconds.

    Raises `AwsUnavailable` or `LeaseLost`.
    """
    ended = asyncio.get_running_loop().time()
    await _ensure_lease(job)
    uploads = (_store_output(services, job, n, output) for n, output in enumerate(result.outputs, 1))
    outputs = tuple(await gather_or_cancel(uploads))
    completed = replace(
        base_record(services, job, TaskState.COMPLETED),
        image_url=tuple(protocol.s3_url(services.store.bucket, output.key) for output in outputs),
        duration=round(duration, 3),
        seed=result.seed,
        model=result.model,
        outputs=outputs,
        metadata=result.metadata,
        started=started,
        finished=time.time(),
    )
    stored = await _write_record(services, job, completed)
    services.metrics.upload.observe(asyncio.get_running_loop().time() - ended)
    return stored


async def store_failure(services: Services, job: Job, code: str, message: str) -> TaskRecord:
    """Store that the task itself is wrong, and return its record. Raises `AwsUnavailable` or `LeaseLost`."""
    failed = replace(
        base_record(services, job, TaskState.FAILED), error=Error(code, message), finished=time.time()
    )
    if job.lease is None:  # another task has the id: its record stays as it is
        return replace(failed, output_url="")
    return await _write_record(services, job, failed)


async def announce(
    services: Services, job: Job, ended: TaskRecord, seconds: float, *, announced: bool = False
) -> None:
    """Publish the callback, unless it is `announced`; then delete the message. Each is tried for `seconds`.

    A claim that is "done" says that the callback was published. It is written while the message is deleted:
    an agent that is killed after either of the two does not let the task be announced twice.
    """
    if not announced:
        await _publish(services, job, ended, seconds)
    await asyncio.gather(services.queue.delete(job.message, seconds), _release_claim(job, ClaimState.DONE))
    services.metrics.task_ended(ended.status, ended.error.code if ended.error else "")
    log.info("task ended", extra={**job.log_fields(), **_log_fields(ended)})


async def mark_cancelled(job: Job) -> None:
    """Let the claim say that the task was cancelled, so that no agent runs it."""
    await _release_claim(job, ClaimState.CANCELLED)


async def return_to_queue(
    services: Services, job: Job, reason: str, after: float, *, failed: bool = False
) -> None:
    """Make the message visible again after `after` seconds, for any agent. `failed`: the attempt counts."""
    services.metrics.returned.labels(reason).inc()
    log.info("task returned to the queue", extra={**job.log_fields(), "reason": reason, "after": after})
    await _release_claim(job, ClaimState.RELEASED, failed=failed)
    try:
        async with job.visibility:
            job.returned = True
            await services.queue.change_visibility(job.message, after)
    except AwsUnavailable as error:  # it becomes visible when its visibility timeout ends
        extra = {**job.log_fields(), "error": str(error)}
        log.warning("the task could not be returned to the queue", extra=extra)


async def retry_or_dead_letter(services: Services, job: Job, code: str, message: str) -> None:
    """Return a task that is not at fault to the queue, after its last attempt to the dead-letter queue."""
    if not job.is_last_attempt(services.settings.max_attempts):
        failures = job.task.attempt if job.lease is not None else job.message.delivery
        after = min(FIRST_RETRY_SECONDS * 3.0 ** (min(failures, 10) - 1), MAX_RETRY_SECONDS)
        await return_to_queue(services, job, code, after, failed=True)
        return
    try:
        await dead_letter(services, job, code, message)
    except AwsUnavailable as error:
        extra = {**job.log_fields(), "error": str(error)}
        log.warning("the task could not be sent to the dead-letter queue", extra=extra)
        await return_to_queue(services, job, code, MAX_RETRY_SECONDS, failed=True)


async def dead_letter(services: Services, job: Job, code: str, message: str) -> None:
    """Send the task to the dead-letter queue, from where it may be sent again, and announce the reason."""
    seconds = services.settings.aws_retry_seconds
    await _ensure_lease(job)
    await services.queue.send_to_dead_letter_queue(job.message, f"{code}: {message}", seconds)
    services.metrics.dead_lettered.labels(code).inc()
    reason = f"{job.task.attempt} attempts failed; the last error: {message}"
    failed = replace(
        base_record(services, job, TaskState.FAILED),
        error=Error(code, reason),
        finished=time.time(),
        message_id=job.message.id,
    )
    # A task whose callback was refused has a result already: that one is announced.
    stored = await _write_record(services, job, failed)
    try:
        await _publish(services, job, stored, seconds)
    except AwsUnavailable as error:
        if not error.permanent:
            raise
        log.error("the callback was refused", extra={**job.log_fields(), "error": str(error)})
    await services.queue.delete(job.message, seconds)
    await _release_claim(job, ClaimState.RELEASED, failed=True)
    services.metrics.task_ended(stored.status, code)
    log.error("task sent to the dead-letter queue", extra={**job.log_fields(), **_log_fields(stored)})


async def reject_message(services: Services, message: Message, task_id: str | None, reason: str) -> None:
    """Send a malformed message to the dead-letter queue; publish a callback when it has a task id."""
    seconds = services.settings.aws_retry_seconds
    extra = {"task": task_id, "message_id": message.id, "reason": reason}
    log.error("malformed message", extra=extra)
    try:
        await services.queue.send_to_dead_letter_queue(message, reason, seconds)
        if task_id is not None:
            runtime, error = services.settings.runtime_name, Error("malformed", reason)
            failed = TaskRecord(runtime, task_id, TaskState.FAILED, "", {}, message.delivery, error=error)
            await services.callbacks.publish(failed, seconds)
        await services.queue.delete(message, seconds)
    except AwsUnavailable as fault:  # it is delivered again after its visibility timeout
        extra["error"] = str(fault)
        log.warning("the message could not be sent to the dead-letter queue", extra=extra)
        return
    services.metrics.dead_lettered.labels("malformed").inc()
    services.metrics.tasks.labels(TaskState.FAILED, "malformed").inc()


def base_record(services: Services, job: Job, status: TaskState) -> TaskRecord:
    """The fields that every record of the task has."""
    return TaskRecord(
        runtime=services.settings.runtime_name,
        id=job.task.id,
        status=status,
        output_url=protocol.s3_url(services.store.bucket, protocol.result_key(job.task.prefix, job.task.id)),
        context=job.task.context,
        attempt=job.task.attempt,
        request_sha256=job.task.request_sha256,
        sender=job.task.sender,
    )


def running_record(services: Services, job: Job, started: float) -> TaskRecord:
    """The record that is announced when a task starts, at Unix time `started`."""
    return replace(base_record(services, job, TaskState.RUNNING), output_url="", started=started)


async def _publish(services: Services, job: Job, ended: TaskRecord, seconds: float) -> None:
    """Publish the callback of a task that has ended, in the way that its sender asked for."""
    task = job.task
    links = await _links(services, ended) if task.links else Links()
    sender = task.sender or protocol.DEFAULT_SENDER
    routing = {protocol.WEBHOOK_ATTRIBUTE: task.webhook, protocol.SENDER_ATTRIBUTE: sender}
    await services.callbacks.publish(ended, seconds, routing=routing if task.webhook else None, links=links)


async def _links(services: Services, ended: TaskRecord) -> Links:
    """Links to the outputs, and to their thumbnails if they have any."""
    thumbnails = [output.thumbnail for output in ended.outputs]
    return Links(
        [await services.store.link(output.key) for output in ended.outputs],
        [await services.store.link(item.key) if item else None for item in thumbnails]
        if any(thumbnails)
        else [],
    )


async def _store_output(services: Services, job: Job, number: int, output: Output) -> StoredOutput:
    """Store an output as the task wants its pictures. Raises `AwsUnavailable` and `ScratchFull`."""
    task, thumbnail, problem = job.task, None, ""
    if task.output is not None:
        converted = await services.converter.convert(output, task.output)
        output, problem = converted.picture, converted.problem
        if converted.thumbnail is not None:
            thumbnail = await _store_thumbnail(services, job, number, converted.thumbnail)
    key = protocol.output_key(task.prefix, task.id, number, output.extension)
    digest, size = await sha256(output.data), output.data.size
    await services.store.put(key, output.data, output.content_type, digest)
    stored = StoredOutput(key, output.content_type, size, digest.hex(), output.kind, output.metadata)
    return replace(stored, thumbnail=thumbnail, problem=problem)


async def _store_thumbnail(services: Services, job: Job, number: int, output: Output) -> StoredThumbnail:
    key = protocol.thumbnail_key(job.task.prefix, job.task.id, number, output.extension)
    await services.store.put(key, output.data, output.content_type)
    return StoredThumbnail(key, output.content_type, output.data.size)


async def _write_record(services: Services, job: Job, new: TaskRecord) -> TaskRecord:
    """Write result.json and return its record: the one of another agent, if that was first."""
    await _ensure_lease(job)
    key = protocol.result_key(job.task.prefix, job.task.id)
    data = await off_loop(job.task.size, record.to_json, new)
    replaceable = job.lease.replaceable_result if job.lease else None
    if replaceable is None:
        etag = await services.store.create(key, data)
    else:
        etag = await services.store.replace(key, data, replaceable)
    if etag is not None:
        return new
    existing, _ = await services.claims.result(job.task)
    if existing is None:
        raise LeaseLost(key)
    return existing


async def _ensure_lease(job: Job) -> None:
    if job.lease is not None:
        await job.lease.ensure_valid()


async def _release_claim(job: Job, state: ClaimState, *, failed: bool = False) -> None:
    """Release the claim. If this fails, the claim expires."""
    if job.lease is None:
        return
    try:
        await job.lease.release(state, failed=failed)
    except (LeaseLost, AwsUnavailable) as error:
        log.info("the claim could not be released", extra={**job.log_fields(), "error": str(error)})


def _log_fields(ended: TaskRecord) -> dict[str, object]:
    code = ended.error.code if ended.error else None
    return {"status": ended.status, "code": code, "duration": ended.duration, "outputs": len(ended.outputs)}
