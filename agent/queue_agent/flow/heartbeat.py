"""Keeps the message and the claim of a task while an agent has it."""

import asyncio
import contextlib

from queue_agent.aws.claims import LeaseLost
from queue_agent.aws.retry import AwsUnavailable
from queue_agent.flow.job import Job
from queue_agent.flow.services import Services
from queue_agent.ops.logs import log

# Once the pod is told to end, its tasks are hidden from other agents for only so long at a time.
ENDING_VISIBILITY_SECONDS = 15.0


class Heartbeat:
    """Keeps the tasks of one agent."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._seconds = float(services.settings.visibility_timeout_seconds)
        self._ending = asyncio.Event()

    def expect_end(self) -> None:
        """The pod may end at any moment: what it then takes along is to be visible again soon."""
        self._seconds = min(self._seconds, ENDING_VISIBILITY_SECONDS)
        self._ending.set()

    async def keep(self, job: Job) -> None:
        """Extend the message's visibility timeout and the lease, until cancelled."""
        while True:
            await self._pause()
            seconds = self._seconds
            try:
                async with job.visibility:
                    if job.returned:
                        return
                    if not await self._services.queue.extend_visibility(job.message, seconds):
                        log.warning("the message is visible again", extra=job.log_fields())
                if job.lease is not None:
                    if self._ending.is_set():
                        job.lease.expect_end(seconds)
                    await job.lease.renew(seconds / 3)
            except AwsUnavailable as error:
                log.warning("heartbeat failed", extra={**job.log_fields(), "error": str(error)})
            except LeaseLost:
                _abandon(job)
                return

    async def _pause(self) -> None:
        """Wait for a third of the visibility timeout, or until it becomes shorter."""
        seconds = self._seconds / 3
        if self._ending.is_set():
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)


async def count_attempt(job: Job, after: float) -> None:
    """Note in the claim that the attempt has begun, unless its outputs are here `after` seconds from now."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(after):
            await job.collected.wait()
            return
    try:
        if job.lease is not None:
            await job.lease.begin_attempt()
    except AwsUnavailable as error:
        log.warning("the attempt was not counted", extra={**job.log_fields(), "error": str(error)})
    except LeaseLost:
        _abandon(job)


def _abandon(job: Job) -> None:
    log.warning("lease lost to another agent", extra=job.log_fields())
    job.abandon("lease_lost")
