"""Listens to a runtime beside the call that runs a task. Whatever goes wrong here harms no task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from queue_agent.runtime import RuntimeUnavailable


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


async def heard(hint: asyncio.Event, seconds: float) -> None:
    """Wait for the hint that something is over, but no longer than so: hints get lost."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await hint.wait()
            hint.clear()
