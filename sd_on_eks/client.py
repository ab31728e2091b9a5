"""The client that waits for each answer."""

import mimetypes
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from sd_on_eks import transport
from sd_on_eks.errors import ApiUnreachableError, TaskFailedError, TooLongError
from sd_on_eks.models import Receipt, RuntimeInfo, TaskStatus, receipt_of, runtime_of, status_of

Body = Mapping[str, Any]
OnChange = Callable[[TaskStatus], None]

# What `generator api` and `make up` print.
URL_VARIABLE, KEY_VARIABLE = "API_URL", "API_KEY"
CALL_SECONDS, WAIT_SECONDS = 30.0, 600.0
# Pause between two status requests: short at first, longer for tasks that take longer.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PAUSE_GROWTH = 0.2, 5.0, 1.3


def _variable(name: str) -> Callable[[], str]:
    return lambda: os.environ.get(name, "")


@dataclass(frozen=True)
class Client:
    """One HTTP API: its URL with the stage, and an API key; by default those of API_URL and API_KEY.

    Every method may raise `ApiUnreachableError` and, for a request that the API refuses, `TaskRefusedError`.
    Throttled requests are repeated. An instance may be used by several threads. `timeout`: seconds of a call.
    """

    url: str = field(default_factory=_variable(URL_VARIABLE))
    key: str = field(default_factory=_variable(KEY_VARIABLE), repr=False)
    timeout: float = CALL_SECONDS

    def __post_init__(self) -> None:
        if not self.url or not self.key:
            raise ApiUnreachableError(
                f"no API: give `url` and `key`, or set {URL_VARIABLE} and {KEY_VARIABLE}"
            )

    def submit(
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
        """Send a task. Without an `id` it gets a new one; sent again under the same id it runs once.

        `timeout_seconds`: the longest run; `ttl_seconds`: the longest wait for it. `priority`: "high" goes
        before other tasks. `webhook`: an https:// URL that gets the result; see `verify_webhook`.
        `output`: how its pictures are stored, such as {"format": "webp", "thumbnail": {"maxSize": 256}}.
        `metadata`: further keys of the task's metadata.
        """
        given = {
            "prefix": prefix,
            "context": context,
            "timeoutSeconds": timeout_seconds,
            "ttlSeconds": ttl_seconds,
            "priority": priority,
            "webhook": webhook,
            "output": output,
            **(metadata or {}),
        }
        named = {"id": id or uuid.uuid4().hex, "runtime": runtime, "tasktype": tasktype}
        values = {name: value for name, value in given.items() if value is not None}
        return self.send({"task": {"metadata": {**named, **values}, "content": content}})

    def send(self, body: Body) -> Receipt:
        """Send a whole request, in the form of v1alpha2 or v1alpha1."""
        return receipt_of(self._call("POST", "v1alpha2" if "task" in body else "v1alpha1", body))

    def run(
        self,
        runtime: str,
        content: Body,
        tasktype: str = "text-to-image",
        *,
        timeout: float = WAIT_SECONDS,
        **metadata: Any,
    ) -> TaskStatus:
        """Send a task and wait for its pictures; `metadata` as for `submit`.

        Raises `TaskFailedError` when it fails or is cancelled, `TooLongError` after `timeout` seconds.
        """
        return completed(self.wait(self.submit(runtime, content, tasktype, **metadata), timeout))

    def status(self, runtime: str, task_id: str) -> TaskStatus:
        """The state of a task."""
        return status_of(self._call("GET", _task_path(runtime, task_id)))

    def cancel(self, task: Receipt | TaskStatus) -> bool:
        """Cancel a task; False when it runs and its agent was asked to stop it. Refused once it has ended."""
        answer = self._call("DELETE", _task_path(task.runtime, task.id))
        return bool(answer["status"] == "cancelled")

    def wait(
        self,
        task: Receipt | TaskStatus,
        timeout: float = WAIT_SECONDS,
        on_change: OnChange | None = None,
    ) -> TaskStatus:
        """The final status of a task. `on_change` is called with each new status. Raises `TooLongError`."""
        end, last = time.monotonic() + timeout, ""
        for pause in pauses():
            status = self.status(task.runtime, task.id)
            if on_change is not None and status.status != last:
                on_change(status)
            if status.ended:
                return status
            if time.monotonic() + pause > end:
                break
            last = status.status
            time.sleep(pause)
        raise too_long(status, timeout)

    def list(
        self,
        runtime: str,
        *,
        status: str | Sequence[str] = (),
        created_after: str = "",
        created_before: str = "",
    ) -> Iterator[TaskStatus]:
        """The tasks that this key has sent to a runtime, newest first; times in RFC 3339."""
        query = list_query(status, created_after, created_before)
        cursor = ""
        while True:
            tasks, cursor = self.page(runtime, query, cursor)
            yield from tasks
            if not cursor:
                return

    def page(
        self, runtime: str, query: Sequence[tuple[str, str]], cursor: str
    ) -> tuple[tuple[TaskStatus, ...], str]:
        """One page of a list, and the cursor of the next; "" after the last."""
        words = urlencode([*query, *([("cursor", cursor)] if cursor else [])])
        answer = self._call("GET", f"v1alpha2/{quote(runtime, safe='')}?{words}")
        return tuple(map(status_of, answer["tasks"])), str(answer.get("next_cursor", ""))

    def runtimes(self) -> tuple[RuntimeInfo, ...]:
        """Every runtime of the solution."""
        return tuple(map(runtime_of, self._call("GET", "runtimes")["runtimes"]))

    def runtime(self, name: str) -> RuntimeInfo:
        """A runtime with the models in its bucket, and with how many tasks wait and run."""
        return runtime_of(self._call("GET", f"runtimes/{quote(name, safe='')}"))

    def upload(self, runtime: str, file: Path | str | bytes, content_type: str | None = None) -> str:
        """Store a file; its address for tasks of this runtime, which this key alone may send.

        `content_type` follows from the name of a file on disk; bytes need it. Raises `OSError` too.
        """
        kind = content_type or (None if isinstance(file, bytes) else mimetypes.guess_type(str(file))[0])
        data = file if isinstance(file, bytes) else Path(file).read_bytes()
        body = {"runtime": runtime, "content_type": kind or "", "bytes": len(data)}
        upload = self._call("POST", "v1alpha2/uploads", body)
        transport.upload(upload["url"], data, upload["headers"], self.timeout)
        return str(upload["address"])

    def webhook_secret(self) -> str:
        """The secret with which the webhooks of this key's tasks are signed; see `verify_webhook`."""
        return str(self._call("GET", "webhook-secret")["secret"])

    def save(self, status: TaskStatus, folder: Path | str) -> tuple[Path, ...]:
        """Download a task's pictures to a folder, under their names in S3: each complete or not at all."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        return tuple(self._download(url, Path(folder)) for url in status.images)

    def _download(self, url: str, folder: Path) -> Path:
        target = folder / PurePosixPath(urlsplit(url).path).name
        part = target.with_name(f"{target.name}.part")
        content = transport.download(url, target.name, self.timeout)
        try:
            part.write_bytes(content)
            part.rename(target)
        except OSError as error:
            raise ApiUnreachableError(f"{target.name} could not be downloaded: {error}") from error
        return target

    def _call(self, method: str, path: str, body: Body | None = None) -> Any:
        return transport.call(self.url, self.key, method, path, body=body, timeout=self.timeout)


def pauses() -> Iterator[float]:
    """Seconds between two questions for the state of a task."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)


def completed(status: TaskStatus) -> TaskStatus:
    """The status of a completed task. Raises `TaskFailedError` for another one."""
    if status.status != "completed":
        raise TaskFailedError(status.id, status.status, status.error, status.error_code)
    return status


def too_long(status: TaskStatus, seconds: float) -> TooLongError:
    """The error of a task that did not end in time."""
    return TooLongError(f"{status.id} is still {status.status} after {seconds:.0f} s")


def list_query(
    status: str | Sequence[str], created_after: str, created_before: str
) -> tuple[tuple[str, str], ...]:
    """The parameters of a list of tasks."""
    states = (status,) if isinstance(status, str) else tuple(status)
    times = (("created_after", created_after), ("created_before", created_before))
    return (*(("status", state) for state in states), *(entry for entry in times if entry[1]))


def _task_path(runtime: str, task_id: str) -> str:
    return f"v1alpha2/{quote(runtime, safe='')}/{quote(task_id, safe='')}"
