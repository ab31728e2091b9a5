"""Listens to a runtime beside the call that runs a task. Whatever goes wrong here harms no task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from queue_agent.contract import RuntimeUnavailable

SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 0.5
POLL_SHARE = 0.05


@contextlib.asynccontextmanager
async def beside(listen: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `listen` for as long as the block lasts."""

    async def unharmed() -> None:
        # A frame that is not as it should be ends the listening, never the task.
        with contextlib.suppress(RuntimeUnavailable, LookupError, TypeError, ValueError, AttributeError):
            await listen

    listening = asyncio.ensure_future(unharmed())
    try:
        yield
    finally:
        listening.cancel()


async def heard(hint: asyncio.Event, waited: float) -> None:
    """Wait for the hint that work is over, or until it is time to look: hints get lost, looks do not.

    What has been `waited` for long is looked for seldom.
    """
    seconds = min(max(SHORTEST_POLL_SECONDS, waited * POLL_SHARE), LONGEST_POLL_SECONDS)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await hint.wait()
            hint.clear()
