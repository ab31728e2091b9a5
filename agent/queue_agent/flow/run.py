"""Runs one task on the runtime, with a deadline, and a watchdog for a runtime that stops responding."""

import asyncio
import contextlib

from queue_agent.contract import (
    TIMEOUT,
    Adapter,
    FinishedRun,
    Prepared,
    ProgressCallback,
    RuntimeUnavailable,
    Task,
    TaskError,
)
from queue_agent.ops.logs import log

IDLE_POLL_SECONDS = 0.2
CANCEL_SECONDS = 5.0


async def run(
    adapter: Adapter,
    prepared: Prepared,
    on_progress: ProgressCallback,
    silence_seconds: float,
    grace_seconds: float,
) -> FinishedRun:
    """Run the task to its end. Raises what the adapter raises, and `TaskError` when the task takes too long.

    After cancelling this coroutine, the caller must call `stop`. The adapter's coroutine is awaited directly:
    with a task of its own, other work of the event loop would go first, while the GPU waits.
    """
    task = prepared.task
    clock = asyncio.get_running_loop().time
    end = clock() + task.timeout_seconds
    try:
        async with asyncio.timeout_at(end) as deadline:
            watchdog = asyncio.ensure_future(_watch_silence(adapter, silence_seconds, deadline))
            try:
                return await adapter.run(prepared, on_progress)
            except RuntimeUnavailable:
                await _try_cancel(adapter, task)
                raise
            finally:
                watchdog.cancel()
    except TimeoutError:
        if not deadline.expired():
            raise
    if clock() < end:
        await stop(adapter, task, grace_seconds)
        raise RuntimeUnavailable("runtime_silent", f"the runtime has not responded for {silence_seconds:g} s")
    if not await stop(adapter, task, grace_seconds):
        raise RuntimeUnavailable(
            "runtime_hung", "the task took too long and the runtime did not stop it when asked to"
        )
    raise TaskError(TIMEOUT, f"the task took longer than {task.timeout_seconds:g} s")


async def stop(adapter: Adapter, task: Task, grace_seconds: float) -> bool:
    """Cancel the task and wait until the runtime is idle; False when it is not within `grace_seconds`."""
    try:
        async with asyncio.timeout(grace_seconds):
            while True:
                with contextlib.suppress(RuntimeUnavailable):
                    await adapter.cancel(task)
                    if await adapter.idle():
                        return True
                await asyncio.sleep(IDLE_POLL_SECONDS)
    except TimeoutError:
        log.warning("the runtime did not stop the task", extra={"task": task.id, "seconds": grace_seconds})
        return False


async def _try_cancel(adapter: Adapter, task: Task) -> None:
    """Cancel what a runtime that failed may still be running: another agent will get the task."""
    with contextlib.suppress(RuntimeUnavailable, TimeoutError):
        async with asyncio.timeout(CANCEL_SECONDS):
            await adapter.cancel(task)


async def _watch_silence(adapter: Adapter, silence_seconds: float, deadline: asyncio.Timeout) -> None:
    """End the run once the runtime has not answered its probe for so long."""
    clock = asyncio.get_running_loop().time
    answered = clock()
    while clock() - answered < silence_seconds:
        await asyncio.sleep(silence_seconds / 4)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(silence_seconds):
                answered = clock() if await adapter.ready() else answered
    deadline.reschedule(clock())
