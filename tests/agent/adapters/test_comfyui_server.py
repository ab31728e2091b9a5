"""ComfyUI servers that differ from the one of the other tests."""

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from queue_agent.adapters.comfyui.adapter import ComfyUi
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import RuntimeUnavailable

from tests.agent.adapters.conftest import COMFYUI_MODEL, run_task, task, workflow


async def test_a_server_that_gives_tasks_ids_of_its_own_is_too_old(session: ClientSession):
    async def submit(_: web.Request) -> web.Response:
        return web.json_response({"prompt_id": "its-own", "number": 1, "node_errors": {}})

    async def not_found(request: web.Request) -> web.Response:
        calls.append((request.path, await request.text()))
        return web.json_response({})

    calls: list[tuple[str, str]] = []
    app = web.Application()
    app.add_routes([web.post("/prompt", submit), web.route("*", "/{path:.*}", not_found)])
    async with TestServer(app) as server:
        adapter = ComfyUi(Http(session, str(server.make_url("")), 10_000))
        with pytest.raises(RuntimeUnavailable, match="runtime_too_old"):
            await run_task(adapter, task("pipeline", workflow()))

    assert ("/queue", '{"delete": ["its-own"]}') in calls


async def test_progress_comes_by_websocket(simulate, http):
    sim = simulate("comfyui", "--plain", "--service-time", "1.6", "--model", COMFYUI_MODEL)

    progress = (await run_task(ComfyUi(http(sim)), task("pipeline", workflow()))).progress

    assert any(0.2 < share < 0.9 for share in progress) and progress[-1] == 1.0
