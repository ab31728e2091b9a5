"""Guards every call of an adapter: whatever a runtime answers, the agent goes on."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from queue_agent.adapters.shared.http import ResponseTooLarge
from queue_agent.blobs import ScratchFull
from queue_agent.contract import (
    Adapter,
    Cancelled,
    FieldPath,
    FinishedRun,
    InputImage,
    Prepared,
    ProgressCallback,
    RunResult,
    RuntimeUnavailable,
    Task,
    TaskError,
)
from queue_agent.ops.logs import log

T = TypeVar("T")
# What the contract lets an adapter raise.
OF_THE_CONTRACT = (TaskError, RuntimeUnavailable, Cancelled, ScratchFull)


class GuardedAdapter:
    """An adapter whose calls raise only what the contract names.

    Runtimes have extensions and faults of their own: a list where an object belongs, JSON too deep to parse.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def model(self, task: Task) -> str | None:
        """As in the contract; content that cannot be read is the task's fault."""
        try:
            return self._adapter.model(task)
        except OF_THE_CONTRACT:
            raise
        except Exception as error:
            raise _unreadable(task, error) from error

    def image_fields(self, task: Task) -> Sequence[FieldPath]:
        """As in the contract; content that cannot be read is the task's fault."""
        try:
            return self._adapter.image_fields(task)
        except OF_THE_CONTRACT:
            raise
        except Exception as error:
            raise _unreadable(task, error) from error

    def media_fields(self, task: Task) -> Sequence[FieldPath]:
        """As in the contract; content that cannot be read is the task's fault."""
        try:
            return self._adapter.media_fields(task)
        except OF_THE_CONTRACT:
            raise
        except Exception as error:
            raise _unreadable(task, error) from error

    async def ready(self) -> bool:
        """As in the contract: an answer of another form is none."""
        try:
            return await self._adapter.ready()
        except Exception as error:
            log.warning("unexpected answer to the probe", extra={"error": _name(error)})
            return False

    async def warm_up(self) -> None:
        """As in the contract."""
        await _guarded(self._adapter.warm_up())

    async def prepare(self, task: Task, images: Mapping[FieldPath, InputImage]) -> Prepared:
        """As in the contract."""
        return await _guarded(self._adapter.prepare(task, images))

    async def run(self, prepared: Prepared, on_progress: ProgressCallback) -> FinishedRun:
        """As in the contract; outputs that are too large are the task's fault."""
        return await _of_task(self._adapter.run(prepared, on_progress))

    async def collect(self, run: FinishedRun) -> RunResult:
        """As in the contract; outputs that are too large are the task's fault."""
        return await _of_task(self._adapter.collect(run))

    async def cancel(self, task: Task) -> None:
        """As in the contract."""
        await _guarded(self._adapter.cancel(task))

    async def idle(self) -> bool:
        """As in the contract."""
        return await _guarded(self._adapter.idle())

    async def clear(self) -> None:
        """As in the contract."""
        await _guarded(self._adapter.clear())

    async def nodes(self) -> Mapping[str, Any] | None:
        """As in the contract."""
        return await _guarded(self._adapter.nodes())


async def _of_task(call: Coroutine[Any, Any, T]) -> T:
    try:
        return await _guarded(call)
    except ResponseTooLarge as error:
        raise TaskError("output_too_large", error.message) from None


async def _guarded(call: Coroutine[Any, Any, T]) -> T:
    try:
        return await call
    except OF_THE_CONTRACT:
        raise
    except Exception as error:
        log.error("unexpected answer of the runtime", exc_info=error)
        raise RuntimeUnavailable("runtime_answer", f"an unexpected answer: {_name(error)}") from error


def _unreadable(task: Task, error: Exception) -> TaskError:
    log.error("unreadable content", extra={"task": task.id}, exc_info=error)
    return TaskError("malformed", f"the content cannot be read: {_name(error)}")


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
