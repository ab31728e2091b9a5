"""The way of one task from message to result. Whatever happens, it ends told or given back."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterator
from typing import Any

from queue_agent.aws.claims import LeaseLost
from queue_agent.aws.retry import AwsUnavailable
from queue_agent.contract import Cancelled, Prepared, Ran, RuntimeUnavailable, TaskError
from queue_agent.flow import finish, intake, run
from queue_agent.flow.intake import Settled, TakenElsewhere
from queue_agent.flow.job import Job, Stage
from queue_agent.flow.line import Line
from queue_agent.flow.services import Services
from queue_agent.flow.supervisor import Supervisor
from queue_agent.ops.logs import log

# How long a stopped runtime may take to let go of its task when the pod is about to end.
LAST_STOP_SECONDS = 5.0
RUNNING_CALLBACK_SECONDS = 60.0
# The request of the next task leaves before anything is done about the outputs of the last one.
HEAD_START_SECONDS = 0.005
# The answer to a fault may meet faults of its own, and so may the answer to those.
ANSWERS = 3


class TaskRunner:
    """Leads tasks through their stages. `others` is what goes on beside them."""

    def __init__(self, kit: Services, line: Line, supervisor: Supervisor) -> None:
        self._kit = kit
        self._line = line
        self._supervisor = supervisor
        self._clock = asyncio.get_running_loop().time
        self.others: set[asyncio.Task[None]] = set()
        self.round_trip = 0.0  # seconds that the queue takes to hand out what it has

    async def live(self, job: Job) -> None:
        """The whole way."""
        beat = asyncio.ensure_future(self._keep(job))
        try:
            fault = await fault_of(self._stages(job))
            for _ in range(ANSWERS):
                if fault is None:
                    break
                job.stage = Stage.FINISHING
                fault = await fault_of(self._answer(job, fault))
        except asyncio.CancelledError:
            if not job.abandoned:
                raise
            _carry_on()
            job.stage = Stage.FINISHING
            if job.abandoned != "lease_lost":
                await finish.give_back(self._kit, job, job.abandoned, 0)
        finally:
            beat.cancel()
            self._line.forget(job)

    def aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside the tasks."""

        async def logged() -> None:
            if (fault := await fault_of(work)) is not None:
                log.error("a fault beside the tasks", exc_info=fault)

        task = asyncio.ensure_future(logged())
        self.others.add(task)
        task.add_done_callback(self.others.discard)

    async def _stages(self, job: Job) -> None:
        kit = self._kit
        await job.begin.wait()
        begun, job.stage = self._clock(), Stage.PREPARING
        trace = kit.tracing.task(job.message.trace, job.task.id)
        with kit.tracing.stage(trace, "prepare"):
            await intake.claim(kit, job)
            if job.message.attempt > kit.settings.max_attempts:
                raise RuntimeUnavailable("attempts_exhausted", "every attempt ended without an answer")
            images = await kit.inputs.fetch(job.task.content, kit.adapter.image_fields(job.task))
            with self._suspecting():
                prepared = await kit.adapter.prepare(job.task, images)
        self._line.ready(job, self._clock() - begun + self.round_trip)
        with kit.tracing.stage(trace, "run"):
            started, ran, seconds = await self._on_gpu(job, prepared)
        with kit.tracing.stage(trace, "finish"):
            await asyncio.sleep(HEAD_START_SECONDS)
            with self._suspecting():
                result = await kit.adapter.collect(ran)
            await finish.deliver(kit, job, result, started, seconds)

    async def _on_gpu(self, job: Job, prepared: Prepared) -> tuple[float, Ran, float]:
        """Wait for the turn of the task and run it: unix time of its start, what it gave, its seconds."""
        try:
            await job.turn.wait()
            if job.lease is not None:
                await job.lease.ensure()
            job.stage, started = Stage.RUNNING, time.time()
            self._tell_running(job, started)
            with self._suspecting():
                ran = await run.run(
                    self._kit.adapter,
                    prepared,
                    lambda progress: self._line.progressed(job, progress),
                    self._kit.settings.runtime_silence_seconds,
                    self._kit.settings.cancel_grace_seconds,
                )
            return started, ran, self._line.ran(job)
        except asyncio.CancelledError:
            if job.stage is Stage.RUNNING:
                await self._stop(job)
            raise
        finally:
            self._line.leave(job)

    async def _stop(self, job: Job) -> None:
        _carry_on()
        grace = min(self._kit.settings.cancel_grace_seconds, LAST_STOP_SECONDS)
        if not await run.stop(self._kit.adapter, job.task, grace):
            self._supervisor.suspect()

    async def _answer(self, job: Job, fault: Exception) -> None:
        """What follows from a fault."""
        kit = self._kit
        match fault:
            case Settled(record=record):
                await finish.announce(kit, job, record)
            case TakenElsewhere(seconds=seconds):
                await finish.give_back(kit, job, "taken_elsewhere", seconds)
            case TaskError(code=code, message=message):
                await finish.fail(kit, job, code, message)
            case RuntimeUnavailable(code=code, message=message):
                await finish.world_failed(kit, job, code, message)
            case Cancelled():
                await finish.world_failed(kit, job, "interrupted", "somebody stopped it on the runtime")
            case AwsUnavailable():
                await finish.world_failed(kit, job, "aws_unavailable", str(fault))
            case LeaseLost():
                log.warning("another agent has the task now", extra=job.told())
            case _:
                log.error("a fault of the agent", extra=job.told(), exc_info=fault)
                await finish.world_failed(kit, job, "internal_error", type(fault).__name__)

    async def _keep(self, job: Job) -> None:
        """The heartbeat: nobody else is given the message, and nobody else may take the task."""
        pause = self._kit.settings.visibility_timeout_seconds / 3
        while True:
            await asyncio.sleep(pause)
            try:
                if not await self._kit.queue.hold(job.message):
                    log.warning("the queue has taken the message back", extra=job.told())
                if job.lease is not None:
                    await job.lease.renew(pause)
            except AwsUnavailable as fault:
                log.warning("no heartbeat", extra={**job.told(), "error": str(fault)})
            except LeaseLost:
                log.warning("another agent has the task now", extra=job.told())
                job.abandon("lease_lost")
                return

    def _tell_running(self, job: Job, started: float) -> None:
        log.debug("task starts", extra=job.told())
        if self._kit.settings.callback_when_running:
            told = finish.running(self._kit, job, started)
            self.aside(self._kit.callbacks.publish(told, RUNNING_CALLBACK_SECONDS))

    @contextlib.contextmanager
    def _suspecting(self) -> Iterator[None]:
        """Take no more work to a runtime that could not do this, until it has proved itself."""
        try:
            yield
        except RuntimeUnavailable:
            self._supervisor.suspect()
            raise


async def fault_of(work: Coroutine[Any, Any, None]) -> Exception | None:
    """What `work` failed with. The one place that catches everything: no task takes the agent along."""
    try:
        await work
    except Exception as fault:
        return fault
    return None


def _carry_on() -> None:
    """Go on after a cancellation that we asked for ourselves."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
