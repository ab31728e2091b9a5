"""The HTTP API from the client's side: send a task, ask for its status, download its pictures."""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

Body = Mapping[str, Any]

# The final states of a task. The agent's protocol has them too; a client installs without the agent.
ENDED = frozenset({"completed", "failed", "cancelled"})
CALL_SECONDS = 30.0
# Kept open for each host: `make demo` follows some dozen tasks at once.
CONNECTIONS = 16
# Pause between two status requests: short at first, longer for tasks that take longer.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PAUSE_GROWTH = 0.2, 5.0, 1.3
# Throttling and API Gateway's own errors: the request was not handled, so that it may be sent again.
RETRIED_STATUSES = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
# A task that is sent twice has one id and runs once, so POST may be retried. Retry-After is respected.
RETRY = urllib3.Retry(
    total=None,
    connect=0,
    read=0,
    redirect=3,
    status=7,
    other=0,
    status_forcelist=[status.value for status in RETRIED_STATUSES],
    allowed_methods=None,
    backoff_factor=FIRST_PAUSE_SECONDS,
    backoff_max=LONGEST_PAUSE_SECONDS,
    raise_on_status=False,
)


class TaskRefusedError(Exception):
    """The task is not valid, or the API refused it: sending it again would not help."""


class ApiUnreachableError(Exception):
    """The API could not be reached, or refused access."""


class KeyRefusedError(ApiUnreachableError):
    """The API does not accept the key, or the URL names no stage of an API."""


class TooLongError(Exception):
    """The task had not ended when the time was up. It continues."""


@dataclass(frozen=True)
class Receipt:
    """The API's answer to an accepted task."""

    id: str
    runtime: str
    output_location: str


@dataclass(frozen=True)
class TaskStatus:
    """The state of a task (queued, running, completed, failed, cancelled) and the URLs of its pictures."""

    id: str
    runtime: str
    status: str
    images: tuple[str, ...]
    error: str = ""
    seed: int | None = None
    model: str | None = None
    # When the runtime started it (Unix time), and how many seconds the runtime took.
    started: float | None = None
    duration: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the status is final."""
        return self.status in ENDED


@dataclass(frozen=True)
class ApiClient:
    """One HTTP API: its URL with the stage, and an API key."""

    url: str
    key: str

    @property
    def exports(self) -> str:
        """The line that sets the variables of README's examples in a shell."""
        return f"export API_URL={shlex.quote(self.url)} API_KEY={shlex.quote(self.key)}"

    def submit(self, body: Body) -> Receipt:
        """Send a task, in the form of v1alpha2 or v1alpha1. Raises TaskRefusedError, ApiUnreachableError."""
        answer = self._call("POST", "v1alpha2" if "task" in body else "v1alpha1", body)
        task_id = answer.get("id") or answer["id_task"]  # v1alpha1 calls it id_task
        return Receipt(str(task_id), str(answer["runtime"]), str(answer["output_location"]))

    def status(self, runtime: str, task_id: str) -> TaskStatus:
        """The status of a task. Raises TaskRefusedError for an unknown one, ApiUnreachableError."""
        return status_of(self._call("GET", f"v1alpha2/{quote(runtime, safe='')}/{quote(task_id, safe='')}"))

    def _call(self, method: str, path: str, body: Body | None = None) -> Any:
        """The JSON that the API answers."""
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise ApiUnreachableError(f"{self.url!r} is not an http or https URL")
        try:
            response = _request(
                method,
                f"{self.url.rstrip('/')}/{path}",
                headers={"x-api-key": self.key, "content-type": "application/json"},
                body=None if body is None else json.dumps(body).encode(),
            )
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise _refused(response.status, response.data, self.url)
            return json.loads(response.data)
        except (HTTPError, OSError, ValueError) as error:
            raise ApiUnreachableError(f"{self.url} did not answer: {reason(error)}") from error


