"""Hears how far a task is, beside the call that runs it. Whatever goes wrong here harms no task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from queue_agent.runtime import RuntimeUnavailable

# A task that is over before then needs no progress, and pays nothing for it.
FIRST_SECONDS = 0.5
Follow = Callable[[], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def beside(follow: Follow) -> AsyncIterator[None]:
    """Run `follow` from a little later on, for as long as the block lasts."""

    async def later() -> None:
        await asyncio.sleep(FIRST_SECONDS)
        # A frame that is not as it should be ends the following, never the task.
        with contextlib.suppress(RuntimeUnavailable, LookupError, TypeError, ValueError, AttributeError):
            await follow()

    following = asyncio.ensure_future(later())
    try:
        yield
    finally:
        following.cancel()
