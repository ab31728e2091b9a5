"""HTTP requests of the client: connections, retries, and the errors that answers stand for."""

import json
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

from sd_on_eks.errors import ApiUnreachableError, KeyRefusedError, TaskRefusedError

# Kept open for each host: `make demo` follows some dozen tasks at once.
CONNECTIONS = 16
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.2, 5.0
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
    backoff_factor=FIRST_BACKOFF_SECONDS,
    backoff_max=LONGEST_BACKOFF_SECONDS,
    raise_on_status=False,
)


def call(
    url: str, key: str, method: str, path: str, *, body: Mapping[str, Any] | None, timeout: float
) -> Any:
    """The JSON that the API at `url` answers. Raises `ApiError`."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ApiUnreachableError(f"{url!r} is not an http or https URL")
    try:
        response = request(
            method,
            f"{url.rstrip('/')}/{path}",
            timeout,
            headers={"x-api-key": key, "content-type": "application/json"},
            body=None if body is None else json.dumps(body).encode(),
        )
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refused(response.status, response.data, url)
        return json.loads(response.data)
    except (HTTPError, OSError, ValueError) as error:
        raise ApiUnreachableError(f"{url} did not answer: {reason(error)}") from error


def download(url: str, name: str, timeout: float) -> bytes:
    """The file behind a link. Raises `ApiUnreachableError`."""
    try:
        response = request("GET", url, timeout)
    except (HTTPError, OSError) as error:
        raise ApiUnreachableError(f"{name} could not be downloaded: {reason(error)}") from error
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise ApiUnreachableError(f"{name} could not be downloaded: HTTP {response.status}")
    return bytes(response.data)


def upload(url: str, data: bytes, headers: Mapping[str, str], timeout: float) -> None:
    """Put a file where a link says. Raises `ApiUnreachableError`."""
    try:
        response = request("PUT", url, timeout, headers=headers, body=data)
    except (HTTPError, OSError) as error:
        raise ApiUnreachableError(f"the file could not be uploaded: {reason(error)}") from error
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise ApiUnreachableError(f"the file could not be uploaded: HTTP {response.status}")


def request(
    method: str,
    url: str,
    timeout: float,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> urllib3.BaseHTTPResponse:
    """One request with its retries, through the proxy of the environment if there is one."""
    return _manager(url).request(
        method, url, headers=headers, body=body, timeout=timeout, retries=RETRY, preload_content=True
    )


def reason(error: Exception) -> str:
    """The cause that urllib3 wraps, without the connection's address."""
    text = str(getattr(error, "reason", None) or error).rpartition("): ")[2]
    return text or type(error).__name__


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
