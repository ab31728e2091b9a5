"""Connections to the runtime: kept between tasks in a row, given up before a runtime ends them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from queue_agent.adapters.http import KEEP_SECONDS, Http


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Answers with the port that the caller has."""

    async def port(request: web.Request) -> web.Response:
        assert request.transport
        return web.json_response(request.transport.get_extra_info("peername")[1])

    app = web.Application()
    app.router.add_post("/", port)
    async with TestServer(app) as made:
        yield made


async def ports(session: ClientSession, server: TestServer, pause: float) -> list[int]:
    calls = Http(session, str(server.make_url("")), 1000)
    first = await calls.call("POST", "/")
    await asyncio.sleep(pause)
    return [first.json(), (await calls.call("POST", "/")).json()]


async def test_the_next_task_has_the_connection_of_the_last(session: ClientSession, server: TestServer):
    first, second = await ports(session, server, 0)
    assert first == second


async def test_a_connection_that_was_idle_is_not_used_again(session: ClientSession, server: TestServer):
    first, second = await ports(session, server, KEEP_SECONDS + 0.1)
    assert first != second
