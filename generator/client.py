"""The HTTP API from the client's side: send a task, ask how it goes, fetch its pictures."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

Body = Mapping[str, Any]

ENDED = frozenset({"completed", "failed", "cancelled"})
CALL_SECONDS = 30.0
# How often a task is asked for: soon at first, then ever more seldom.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PAUSE_GROWTH = 0.2, 5.0, 1.3
BUSY_TRIES = 8
BUSY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class TaskRefusedError(Exception):
    """The task, or what the API says of it, is at fault: sending it again would not help."""


class ApiUnreachableError(Exception):
    """The API could not be asked, or did not let us in."""


class NotLetInError(ApiUnreachableError):
    """The API does not know the key, or there is no such API."""


class TooLongError(Exception):
    """The task had not ended when the time was up. It goes on without us."""


@dataclass(frozen=True)
class Receipt:
    """What the API says of a task that it took."""

    id: str
    runtime: str
    output_location: str


@dataclass(frozen=True)
class TaskStatus:
    """How a task goes: queued, running, completed, failed or cancelled, with the URLs of its pictures."""

    id: str
    runtime: str
    status: str
    images: tuple[str, ...]
    error: str = ""
    seed: int | None = None
    model: str | None = None
    # When the runtime began with it (Unix time), and for how many seconds it had it.
    started: float | None = None
    duration: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED


@dataclass(frozen=True)
class ApiClient:
    """One HTTP API: its URL with the stage, and a key of it."""

    url: str
    key: str

    def submit(self, body: Body) -> Receipt:
        """Send a task of either version; both carry their own form."""
        answer = self._call("POST", "v1alpha2" if "task" in body else "v1alpha1", body)
        task = answer.get("id") or answer["id_task"]  # the older version calls it id_task
        return Receipt(str(task), str(answer["runtime"]), str(answer["output_location"]))

    def status(self, runtime: str, task: str) -> TaskStatus:
        """How a task goes."""
        return status_of(self._call("GET", f"v1alpha2/{quote(runtime, safe='')}/{quote(task, safe='')}"))

    def _call(self, method: str, path: str, body: Body | None = None) -> Any:
        """The JSON that the API answers; 429 and the gateway's own 5xx are tried again."""
        for attempt in range(BUSY_TRIES):
            try:
                return self._once(method, path, body)
            except urllib.error.HTTPError as refusal:
                if refusal.code in BUSY and attempt + 1 < BUSY_TRIES:
                    time.sleep(min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS))
                    continue
                raise _refused(refusal, self.url) from refusal
            except (OSError, ValueError) as error:
                raise ApiUnreachableError(f"{self.url} did not answer: {reason(error)}") from error
        raise AssertionError  # the last try returns or raises

    def _once(self, method: str, path: str, body: Body | None) -> Any:
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise ApiUnreachableError(f"{self.url!r} is no http or https URL")
        request = urllib.request.Request(  # noqa: S310 (the scheme is checked above)
            f"{self.url.rstrip('/')}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-api-key": self.key, "content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310
            return json.load(answer)


def status_of(answer: Mapping[str, Any]) -> TaskStatus:
    """The status document of the API, typed."""
    error = answer.get("error") or {}
    return TaskStatus(
        id=str(answer["id"]),
        runtime=str(answer["runtime"]),
        status=str(answer["status"]),
        images=tuple(str(url) for url in answer.get("images") or ()),
        error=": ".join(str(error[key]) for key in ("code", "message") if error.get(key)),
        seed=answer.get("seed"),
        model=answer.get("model"),
        started=answer.get("started"),
        duration=answer.get("duration"),
    )


def text_to_image(runtime: str, task: str, prompt: str, settings: Body, model: str | None) -> dict[str, Any]:
    """The task for one prompt, as SD WebUI takes it. `model` is for a runtime whose model is dynamic."""
    override = {"override_settings": {"sd_model_checkpoint": model}} if model else {}
    return {
        "task": {
            "metadata": {"id": task, "runtime": runtime, "tasktype": "text-to-image"},
            "content": {"prompt": prompt, **settings, **override},
        }
    }


def parsed(text: str, name: str) -> dict[str, Any]:
    """The task of a file's text, in either form that the API takes. Raises TaskRefusedError."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise TaskRefusedError(f"{name} is no JSON: {error}") from error
    if not isinstance(body, dict) or not (_is_task(body.get("task")) or "alwayson_scripts" in body):
        raise TaskRefusedError(
            f'{name} is no task: it needs {{"task": {{"metadata": …, "content": …}}}} '
            "(examples/requests has one of each kind)"
        )
    return body


def _is_task(task: object) -> bool:
    return isinstance(task, dict) and isinstance(task.get("metadata"), dict)


def with_id(body: Body, task: str) -> dict[str, Any]:
    """The same task under another id."""
    if "task" in body:
        return {**body, "task": {**body["task"], "metadata": {**body["task"]["metadata"], "id": task}}}
    return {**body, "alwayson_scripts": {**body["alwayson_scripts"], "id_task": task}}


def with_runtime(body: Body, runtime: str) -> dict[str, Any]:
    """The same task for another runtime. The older form names no runtime: it is routed by its model."""
    if "task" in body:
        return {
            **body,
            "task": {**body["task"], "metadata": {**body["task"]["metadata"], "runtime": runtime}},
        }
    return dict(body)


def wait(door: ApiClient, receipt: Receipt, seconds: float, tell: Callable[[TaskStatus], None]) -> TaskStatus:
    """The status with which a task ended. `tell` hears of each change. Raises TooLongError."""
    end, pause, last = time.monotonic() + seconds, FIRST_PAUSE_SECONDS, ""
    while True:
        status = door.status(receipt.runtime, receipt.id)
        if status.status != last:
            tell(status)
        if status.ended:
            return status
        if time.monotonic() + pause > end:
            raise TooLongError(f"{receipt.id} is still {status.status} after {seconds:.0f} s")
        last = status.status
        time.sleep(pause)
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)


def save(status: TaskStatus, folder: Path) -> tuple[Path, ...]:
    """Fetch a task's pictures into `folder`, under the names that they have in the bucket."""
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_fetch(url, folder) for url in status.images)


