"""One task on the runtime: with a deadline, a watch over a runtime that falls silent, and a clean end."""

import asyncio
import contextlib

from queue_agent.contract import Adapter, Prepared, Progress, Ran, RuntimeUnavailable, Task, TaskError
from queue_agent.ops.logs import log

IDLE_POLL_SECONDS = 0.2
CALL_OFF_SECONDS = 5.0


async def run(
    adapter: Adapter, prepared: Prepared, on_progress: Progress, silence: float, grace: float
) -> Ran:
    """Run it to its end. Raises what the adapter raises, and for a task that took too long `TaskError`.

    When this coroutine is cancelled, the caller has `stop` to call. The adapter's coroutine is awaited as it
    is: each task between would let other work of the event loop go first, while the GPU waits.
    """
    task = prepared.task
    clock = asyncio.get_running_loop().time
    end = clock() + task.timeout_seconds
    try:
        async with asyncio.timeout_at(end) as deadline:
            watch = asyncio.ensure_future(_silent(adapter, silence, deadline))
            try:
                return await adapter.run(prepared, on_progress)
            except RuntimeUnavailable:
                await _call_off(adapter, task)
                raise
            finally:
                watch.cancel()
    except TimeoutError:
        if not deadline.expired():
            raise
    if clock() < end:
        await stop(adapter, task, grace)
        raise RuntimeUnavailable("runtime_silent", f"the runtime has not answered for {silence:g} s")
    if not await stop(adapter, task, grace):
        raise RuntimeUnavailable("runtime_hung", "the task took too long and the runtime does not stop it")
    raise TaskError("timeout", f"the task took longer than {task.timeout_seconds:g} s")


async def stop(adapter: Adapter, task: Task, grace: float) -> bool:
    """Stop the task and wait until the runtime is idle; False when it is not within `grace` seconds."""
    try:
        async with asyncio.timeout(grace):
            while True:
                with contextlib.suppress(RuntimeUnavailable):
                    await adapter.cancel(task)
                    if await adapter.idle():
                        return True
                await asyncio.sleep(IDLE_POLL_SECONDS)
    except TimeoutError:
        log.warning("the runtime did not stop the task", extra={"task": task.id, "seconds": grace})
        return False


async def _call_off(adapter: Adapter, task: Task) -> None:
    """Have a runtime that failed us let go: another agent is about to get what it may still be at."""
    with contextlib.suppress(RuntimeUnavailable, TimeoutError):
        async with asyncio.timeout(CALL_OFF_SECONDS):
            await adapter.cancel(task)


async def _silent(adapter: Adapter, silence: float, deadline: asyncio.Timeout) -> None:
    """End the run once the runtime has left its probe unanswered for so long."""
    clock = asyncio.get_running_loop().time
    heard = clock()
    while clock() - heard < silence:
        await asyncio.sleep(silence / 4)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(silence):
                heard = clock() if await adapter.ready() else heard
    deadline.reschedule(clock())