def _request(
    method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> urllib3.BaseHTTPResponse:
    """One request with its retries, through the proxy of the environment if there is one."""
    return _manager(url).request(
        method, url, headers=headers, body=body, timeout=CALL_SECONDS, retries=RETRY, preload_content=True
    )


def _manager(url: str) -> urllib3.PoolManager:
    """The connections to use for a URL."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    return _connections(proxy)


@cache
def _connections(proxy: str | None) -> urllib3.PoolManager:
    """Connections that all calls share, through a proxy if there is one."""
    return (
        urllib3.ProxyManager(proxy, maxsize=CONNECTIONS)
        if proxy
        else urllib3.PoolManager(maxsize=CONNECTIONS)
    )


def status_of(answer: Mapping[str, Any]) -> TaskStatus:
    """The typed form of the API's status document."""
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


def text_to_image(
    runtime: str, task_id: str, prompt: str, settings: Body, model: str | None
) -> dict[str, Any]:
    """A task for one prompt, in SD WebUI's form. `model` names the checkpoint for a dynamic runtime."""
    override = {"override_settings": {"sd_model_checkpoint": model}} if model else {}
    return {
        "task": {
            "metadata": {"id": task_id, "runtime": runtime, "tasktype": "text-to-image"},
            "content": {"prompt": prompt, **settings, **override},
        }
    }


def parsed(text: str, name: str) -> dict[str, Any]:
    """The task in a file's text, in either version. `name` is the file's. Raises TaskRefusedError."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise TaskRefusedError(f"{name} is not valid JSON: {error}") from error
    if not isinstance(body, dict) or not (_is_task(body.get("task")) or "alwayson_scripts" in body):
        raise TaskRefusedError(
            f'{name} is not a task: a task is {{"task": {{"metadata": …, "content": …}}}} '
            "(examples/requests has one of each type)"
        )
    return body


def _is_task(task: object) -> bool:
    return isinstance(task, dict) and isinstance(task.get("metadata"), dict)


def with_id(body: Body, task_id: str) -> dict[str, Any]:
    """The same task under another id."""
    if "task" in body:
        return {**body, "task": {**body["task"], "metadata": {**body["task"]["metadata"], "id": task_id}}}
    return {**body, "alwayson_scripts": {**body["alwayson_scripts"], "id_task": task_id}}


def with_runtime(body: Body, runtime: str) -> dict[str, Any]:
    """The same task for another runtime. A v1alpha1 task names no runtime: its model selects one."""
    if "task" in body:
        return {
            **body,
            "task": {**body["task"], "metadata": {**body["task"]["metadata"], "runtime": runtime}},
        }
    return dict(body)


def wait(
    api: ApiClient, receipt: Receipt, seconds: float, on_change: Callable[[TaskStatus], None]
) -> TaskStatus:
    """The final status of a task. `on_change` is called with each new status. Raises TooLongError."""
    end, pause, last = time.monotonic() + seconds, FIRST_PAUSE_SECONDS, ""
    while True:
        status = api.status(receipt.runtime, receipt.id)
        if status.status != last:
            on_change(status)
        if status.ended:
            return status
        if time.monotonic() + pause > end:
            raise TooLongError(f"{receipt.id} is still {status.status} after {seconds:.0f} s")
        last = status.status
        time.sleep(pause)
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)


def save(status: TaskStatus, folder: Path) -> tuple[Path, ...]:
    """Download a task's pictures to `folder`, under their names in S3. Raises ApiUnreachableError."""
    folder.mkdir(parents=True, exist_ok=True)
    return tuple(_download(url, folder) for url in status.images)


def _download(url: str, folder: Path) -> Path:
    """One file, complete or not at all."""
    target = folder / PurePosixPath(urlsplit(url).path).name
    part = target.with_name(f"{target.name}.part")
    try:
        response = _request("GET", url)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise ApiUnreachableError(f"{target.name} could not be downloaded: HTTP {response.status}")
        part.write_bytes(response.data)
    except (HTTPError, OSError) as error:
        raise ApiUnreachableError(f"{target.name} could not be downloaded: {reason(error)}") from error
    part.rename(target)
    return target


def reason(error: Exception) -> str:
    """The cause that urllib3 wraps, without the connection's address."""
    text = str(getattr(error, "reason", None) or error).rpartition("): ")[2]
    return text or type(error).__name__


def _refused(status: int, content: bytes, url: str) -> TaskRefusedError | ApiUnreachableError:
    """The error for an answer of 400 or above."""
    problem = _problem(content)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return KeyRefusedError(
            f"{url} refused access ({status} {problem}): check the key and the URL's stage"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return ApiUnreachableError(f"{url} answered {status}: {problem}")
    return TaskRefusedError(f"refused ({status}): {problem}")


def _problem(content: bytes) -> str:
    """The text of a problem document (RFC 9457), or the start of any other answer."""
    try:
        document = json.loads(content)
        texts = [str(document[key]) for key in ("title", "detail", "message") if document.get(key)]
        texts += [f"{error['field']} {error['detail']}" for error in document.get("errors") or ()]
    except (ValueError, AttributeError, TypeError, KeyError):
        return content[:200].decode(errors="replace") or "no content"
    return "; ".join(texts) or "no content"
