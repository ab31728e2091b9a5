"""Connections to the runtime: kept between tasks in a row, given up before a runtime ends them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from queue_agent.adapters.custom.adapter import Custom
from queue_agent.adapters.guarded import GuardedAdapter
from queue_agent.adapters.shared.http import KEEP_ALIVE_SECONDS, Http
from queue_agent.contract import RuntimeUnavailable, TaskError

from tests.agent.adapters.conftest import task


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Answers with the port that the caller has."""

    async def port(request: web.Request) -> web.Response:
        assert request.transport
        return web.json_response(request.transport.get_extra_info("peername")[1])

    app = web.Application()
    app.router.add_post("/", port)
    async with TestServer(app) as running:
        yield running


async def ports(session: ClientSession, server: TestServer, pause: float) -> list[int]:
    calls = Http(session, str(server.make_url("")), 1000)
    first = await calls.call("POST", "/")
    await asyncio.sleep(pause)
    return [first.json(), (await calls.call("POST", "/")).json()]


async def test_the_next_task_has_the_connection_of_the_last(session: ClientSession, server: TestServer):
    first, second = await ports(session, server, 0)
    assert first == second


async def test_a_connection_that_was_idle_is_not_used_again(session: ClientSession, server: TestServer):
    first, second = await ports(session, server, KEEP_ALIVE_SECONDS + 0.1)
    assert first != second


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
ERROR = b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"


class Abrupt:
    """A runtime that gives these answers one by one, and closes the connection after all but `OK`."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = OK
        with contextlib.suppress(asyncio.IncompleteReadError):
            while answer is OK and await reader.readuntil(b"\r\n\r\n"):
                answer = self.answers.pop(0)
                writer.write(answer)
        writer.close()


async def test_a_post_whose_connection_closes_is_not_sent_again(session: ClientSession):
    runtime = Abrupt(OK, b"", OK)
    async with runtime as url:
        calls = Http(session, url, 1000)
        await calls.call("POST", "/")

        with pytest.raises(RuntimeUnavailable, match="runtime_down"):
            await calls.call("POST", "/")

    assert runtime.answers == [OK]


async def test_a_runtime_that_closes_after_an_error_is_asked_by_a_new_connection(session: ClientSession):
    async with Abrupt(ERROR, OK) as url:
        calls = Http(session, url, 1000)
        first = await calls.call("POST", "/")
        await asyncio.sleep(0.05)  # the supervisor asks before a task is sent

        assert (first.status, (await calls.call("POST", "/")).status) == (500, 200)


async def test_outputs_over_the_limit_are_the_tasks_fault_behind_the_guard(session: ClientSession):
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + bytes(2000)
    async with Abrupt(large) as url:
        adapter = GuardedAdapter(Custom(Http(session, url, 1000), "/", "/"))
        prepared = await adapter.prepare(task("custom", {"prompt": "a cat"}), {})

        with pytest.raises(TaskError, match="output_too_large: the outputs of the task have more"):
            await adapter.run(prepared, lambda _: None)
