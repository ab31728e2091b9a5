"""ComfyUI servers that differ from the one of the other tests."""

import asyncio
import uuid
from dataclasses import replace

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from queue_agent.adapters.comfyui.adapter import ComfyUi
from queue_agent.adapters.comfyui.prompts import prompt_id
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Cancelled, RuntimeUnavailable, TaskError

from tests.agent.adapters.conftest import COMFYUI_MODEL, Sim, run_task, task, wait_until, workflow

OPTIONS = ("--plain", "--service-time", "0.05", "--model", COMFYUI_MODEL)


@pytest.fixture(scope="module")
def old(simulate) -> Sim:
    """ComfyUI 0.3.44, which gives each prompt an id of its own, as all versions before it."""
    return simulate("comfyui", *OPTIONS, "--version", "0.3.44")


@pytest.mark.parametrize("name", ["t1", "T-1_x", "0b6f3b1c-5a3e-4f5e-8f6e-2f1f3c9d7a10", "x" * 64])
def test_the_id_of_a_prompt_is_a_canonical_uuid_whatever_the_tasks_id_is(name: str):
    assert str(uuid.UUID(prompt_id(name))) == prompt_id(name)


def test_each_task_has_a_prompt_id_of_its_own_which_stays_the_same():
    assert prompt_id("a") == prompt_id("a") != prompt_id("A")


@pytest.mark.parametrize("version", ["0.3.44", "0.3.45", "0.24.0", "0.25.0", "0.28.1"])
async def test_a_task_runs_on_every_version(simulate, http, version: str):
    sim = simulate("comfyui", *OPTIONS, "--version", version)

    result = (await run_task(ComfyUi(http(sim)), task("pipeline", workflow()))).result

    assert len(result.outputs) == 1 and sim.ask("GET", "/history") == {}


async def test_an_id_that_the_server_refuses_is_not_the_tasks_fault(session: ClientSession):
    error = {"type": "invalid_prompt_id", "message": "prompt_id must be a valid UUID", "details": ""}

    async def submit(_: web.Request) -> web.Response:
        return web.json_response({"error": error, "node_errors": {}}, status=400)

    async def empty(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.post("/prompt", submit), web.route("*", "/{path:.*}", empty)])
    async with TestServer(app) as server:
        adapter = ComfyUi(Http(session, str(server.make_url("")), 10_000))
        with pytest.raises(RuntimeUnavailable, match="invalid_prompt_id"):
            await run_task(adapter, task("pipeline", workflow()))


async def test_an_old_server_joins_the_work_that_an_earlier_agent_submitted(old: Sim, http):
    asked = task("pipeline", workflow())
    adapter = ComfyUi(http(old))
    before = len(old.report()["runs"])
    old.fault("slow")
    first = asyncio.ensure_future(adapter.run(await adapter.prepare(asked, {}), lambda _: None))
    await wait_until(lambda: old.report()["running"])
    first.cancel()

    done = await run_task(ComfyUi(http(old)), replace(asked, attempt=2))

    assert len(done.result.outputs) == 1 and len(old.report()["runs"]) == before + 1


async def test_an_old_server_collects_the_work_that_ended_while_no_agent_was_there(old: Sim, http):
    asked = task("pipeline", workflow())
    before = len(old.report()["runs"])
    old.ask("POST", "/prompt", (await ComfyUi(http(old)).prepare(asked, {})).payload)
    await wait_until(lambda: old.ask("GET", "/history") != {})

    done = await run_task(ComfyUi(http(old)), replace(asked, attempt=2))

    assert len(done.result.outputs) == 1 and len(old.report()["runs"]) == before + 1
    assert old.ask("GET", "/history") == {}


async def test_an_old_server_stops_a_task(old: Sim, http):
    adapter = ComfyUi(http(old))
    old.fault("slow")
    asked = task("pipeline", workflow())
    running = asyncio.ensure_future(adapter.run(await adapter.prepare(asked, {}), lambda _: None))
    await wait_until(lambda: old.report()["running"])

    await adapter.cancel(asked)

    with pytest.raises(Cancelled):
        await running
    assert await adapter.idle() and old.ask("GET", "/history") == {}


@pytest.mark.parametrize(("model", "code"), [(None, "node_error"), ("other.safetensors", "bad_workflow")])
async def test_a_missing_model_is_the_nodes_fault_only_when_there_is_none_at_all(
    session: ClientSession, model: str | None, code: str
):
    """As ComfyUI answers when the mount of the bucket is gone: its lists are empty."""
    details = {"type": "value_not_in_list", "message": "Value not in list", "details": "vae: 'a' not in []"}
    node = {"errors": [details], "class_type": "VAELoader", "dependent_outputs": ["9"]}

    async def submit(_: web.Request) -> web.Response:
        error = {"type": "prompt_outputs_failed_validation", "message": "failed", "details": ""}
        return web.json_response({"error": error, "node_errors": {"4": node}}, status=400)

    async def nodes(request: web.Request) -> web.Response:
        names = {"CheckpointLoaderSimple": "ckpt_name", "UNETLoader": "unet_name", "LoraLoader": "lora_name"}
        name = request.match_info["node"]
        values = [model] if model and name == "LoraLoader" else []
        return web.json_response({name: {"input": {"required": {names[name]: [values, {}]}}}})

    async def empty(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.post("/prompt", submit), web.get("/object_info/{node}", nodes)])
    app.add_routes([web.route("*", "/{path:.*}", empty)])
    async with TestServer(app) as server:
        adapter = ComfyUi(Http(session, str(server.make_url("")), 10_000))
        with pytest.raises((TaskError, RuntimeUnavailable), match=code):
            await run_task(adapter, task("pipeline", workflow()))


@pytest.mark.parametrize(("missing", "error"), [("KSampler", TaskError), ("", RuntimeUnavailable)])
async def test_a_500_is_the_tasks_fault_only_when_the_server_lacks_one_of_its_nodes(
    session: ClientSession, missing: str, error: type[Exception]
):
    """As versions of 2024 answer."""

    async def submit(_: web.Request) -> web.Response:
        return web.Response(status=500, text="500 Internal Server Error")

    async def nodes(request: web.Request) -> web.Response:
        name = request.match_info["node"]
        return web.json_response({} if name == missing else {name: {}})

    async def empty(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.add_routes([web.post("/prompt", submit), web.get("/object_info/{node}", nodes)])
    app.add_routes([web.route("*", "/{path:.*}", empty)])
    async with TestServer(app) as server:
        adapter = ComfyUi(Http(session, str(server.make_url("")), 10_000))
        with pytest.raises(error, match=missing or "runtime_error"):
            await run_task(adapter, task("pipeline", workflow()))


@pytest.mark.thorough
async def test_progress_comes_by_websocket(simulate, http):
    sim = simulate("comfyui", "--plain", "--service-time", "1.6", "--model", COMFYUI_MODEL)

    progress = (await run_task(ComfyUi(http(sim)), task("pipeline", workflow()))).progress

    assert any(0.2 < share.value < 0.9 for share in progress) and progress[-1].value == 1.0
