"""Receives tasks from the queue shortly before they are needed, and returns what cannot run here in time."""

import asyncio
import contextlib

from queue_agent.aws.queue import SQS_MAX_RECEIVE, Message
from queue_agent.aws.retry import AwsUnavailable
from queue_agent.flow import finish, intake, lookahead
from queue_agent.flow.job import Job, Stage
from queue_agent.flow.scheduler import Scheduler
from queue_agent.flow.services import Services
from queue_agent.flow.stages import TaskRunner, exception_of
from queue_agent.flow.supervisor import Supervisor
from queue_agent.ops.logs import log
from queue_agent.task.messages import MalformedMessageError
from queue_agent.task.protocol import MAX_DELIVERIES

# When the runtime is unavailable for longer, waiting tasks are returned to the queue.
UNAVAILABLE_SECONDS = 1.0
# A receive call that took longer waited for a message: it does not measure the round trip.
MAX_ROUND_TRIP_SECONDS = 0.5
# A message whose task could not be read is not received again at once.
UNREAD_RETRY_SECONDS = 30.0
# After the last run: outputs to store, callback, delete. With FINAL_STOP_SECONDS it fits the 15 s that the
# chart leaves between SHUTDOWN_GRACE_SECONDS and the end of the pod.
FINISH_SECONDS = 8.0


class Worker:
    """Processes the tasks of one runtime, from its queue to the results topic.

    `drained` is set after `shutdown`, when the runtime is no longer needed.
    """

    def __init__(self, services: Services) -> None:
        grouping = services.settings.model_grouping_seconds if services.settings.dynamic_model else 0.0
        self._services = services
        self.scheduler = Scheduler(services.metrics, grouping, services.settings.output_max_bytes)
        self.supervisor = Supervisor(
            services.adapter,
            services.metrics,
            lambda: self.scheduler.running is not None,
            self._runtime_changed,
            services.settings.restart_after_seconds,
        )
        self._runner = TaskRunner(services, self.scheduler, self.supervisor)
        self._stopping = False
        self._polling = False
        self._clock = asyncio.get_running_loop().time
        self.drained = asyncio.Event()

    async def run(self) -> None:
        """Receive tasks until `shutdown` is called."""
        while not self._stopping:
            if not self.supervisor.available.is_set():
                await self._wait_for_runtime()
                continue
            for job in self.scheduler.held_too_long(self._services.settings.max_attempts):
                job.abandon("held_too_long")
            for job in self.scheduler.overdue():
                job.abandon("inputs_late")
            plan = lookahead.plan(self.scheduler.snapshot)
            if plan.receive <= 0 or not self._may_receive():
                await self._wait_for_change(plan.check_after)
            elif not self.scheduler.prepare_next():
                await self._receive(plan.receive)

    async def shutdown(self, running: asyncio.Task[None], grace_seconds: float) -> None:
        """Return what has not started, let the running task end within `grace_seconds`, store what is done.

        `running` is the asyncio task of `run`.
        """
        log.info("shutdown requested", extra={"tasks": len(self.scheduler.jobs)})
        end = self._clock() + grace_seconds
        self._stopping, self.scheduler.open = True, False
        self._runner.heartbeat.expect_end()
        self._abandon_waiting("shutdown")
        if not self._polling:
            running.cancel()
        while self.scheduler.running is not None and self._clock() < end:
            await self._wait_for_change(end - self._clock())
        # SQS may have answered a poll that is cancelled: that message would stay hidden until its timeout.
        patience = self._services.settings.receive_wait_seconds + 1.0
        await asyncio.wait({running}, timeout=max(0.1, min(patience, end - self._clock())))
        running.cancel()
        if self.scheduler.running is not None:
            self.scheduler.running.abandon("shutdown")
        while self.scheduler.running is not None:
            await self._wait_for_change(None)
        unfinished = {job.runner for job in self.scheduler.jobs if job.runner is not None}
        unfinished |= self._runner.background
        if unfinished:
            await asyncio.wait(unfinished, timeout=max(FINISH_SECONDS, end - self._clock()))
        # Only now may the runtime stop: the outputs of the last task are fetched from it after its run.
        self.drained.set()

    def _may_receive(self) -> bool:
        """Whether a message that is received now has room, or one that is here can be prepared."""
        return self.scheduler.message_room > 0 or bool(self.scheduler.received)

    async def _receive(self, count: int) -> None:
        # With tasks held back for another model, look only whether more tasks use the loaded one.
        grouping = bool(self.scheduler.received)
        room = min(
            lookahead.GROUPING_WINDOW - len(self.scheduler.received),
            SQS_MAX_RECEIVE,
            self.scheduler.message_room,
        )
        if grouping and room <= 0:
            self.scheduler.prepare_next(any_model=True)
            return
        wait = 0 if grouping else self._services.settings.receive_wait_seconds
        asked, self._polling = self._clock(), True
        messages = await self._services.queue.receive(room if grouping else min(count, room), wait)
        received = self._clock()
        for message in messages:
            if (error := await exception_of(self._accept(message))) is not None:
                log.error("internal error", extra={"message_id": message.id}, exc_info=error)
                reason = f"internal error of the agent: {type(error).__name__}"
                self._runner.run_in_background(finish.reject_message(self._services, message, None, reason))
        self._polling = False
        if messages:
            self._runner.round_trip = min(received - asked, MAX_ROUND_TRIP_SECONDS)
        elif grouping:
            self.scheduler.prepare_next(any_model=True)

    async def _accept(self, message: Message) -> None:
        self._services.metrics.queue_wait.observe(max(0.0, message.received - message.sent))
        try:
            job = await intake.accept(self._services, message, self._clock())
        except MalformedMessageError as error:
            rejection = finish.reject_message(self._services, message, error.task_id, error.reason)
            self._runner.run_in_background(rejection)
            return
        except AwsUnavailable as error:  # the content of a large task could not be read
            log.warning(
                "message returned to the queue", extra={"message_id": message.id, "error": str(error)}
            )
            await self._services.queue.change_visibility(message, UNREAD_RETRY_SECONDS)
            return
        if message.delivery >= MAX_DELIVERIES:
            # It needs no runtime. If it were returned, SQS would soon move it to the dead-letter queue, and
            # no callback would be sent.
            job.may_prepare.set()
            self._runner.run_in_background(self._runner.run(job))
            return
        if self._stopping or not self.supervisor.available.is_set():
            job.stage = Stage.FINISHING
            self._runner.run_in_background(finish.return_to_queue(self._services, job, "too_late", 0))
            return
        self.scheduler.add(job)
        job.runner = asyncio.ensure_future(self._runner.run(job))

    def _runtime_changed(self, available: bool) -> None:
        self.scheduler.open = available and not self._stopping
        self.scheduler.start_next()

    async def _wait_for_runtime(self) -> None:
        available = self.supervisor.available
        try:
            await asyncio.wait_for(available.wait(), UNAVAILABLE_SECONDS)
        except TimeoutError:
            self._abandon_waiting("runtime_away")
            await available.wait()

    def _abandon_waiting(self, reason: str) -> None:
        waiting: list[Job] = self.scheduler.waiting
        for job in waiting:
            job.abandon(reason)

    async def _wait_for_change(self, seconds: float | None) -> None:
        """Wait until something changes in the scheduler, at most `seconds` (None: without limit)."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.scheduler.changed.wait(), seconds)
        self.scheduler.changed.clear()
