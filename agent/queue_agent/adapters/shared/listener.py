"""Listens to a runtime's events during a run. A failure to listen never fails the task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

MIN_POLL_SECONDS, MAX_POLL_SECONDS = 0.02, 0.5
# The time between polls, as a share of the time that the run has taken so far.
POLL_SHARE = 0.05


@contextlib.asynccontextmanager
async def listening(listener: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `listener` for as long as the block lasts."""

    async def guarded() -> None:
        # A malformed event, of whatever form, ends the listener, not the task.
        with contextlib.suppress(Exception):
            await listener

    task = asyncio.ensure_future(guarded())
    try:
        yield
    finally:
        task.cancel()


async def wait_for_event(done: asyncio.Event, waited: float) -> None:
    """Wait until the listener reports the end of the run, or until the next poll is due: events can get lost.

    The longer the run has `waited` (seconds), the longer is the time between polls.
    """
    seconds = min(max(MIN_POLL_SECONDS, waited * POLL_SHARE), MAX_POLL_SECONDS)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await done.wait()
            done.clear()
