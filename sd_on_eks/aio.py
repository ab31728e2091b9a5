"""The client for asyncio. Each call runs in a thread, so that both clients behave alike."""

import asyncio
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from sd_on_eks.client import (
    CALL_SECONDS,
    WAIT_SECONDS,
    Body,
    Client,
    OnChange,
    completed,
    list_query,
    pauses,
    too_long,
)
from sd_on_eks.models import Receipt, RuntimeInfo, TaskStatus


class AsyncClient:
    """As `Client`, whose methods describe these; between two questions for a status no thread waits."""

    def __init__(self, url: str = "", key: str = "", timeout: float = CALL_SECONDS) -> None:
        given = {name: value for name, value in (("url", url), ("key", key)) if value}
        self._client = Client(timeout=timeout, **given)

    async def submit(
        self,
        runtime: str,
        content: Body,
        tasktype: str = "text-to-image",
        *,
        id: str | None = None,
        prefix: str | None = None,
        context: Any = None,
        timeout_seconds: float | None = None,
        ttl_seconds: float | None = None,
        priority: str | None = None,
        webhook: str | None = None,
        output: Body | None = None,
        metadata: Body | None = None,
    ) -> Receipt:
        """Send a task; see `Client.submit`."""
        return await to_thread(
            self._client.submit,
            runtime,
            content,
            tasktype,
            id=id,
            prefix=prefix,
            context=context,
            timeout_seconds=timeout_seconds,
            ttl_seconds=ttl_seconds,
            priority=priority,
            webhook=webhook,
            output=output,
            metadata=metadata,
        )

    async def send(self, body: Body) -> Receipt:
        """Send a whole request, in the form of v1alpha2 or v1alpha1."""
        return await to_thread(self._client.send, body)

    async def run(
        self,
        runtime: str,
        content: Body,
        tasktype: str = "text-to-image",
        *,
        timeout: float = WAIT_SECONDS,  # noqa: ASYNC109 (as in Client)
        **metadata: Any,
    ) -> TaskStatus:
        """Send a task and wait for its pictures; see `Client.run`."""
        return completed(await self.wait(await self.submit(runtime, content, tasktype, **metadata), timeout))

    async def status(self, runtime: str, task_id: str) -> TaskStatus:
        """The state of a task."""
        return await to_thread(self._client.status, runtime, task_id)

    async def cancel(self, task: Receipt | TaskStatus) -> bool:
        """Cancel a task; see `Client.cancel`."""
        return await to_thread(self._client.cancel, task)

    async def wait(
        self,
        task: Receipt | TaskStatus,
        timeout: float = WAIT_SECONDS,  # noqa: ASYNC109 (as in Client)
        on_change: OnChange | None = None,
    ) -> TaskStatus:
        """The final status of a task; see `Client.wait`."""
        end, last = time.monotonic() + timeout, ""
        for pause in pauses():
            status = await self.status(task.runtime, task.id)
            if on_change is not None and status.status != last:
                on_change(status)
            if status.ended:
                return status
            if time.monotonic() + pause > end:
                break
            last = status.status
            await asyncio.sleep(pause)
        raise too_long(status, timeout)

    async def list(
        self,
        runtime: str,
        *,
        status: str | Sequence[str] = (),
        created_after: str = "",
        created_before: str = "",
    ) -> AsyncIterator[TaskStatus]:
        """The tasks that this key has sent to a runtime, newest first; see `Client.list`."""
        query, cursor = list_query(status, created_after, created_before), ""
        while True:
            tasks, cursor = await to_thread(self._client.page, runtime, query, cursor)
            for task in tasks:
                yield task
            if not cursor:
                return

    async def runtimes(self) -> tuple[RuntimeInfo, ...]:
        """Every runtime of the solution."""
        return await to_thread(self._client.runtimes)

    async def runtime(self, name: str) -> RuntimeInfo:
        """A runtime with the models in its bucket, and with how many tasks wait and run."""
        return await to_thread(self._client.runtime, name)

    async def upload(self, runtime: str, file: Path | str | bytes, content_type: str | None = None) -> str:
        """Store a file; its address for tasks of this runtime. See `Client.upload`."""
        return await to_thread(self._client.upload, runtime, file, content_type)

    async def webhook_secret(self) -> str:
        """The secret with which the webhooks of this key's tasks are signed; see `verify_webhook`."""
        return await to_thread(self._client.webhook_secret)

    async def save(self, status: TaskStatus, folder: Path | str) -> tuple[Path, ...]:
        """Download a task's pictures to a folder; see `Client.save`."""
        return await to_thread(self._client.save, status, folder)
