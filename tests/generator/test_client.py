"""The client of the HTTP API, against a server that throttles."""

import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from sd_on_eks import ApiUnreachableError, Client, KeyRefusedError, TaskRefusedError
from testing.relay import Server

STATUS = b'{"id": "a", "runtime": "sdxl", "status": "running"}'
Reply = tuple[int, dict[str, str], bytes]
Serve = Callable[..., Client]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts an API that gives these replies in turn, repeating the last one; returns its client."""
    servers: list[Server] = []

    def serve(*replies: Reply) -> Client:
        remaining = list(replies)

        def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
            status, headers, content = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            handler.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(content)

        server = Server(answer)
        servers.append(server)
        return Client(server.__enter__().url, "key")

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


def test_a_throttled_request_is_repeated_after_the_time_that_the_api_asks_for(serve: Serve) -> None:
    api = serve((429, {"Retry-After": "1"}, b"{}"), (200, {}, STATUS))
    start = time.monotonic()

    assert api.status("sdxl", "a").status == "running"

    assert time.monotonic() - start >= 1


def test_a_refusal_is_not_repeated_and_its_fields_are_named(serve: Serve) -> None:
    problem = b'{"title": "not valid", "errors": [{"field": "task.content", "detail": "is missing"}]}'
    api = serve((400, {}, problem), (200, {}, STATUS))

    with pytest.raises(TaskRefusedError, match=r"refused \(400\): not valid; task\.content is missing"):
        api.status("sdxl", "a")


def test_a_key_that_is_not_accepted_raises_a_separate_error(serve: Serve) -> None:
    with pytest.raises(KeyRefusedError, match="check the key"):
        serve((403, {}, b'{"message": "Forbidden"}')).status("sdxl", "a")


def test_an_answer_that_is_not_json_is_not_accepted_as_a_status(serve: Serve) -> None:
    with pytest.raises(ApiUnreachableError, match="did not answer"):
        serve((200, {}, b"<html>")).status("sdxl", "a")
