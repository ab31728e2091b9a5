"""Takes tasks from the queue when they are about to be needed, and lets go of them in time."""

import asyncio
import contextlib

from queue_agent.aws.queue import SQS_MAX_RECEIVE, Message
from queue_agent.flow import finish, intake, lookahead
from queue_agent.flow.job import Job, Stage
from queue_agent.flow.line import Line
from queue_agent.flow.services import Services
from queue_agent.flow.stages import TaskRunner, fault_of
from queue_agent.flow.supervisor import Supervisor
from queue_agent.ops.logs import log
from queue_agent.task.messages import MalformedMessageError

# A runtime that is away for longer gets its tasks taken from it.
AWAY_SECONDS = 1.0
# A hand-out that took longer was a wait for a message, not a round trip.
ROUND_TRIP_SECONDS = 0.5
# After the last run: outputs to store, callback, delete. With LAST_STOP_SECONDS it fits the 15 s that the
# chart leaves between SHUTDOWN_GRACE_SECONDS and the end of the pod.
FINISH_SECONDS = 8.0


class Feeder:
    """Everything between the queue and the results topic."""

    def __init__(self, kit: Services) -> None:
        grouping = kit.settings.model_grouping_seconds if kit.settings.dynamic_model else 0.0
        self._kit = kit
        self.line = Line(kit.metrics, grouping)
        self.supervisor = Supervisor(
            kit.adapter, kit.metrics, lambda: self.line.running is not None, self._runtime_changed
        )
        self._lives = TaskRunner(kit, self.line, self.supervisor)
        self._stopping = False
        self._polling = False
        self._clock = asyncio.get_running_loop().time
        self.drained = asyncio.Event()

    async def feed(self) -> None:
        """Take tasks from the queue, until told to stop."""
        while not self._stopping:
            if not self.supervisor.up.is_set():
                await self._runtime_away()
                continue
            for job in self.line.overheld(self._kit.settings.max_attempts):
                job.abandon("held_too_long")
            plan = lookahead.plan(self.line.view)
            if plan.take <= 0:
                await self._change_within(plan.look_again)
            elif not self.line.begin_one():
                await self._receive(plan.take)

    async def drain(self, feeding: asyncio.Task[None], grace: float) -> None:
        """Give back what has not started, finish what runs if `grace` seconds allow, then let go."""
        log.info("told to end", extra={"tasks": len(self.line.jobs)})
        end = self._clock() + grace
        self._stopping, self.line.open = True, False
        self._abandon_waiting("shutdown")
        if not self._polling:
            feeding.cancel()
        while self.line.running is not None and self._clock() < end:
            await self._change_within(end - self._clock())
        # An abandoned poll could have been handed a message, which nobody would see until it times out.
        patience = self._kit.settings.receive_wait_seconds + 1.0
        await asyncio.wait({feeding}, timeout=max(0.1, min(patience, end - self._clock())))
        feeding.cancel()
        if self.line.running is not None:
            self.line.running.abandon("shutdown")
        while self.line.running is not None:
            await self._change_within(None)
        lives = {job.life for job in self.line.jobs if job.life is not None} | self._lives.others
        if lives:
            await asyncio.wait(lives, timeout=max(FINISH_SECONDS, end - self._clock()))
        # Only now may the runtime go: the outputs of the last task are fetched from it after its run.
        self.drained.set()

    async def _receive(self, count: int) -> None:
        # With tasks kept for another checkpoint we only look whether nobody else waits for what is there.
        looking = bool(self.line.kept)
        room = min(lookahead.WINDOW - len(self.line.kept), SQS_MAX_RECEIVE)
        if looking and room <= 0:
            self.line.begin_one(whichever=True)
            return
        wait = 0 if looking else self._kit.settings.receive_wait_seconds
        asked, self._polling = self._clock(), True
        messages = await self._kit.queue.receive(room if looking else count, wait)
        self._polling = False
        for message in messages:
            if (fault := await fault_of(self._accept(message))) is not None:
                log.error("a fault of the agent", extra={"message_id": message.id}, exc_info=fault)
                reason = f"the agent fails on it: {type(fault).__name__}"
                self._lives.aside(finish.refuse(self._kit, message, None, reason))
        if messages:
            self._lives.round_trip = min(self._clock() - asked, ROUND_TRIP_SECONDS)
        elif looking:
            self.line.begin_one(whichever=True)

    async def _accept(self, message: Message) -> None:
        self._kit.metrics.queue_wait.observe(max(0.0, message.received - message.sent))
        try:
            job = intake.accept(self._kit, message, self._clock())
        except MalformedMessageError as fault:
            self._lives.aside(finish.refuse(self._kit, message, fault.task_id, fault.reason))
            return
        if self._stopping or not self.supervisor.up.is_set():
            job.stage = Stage.FINISHING
            self._lives.aside(finish.give_back(self._kit, job, "too_late", 0))
            return
        self.line.add(job)
        job.life = asyncio.ensure_future(self._lives.live(job))

    def _runtime_changed(self, up: bool) -> None:
        self.line.open = up and not self._stopping
        self.line.pass_on()

    async def _runtime_away(self) -> None:
        up = self.supervisor.up
        try:
            await asyncio.wait_for(up.wait(), AWAY_SECONDS)
        except TimeoutError:
            self._abandon_waiting("runtime_away")
            await up.wait()

    def _abandon_waiting(self, reason: str) -> None:
        waiting: list[Job] = self.line.waiting
        for job in waiting:
            job.abandon(reason)

    async def _change_within(self, seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.line.changed.wait(), seconds)
        self.line.changed.clear()
