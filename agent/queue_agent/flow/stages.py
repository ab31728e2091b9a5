"""Runs a task through its stages: claim, prepare, run, finish. After a failure it fails or is retried."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from queue_agent.aws.claims import Lease, LeaseLost
from queue_agent.aws.retry import AwsUnavailable
from queue_agent.blobs import ScratchFull
from queue_agent.concurrency import off_loop
from queue_agent.contract import (
    Adapter,
    Cancelled,
    FieldPath,
    FinishedRun,
    Prepared,
    RunResult,
    RuntimeUnavailable,
    Task,
    TaskError,
)
from queue_agent.flow import budget, finish, intake, run
from queue_agent.flow.budget import ByteBudget
from queue_agent.flow.follow import CANCELLED, follow
from queue_agent.flow.heartbeat import Heartbeat, count_attempt
from queue_agent.flow.intake import ClaimedElsewhere, Ended
from queue_agent.flow.job import Job, Stage
from queue_agent.flow.scheduler import Scheduler
from queue_agent.flow.services import Services
from queue_agent.flow.supervisor import Supervisor
from queue_agent.ops.logs import log
from queue_agent.task import record
from queue_agent.task.assets import Reference, references
from queue_agent.task.protocol import DEFAULT_SENDER
from queue_agent.task.record import TaskRecord

# The time that a runtime gets to stop an abandoned task; the pod may be about to end.
FINAL_STOP_SECONDS = 5.0
RUNNING_CALLBACK_SECONDS = 60.0
# For all uploads of a task to the runtime together.
PREPARE_SECONDS = 60.0
# A task whose inputs are late is not received again at once.
LATE_RETRY_SECONDS = 10.0
# A task's request to the runtime is sent before its start is logged, and before the last outputs are read.
HEAD_START_SECONDS = 0.005
# An attempt is counted in the claim when its outputs are not here after so long: a shorter run costs one call
# less. Where its agent is killed, it counts as interrupted by the end of its pod (task/attempts.py).
COUNT_AFTER_SECONDS = 0.5
# Handling an error may fail too, and so may handling that failure.
MAX_HANDLED_ERRORS = 3

_Fields = tuple[Sequence[FieldPath], Sequence[FieldPath], Mapping[FieldPath, Reference]]


class TaskRunner:
    """Runs each task through its stages. `background` holds the work that goes on in parallel."""

    def __init__(self, services: Services, scheduler: Scheduler, supervisor: Supervisor) -> None:
        self._services = services
        self._scheduler = scheduler
        self._supervisor = supervisor
        self._clock = asyncio.get_running_loop().time
        self.heartbeat = Heartbeat(services)
        self.background: set[asyncio.Task[None]] = set()
        self.round_trip = 0.0  # seconds of a call that receives waiting messages
        self._inputs = ByteBudget(budget.INPUT_BYTES)

    async def run(self, job: Job) -> None:
        """Run all stages of a job, and handle every error. Returns when nothing is left to do."""
        companions = [asyncio.ensure_future(work) for work in (self.heartbeat.keep(job), follow(job))]
        try:
            error = await exception_of(self._run_stages(job))
            for _ in range(MAX_HANDLED_ERRORS):
                if error is None:
                    break
                job.stage = Stage.FINISHING
                error = await exception_of(self._handle_error(job, error))
        except asyncio.CancelledError:
            if not job.abandon_reason:
                raise
            _uncancel()
            job.stage = Stage.FINISHING
            if job.abandon_reason == CANCELLED:
                error = await exception_of(self._announce_cancelled(job))
                if error is not None:  # the message comes again, and then says that it was cancelled
                    log.warning("the cancel was not announced", extra=job.log_fields(), exc_info=error)
            elif job.abandon_reason != "lease_lost":
                late = job.abandon_reason == "inputs_late"
                after = LATE_RETRY_SECONDS if late else 0
                await finish.return_to_queue(self._services, job, job.abandon_reason, after, failed=late)
        finally:
            for companion in companions:
                companion.cancel()
            job.free_room()
            self._scheduler.remove(job)

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do this in parallel to the tasks."""

        async def logged() -> None:
            if (error := await exception_of(work)) is not None:
                log.error("background work failed", exc_info=error)

        task = asyncio.ensure_future(logged())
        self.background.add(task)
        task.add_done_callback(self.background.discard)
        return task

    async def _run_stages(self, job: Job) -> None:
        # Inputs and outputs are freed before the callback is sent, which may take long.
        if (stored := await self._run_to_result(job)) is not None:
            await self._announce(job, stored)

    async def _run_to_result(self, job: Job) -> TaskRecord | None:
        """The stored record of a task that was run; None when there was nothing to run."""
        services = self._services
        await job.may_prepare.wait()
        began, job.stage = self._clock(), Stage.PREPARING
        trace = services.tracing.task(job.message.trace, job.task.id)
        with services.tracing.stage(trace, "prepare"):
            claim = await intake.claim(services, job)
            if isinstance(claim, Lease):
                prepared = await self._prepare(job)
        if not isinstance(claim, Lease):
            await self._finish_without_run(job, claim)
            return None
        self._scheduler.mark_ready(job, self._clock() - began + self.round_trip)
        with services.tracing.stage(trace, "run"):
            running = self._run_when_free(job, prepared)
            del prepared  # what it holds is freed at the end of the run
            started, finished_run, seconds, counting = await running
        with services.tracing.stage(trace, "finish"):
            await asyncio.sleep(HEAD_START_SECONDS)
            if seconds >= COUNT_AFTER_SECONDS:
                # An agent that is killed by what it reads now has begun the attempt.
                await counting
            collecting = self._collect(job, finished_run)
            del finished_run  # the response is freed before the outputs are stored
            return await finish.store(services, job, await collecting, started, seconds)

    async def _prepare(self, job: Job) -> Prepared:
        """The task, ready to run; its content is freed."""
        services = self._services
        intake.refuse_expired(job, time.time())
        if job.exhausted(services.settings.max_attempts):
            job.task = replace(job.task, attempt=max(1, job.task.attempt - 1))
            raise RuntimeUnavailable("attempts_exhausted", "no attempt came to an end")
        job.task = await intake.with_content(services, job.task)
        content = job.task.content
        fields = await off_loop(job.task.size, _fields, services.adapter, job.task)
        job.room = await self._inputs.take(budget.prepare_bytes(services.inputs.max_bytes(content, *fields)))
        owner = job.task.sender or DEFAULT_SENDER
        images = await services.inputs.fetch(content, *fields, owner=owner)
        with self._reporting_failure(job):
            try:
                async with asyncio.timeout(PREPARE_SECONDS):
                    prepared = await services.adapter.prepare(job.task, images)
            except TimeoutError as error:
                message = f"the runtime has not taken the inputs within {PREPARE_SECONDS:g} s"
                raise RuntimeUnavailable("runtime_slow", message) from error
        job.room.shrink(prepared.size)
        job.task = replace(job.task, content={})
        return replace(prepared, task=job.task)

    async def _collect(self, job: Job, finished_run: FinishedRun) -> RunResult:
        with self._reporting_failure(job):
            result = await self._services.adapter.collect(finished_run)
        self._supervisor.report_success()
        self._scheduler.mark_collected(job, sum(output.data.size for output in result.outputs))
        return result

    async def _run_when_free(
        self, job: Job, prepared: Prepared
    ) -> tuple[float, FinishedRun, float, asyncio.Task[None]]:
        """Wait for the runtime and run the task.

        Returns the Unix time of its start, the run, its seconds, and the work that counts the attempt.
        """
        try:
            await job.may_run.wait()
            intake.refuse_expired(job, time.time())
            if job.lease is not None:
                await job.lease.ensure_valid()
            job.stage, started = Stage.RUNNING, time.time()
            job.run_started = started
            if job.lease is not None:
                job.lease.begin_run()
            counting = self.run_in_background(self._note_start(job, started))
            with self._reporting_failure(job):
                finished_run = await run.run(
                    self._services.adapter,
                    prepared,
                    lambda progress: self._scheduler.update_progress(job, progress),
                    self._services.settings.runtime_silence_seconds,
                    self._services.settings.cancel_grace_seconds,
                )
            return started, finished_run, self._scheduler.mark_ran(job), counting
        except asyncio.CancelledError:
            if job.stage is Stage.RUNNING:
                await self._stop_runtime(job)
            raise
        finally:
            job.free_room()
            self._scheduler.release_runtime(job)

    async def _stop_runtime(self, job: Job) -> None:
        _uncancel()
        grace_seconds = self._services.settings.cancel_grace_seconds
        if job.abandon_reason != CANCELLED:
            grace_seconds = min(grace_seconds, FINAL_STOP_SECONDS)
        if not await run.stop(self._services.adapter, job.task, grace_seconds):
            error = RuntimeUnavailable("runtime_hung", "the runtime did not stop the task when asked to")
            self._supervisor.report_failure(job.task.id, error)

    async def _finish_without_run(self, job: Job, claim: Ended | ClaimedElsewhere) -> None:
        job.stage = Stage.FINISHING
        match claim:
            case Ended(ended, announced):
                job.has_result = True
                await self._announce(job, ended, announced=announced)
            case ClaimedElsewhere(seconds):
                await finish.return_to_queue(self._services, job, "taken_elsewhere", seconds)

    async def _announce_cancelled(self, job: Job) -> None:
        """The sender cancelled the task after an agent had taken it. The claim says so first."""
        await finish.mark_cancelled(job)
        await self._announce(job, intake.cancelled_record(self._services, job))

    async def _announce(self, job: Job, ended: TaskRecord, *, announced: bool = False) -> None:
        seconds = self._scheduler.announcing_seconds(self._services.settings.aws_retry_seconds)
        self._scheduler.mark_stored(job)
        # The callback may have to wait long for SNS, and needs nothing else.
        await finish.announce(self._services, job, record.slim(ended), seconds, announced=announced)

    async def _handle_error(self, job: Job, error: Exception) -> None:
        """Fail the task, or return it to the queue, by the kind of error."""
        services = self._services
        match error:
            case TaskError(code=code, message=message):
                await self._announce(job, await finish.store_failure(services, job, code, message))
            case RuntimeUnavailable(code=code, message=message):
                await finish.retry_or_dead_letter(services, job, code, message)
            case Cancelled():
                message = "the task was interrupted on the runtime"
                await finish.retry_or_dead_letter(services, job, "interrupted", message)
            case ScratchFull():
                await finish.retry_or_dead_letter(services, job, "scratch_full", str(error))
            case AwsUnavailable():
                await finish.retry_or_dead_letter(services, job, "aws_unavailable", str(error))
            case LeaseLost():
                log.warning("lease lost to another agent", extra=job.log_fields())
            case _:
                log.error("internal error", extra=job.log_fields(), exc_info=error)
                await finish.retry_or_dead_letter(services, job, "internal_error", type(error).__name__)

    async def _note_start(self, job: Job, started: float) -> None:
        """Log and announce that the task has started, and count its attempt, while the runtime is at work."""
        await asyncio.sleep(HEAD_START_SECONDS)
        log.info("task started", extra=job.log_fields())
        if self._services.settings.callback_when_running:
            running = finish.running_record(self._services, job, started)
            self.run_in_background(self._services.callbacks.publish(running, RUNNING_CALLBACK_SECONDS))
        await count_attempt(job, COUNT_AFTER_SECONDS - HEAD_START_SECONDS)

    @contextlib.contextmanager
    def _reporting_failure(self, job: Job) -> Iterator[None]:
        """Report to the supervisor when the runtime fails, so that no task runs until it is ready again."""
        try:
            yield
        except RuntimeUnavailable as error:
            self._supervisor.report_failure(job.task.id, error)
            raise
        except TaskError as error:
            self._supervisor.report_task_error(job.task.id, error)
            raise


def _fields(adapter: Adapter, task: Task) -> _Fields:
    """The fields for images, those for videos and audio files, and the asset references."""
    return adapter.image_fields(task), adapter.media_fields(task), references(task)


async def exception_of(work: Coroutine[Any, Any, None]) -> Exception | None:
    """The exception that `work` ends with. The one place that catches all: no task may end the agent."""
    try:
        await work
    except Exception as error:
        return error
    return None


def _uncancel() -> None:
    """Continue after a cancellation that the agent itself requested."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