def _fetch(url: str, folder: Path) -> Path:
    """One file, whole or not at all."""
    target = folder / PurePosixPath(urlsplit(url).path).name
    part = target.with_name(f"{target.name}.part")
    try:
        with urllib.request.urlopen(url, timeout=CALL_SECONDS) as answer:  # noqa: S310 (a URL that the API signed)
            part.write_bytes(answer.read())
    except OSError as error:
        raise ApiUnreachableError(f"{target.name} could not be fetched: {reason(error)}") from error
    part.rename(target)
    return target


def reason(error: Exception) -> str:
    """What an error of urllib says, without the wrapping."""
    return str(getattr(error, "reason", None) or error) or type(error).__name__


def _refused(refusal: urllib.error.HTTPError, url: str) -> TaskRefusedError | ApiUnreachableError:
    """What the API's problem document says, as the error that fits."""
    said = _problem(refusal.read())
    if refusal.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return NotLetInError(
            f"{url} does not let us in ({refusal.code} {said}): check the key and the URL's stage"
        )
    if refusal.code >= HTTPStatus.INTERNAL_SERVER_ERROR or refusal.code == HTTPStatus.TOO_MANY_REQUESTS:
        return ApiUnreachableError(f"{url} answered {refusal.code}: {said}")
    return TaskRefusedError(f"refused ({refusal.code}): {said}")


def _problem(content: bytes) -> str:
    """The text of a problem document (RFC 9457), or of whatever else was answered."""
    try:
        document = json.loads(content)
        found = [str(document[key]) for key in ("title", "detail", "message") if document.get(key)]
        faults = [f"{fault['field']} {fault['detail']}" for fault in document.get("errors") or ()]
    except (ValueError, AttributeError, TypeError, KeyError):
        return content[:200].decode(errors="replace") or "nothing"
    return "; ".join([*found, *faults]) or "nothing"
