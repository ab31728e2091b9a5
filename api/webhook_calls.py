"""Calls a webhook: connects only to the public addresses that were checked, and follows no redirect."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from queue_agent.task.public_addresses import is_public

from api.webhook_urls import LOCAL_HOSTS, webhook_error

_CONNECT_SECONDS, _MAX_ADDRESSES = 5.0, 3
# For the whole call: a server that sends a byte now and then ends with it as well.
CALL_SECONDS = 15.0


class WebhookError(Exception):
    """The webhook was not accepted; `status` is that of the HTTP answer, if there was one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


def call_webhook(
    url: str, body: bytes, headers: Mapping[str, str], *, local: bool, tls: ssl.SSLContext | None = None
) -> int:
    """POST the body; the status of the answer, from 200 to 299. Raises `WebhookError`.

    `local` as in `webhook_error`; `tls` is for tests.
    """
    if error := webhook_error(url, local=local):
        raise WebhookError(f"the URL {error}")
    parts = urlsplit(url)
    with _connection(url, local=local, tls=tls) as connection:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", path, body=body, headers=dict(headers))
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as fault:
            raise WebhookError(f"the call failed: {type(fault).__name__}") from fault
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise WebhookError(f"the answer is HTTP {status}", status)
    return status


@contextlib.contextmanager
def _connection(url: str, *, local: bool, tls: ssl.SSLContext | None) -> Iterator[http.client.HTTPConnection]:
    """A connection to a checked address of the host, cut after CALL_SECONDS. Raises `WebhookError`."""
    parts = urlsplit(url)
    secure, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (http.client.HTTPS_PORT if secure else http.client.HTTP_PORT)
    opened = _connected(host, port, public=not (local and host in LOCAL_HOSTS))
    if secure:
        context = tls or ssl.create_default_context()
        opened = context.wrap_socket(opened, server_hostname=host, do_handshake_on_connect=False)
    cut = threading.Timer(CALL_SECONDS, _cut, [opened])
    cut.start()
    with opened:
        try:
            if isinstance(opened, ssl.SSLSocket):
                opened.do_handshake()
            connection = http.client.HTTPConnection(host, port)
            connection.sock = opened
            yield connection
        except OSError as fault:
            raise WebhookError(f"no TLS connection: {fault}"[:200]) from fault
        finally:
            cut.cancel()


def _connected(host: str, port: int, *, public: bool) -> socket.socket:
    """A connection to the first address that accepts one. Raises `WebhookError`."""
    try:
        answer = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        raise WebhookError(f"the host {host[:80]} was not resolved") from fault
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in answer))
    if public and not all(map(is_public, addresses)):
        raise WebhookError(f"{host[:80]} leads to an address that is not public")
    for address in addresses[:_MAX_ADDRESSES]:
        with contextlib.suppress(OSError):
            connected = socket.create_connection((address, port), timeout=_CONNECT_SECONDS)
            connected.settimeout(CALL_SECONDS)
            return connected
    raise WebhookError(f"{host[:80]} accepts no connection")


def _cut(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not the method of SSLSocket, which would leave the reader without a connection to end.
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
