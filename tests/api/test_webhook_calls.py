"""A call of a webhook: TLS, redirects, slow servers, addresses; and the signature of Standard Webhooks."""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trustme
from botocore.exceptions import ClientError

from api import webhook_calls
from api.webhook_calls import WebhookError, call_webhook
from api.webhook_signatures import StackSecrets, signature, webhook_headers

CA = trustme.CA()
PUBLIC = "93.184.215.14"


@contextmanager
def server(answer: Callable[[socket.socket], None], *, tls: bool = True) -> Iterator[str]:
    """A server on this machine that answers one connection; its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost").configure_cert(context)

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                opened = context.wrap_socket(connection, server_side=True) if tls else connection
                with opened:
                    answer(opened)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{'https' if tls else 'http'}://localhost:{listener.getsockname()[1]}/hook?id=7"
    thread.join(5)


@pytest.fixture
def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


def saying(text: bytes, got: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    def answer(opened: socket.socket) -> None:
        data = opened.recv(65536)
        while b"\r\n\r\n" not in data or not data.endswith(b"{}"):
            data += opened.recv(65536)
        if got is not None:
            got.append(data)
        opened.sendall(text)

    return answer


def test_the_body_and_the_headers_arrive_by_tls(trusting: ssl.SSLContext) -> None:
    got: list[bytes] = []
    with server(saying(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", got)) as url:
        assert call_webhook(url, b"{}", {"webhook-id": "msg_1"}, local=True, tls=trusting) == 202

    assert got[0].startswith(b"POST /hook?id=7 HTTP/1.1\r\n")
    assert b"webhook-id: msg_1\r\n" in got[0] and got[0].endswith(b"{}")


def test_a_certificate_that_nobody_knows_is_refused() -> None:
    with server(saying(b"")) as url, pytest.raises(WebhookError, match="no TLS connection"):
        call_webhook(url, b"{}", {}, local=True)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 410, 429, 500, 503])
def test_only_an_answer_of_success_counts_and_no_redirect_is_followed(
    status: int, trusting: ssl.SSLContext
) -> None:
    with server(lambda _: pytest.fail("the target of a redirect was called")) as target:
        text = f"HTTP/1.1 {status} X\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n"
        with server(saying(text.encode())) as url, pytest.raises(WebhookError) as raised:
            call_webhook(url, b"{}", {}, local=True, tls=trusting)

    assert raised.value.status == status


@pytest.mark.parametrize("text", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 two hundred\r\n\r\n", b"\0" * 70_000])
def test_what_is_not_http_is_a_failure(text: bytes, trusting: ssl.SSLContext) -> None:
    with server(saying(text)) as url, pytest.raises(WebhookError):
        call_webhook(url, b"{}", {}, local=True, tls=trusting)


def drip(opened: socket.socket) -> None:
    with suppress(OSError):
        while True:
            opened.sendall(b"H")
            time.sleep(0.1)


def silent(opened: socket.socket) -> None:
    opened.recv(65536)
    time.sleep(3)


@pytest.mark.parametrize("answer", [drip, silent])
@pytest.mark.parametrize("tls", [True, False])
def test_a_slow_server_is_left_in_time(
    answer: Callable[[socket.socket], None],
    tls: bool,
    trusting: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook_calls, "CALL_SECONDS", 0.5)
    began = time.monotonic()

    with server(answer, tls=tls) as url, pytest.raises(WebhookError):
        call_webhook(url, b"{}", {}, local=True, tls=trusting)

    assert time.monotonic() - began < 4


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[Any]:
    """Let every name have these addresses; the list of connections that were tried."""
    tried: list[Any] = []

    def connect(address: Any, **_: Any) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError

    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    monkeypatch.setattr(socket, "create_connection", connect)
    return tried


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.0.1",),
        ("127.0.0.1",),
        ("169.254.169.254",),
        ("::1",),
        ("::ffff:10.0.0.1",),
        (PUBLIC, "10.1.1.1"),
    ],
)
def test_a_name_that_leads_to_a_private_address_is_not_called(
    addresses: tuple[str, ...], local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = resolving(monkeypatch, *addresses)

    with pytest.raises(WebhookError, match="not public"):
        call_webhook("https://rebound.example.com/", b"{}", {}, local=local)

    assert tried == []


def test_the_connection_is_made_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = resolving(monkeypatch, PUBLIC)

    with pytest.raises(WebhookError, match="accepts no connection"):
        call_webhook("https://example.com:8443/", b"{}", {}, local=False)

    assert tried == [(PUBLIC, 8443)]


def test_a_url_that_may_not_be_called_is_not_called() -> None:
    with pytest.raises(WebhookError, match="must start with https"):
        call_webhook("http://localhost/", b"{}", {}, local=False)


# The example of https://github.com/standard-webhooks/standard-webhooks (libraries' tests), read 2026-11-26.
EXAMPLE_SECRET, EXAMPLE_ID, EXAMPLE_TIME = (
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    1614265330,
)
EXAMPLE_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_standard_webhooks() -> None:
    body = b'{"test": 2432232314}'

    assert signature(base64.b64decode(EXAMPLE_SECRET), EXAMPLE_ID, EXAMPLE_TIME, body) == EXAMPLE_SIGNATURE


class Manager:
    """Secrets Manager, with these versions of one secret."""

    def __init__(self, **versions: str) -> None:
        self.versions, self.reads = versions, 0

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: N803 (of boto3)
        assert SecretId == "s"
        self.reads += 1
        if VersionStage not in self.versions:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue")
        return {"SecretString": self.versions[VersionStage]}


def test_while_the_secret_changes_both_sign() -> None:
    before, after = (
        StackSecrets(Manager(AWSCURRENT="a"), "s"),
        StackSecrets(Manager(AWSCURRENT="b", AWSPREVIOUS="a"), "s"),
    )

    def headers(secrets: StackSecrets) -> list[str]:
        return webhook_headers(secrets.current(), "web-shop", "msg_1", 7, b"{}")["webhook-signature"].split()

    [old] = headers(before)
    [new, still] = headers(after)
    assert still == old != new


def test_the_secret_is_not_read_for_every_webhook() -> None:
    manager = Manager(AWSCURRENT="a")
    secrets = StackSecrets(manager, "s")

    assert [secrets.current() for _ in range(3)] == [["a"]] * 3
    assert manager.reads == 2
