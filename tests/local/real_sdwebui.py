"""SD WebUI's adapter, profile and the agent against a real A1111 or Forge: `make test-sdwebui`."""

import asyncio
import io
import json
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from PIL import Image
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Cancelled, TaskError

from local import processes
from testing.world import World
from tests.agent.adapters.conftest import as_text, picture, run_task, task
from tests.local import sdwebui_server
from tests.local.sdwebui_requests import ROWS, sizes
from tests.local.sdwebui_server import CHECKPOINT, FOLDERS, OTHER, PROFILE, Server, is_forge, running

MAX_BYTES = 100_000_000
SMALL = {"prompt": "a lighthouse", "steps": 2, "width": 64, "height": 64, "seed": 7, "cfg_scale": 1}
# Where a program says that it could not write to the read-only models.
WRITES = ("Read-only file system", "Permission denied", "PermissionError", "Downloading")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sdwebui")
    sdwebui_server.prepare(path)
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with running(folder) as started:
        yield started


@pytest.fixture(scope="module")
def bare(folder: Path) -> Iterator[Server]:
    """A server without the profile's files, on models that it may write to: what they are there for."""
    with running(folder, bare=True) as started:
        yield started


@pytest.fixture
def http(server: Server, session: ClientSession) -> Http:
    return Http(session, server.url, MAX_BYTES)


@pytest.fixture
def static(http: Http) -> SdWebUi:
    return SdWebUi(http, CHECKPOINT, dynamic=False)


@pytest.fixture
def dynamic(http: Http) -> SdWebUi:
    return SdWebUi(http, CHECKPOINT, dynamic=True)


def options(server: Server, *names: str) -> list[Any]:
    answer = server.ask("/options")
    return [answer[name] for name in names]


async def at_rest(adapter: SdWebUi) -> None:
    async with asyncio.timeout(60):
        while not await adapter.idle():  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0.1)


# The profile


async def test_it_gets_ready_on_read_only_models(server: Server, static: SdWebUi):
    assert await static.ready()
    await static.warm_up()
    assert await static.idle()


async def test_nothing_of_the_start_and_of_a_picture_needs_a_folder_that_is_not_there(
    server: Server, static: SdWebUi
):
    assert len((await run_task(static, task("text-to-image", {**SMALL, "steps": 20}))).result.outputs) == 1

    assert [line for line in server.log().splitlines() if any(text in line for text in WRITES)] == []


async def test_the_files_of_the_chart_are_used(server: Server):
    chosen = json.loads(PROFILE["files"]["config.json"])

    assert await asyncio.to_thread(options, server, *chosen) == list(chosen.values())


async def test_the_models_of_the_bucket_are_found(server: Server):
    listed = await asyncio.to_thread(server.ask, "/sd-models")

    assert sorted(model["title"] for model in listed) == [OTHER, CHECKPOINT]


async def test_a_checkpoint_that_is_downloaded_takes_the_place_of_the_mounts(
    folder: Path, session: ClientSession
):
    with running(folder, direct=True) as server:
        adapter = SdWebUi(Http(session, server.url, MAX_BYTES), CHECKPOINT, dynamic=False)
        done = await run_task(adapter, task("text-to-image", SMALL))

    assert len(done.result.outputs) == 1


def loads_by_mapping(server: Server) -> bool:
    """Whether the file of another checkpoint is mapped at any time while it is loaded."""
    body = {**SMALL, "override_settings": {"sd_model_checkpoint": OTHER.partition(".")[0]}}
    with ThreadPoolExecutor() as pool:
        request = pool.submit(server.ask, "/txt2img", body)
        mapped = False
        while not request.done():
            mapped = mapped or server.maps(OTHER)
            time.sleep(0.01)
    assert json.loads(request.result()["info"])["sd_model_name"] == OTHER.partition(".")[0]
    return mapped


def test_a_model_is_read_and_not_mapped(server: Server):
    assert not loads_by_mapping(server)


def test_without_the_profile_a_model_is_mapped(bare: Server):
    assert loads_by_mapping(bare)


def test_without_the_profile_the_options_of_a_request_stay(bare: Server):
    bare.ask("/txt2img", {**SMALL, "override_settings": {"CLIP_stop_at_last_layers": 2}})

    assert options(bare, "CLIP_stop_at_last_layers") == [2]


def test_with_live_previews_a_picture_needs_a_file_of_its_models(bare: Server):
    bare.answer("/txt2img", {**SMALL, "override_settings": {"live_previews_enable": True}})

    assert (bare.bucket / "VAE-approx").is_dir()


def test_the_folders_of_the_profile_are_those_that_it_makes(bare: Server):
    before = [*FOLDERS, "ControlNetPreprocessor"]
    made = {str(path.relative_to(bare.bucket)) for path in bare.bucket.rglob("*") if path.is_dir()}

    # VAE-approx: for live previews, which the profile turns off.
    assert made - set(before) <= {"VAE-approx"}
    assert {"GFPGAN", "Codeformer", "Lora", "hypernetworks"} <= made
    assert is_forge() == ({*PROFILE["forgeModelFolders"], "ControlNet"} <= made)


@pytest.mark.parametrize("name", ROWS)
def test_a_request_is_answered_as_the_simulation_does(server: Server, name: str):
    row = ROWS[name]

    status, document = server.answer(row.path, row.body)

    assert status == (row.forge if row.forge and is_forge() else row.status), document
    if row.status == status:
        assert re.search(row.words, json.dumps(document))
        assert row.sizes is None or sizes(document) == row.sizes
        info = json.loads(document.get("info") or "{}") if row.info else {}
        assert {key: info[key] for key in row.info} == row.info


# Tasks


async def test_a_picture_with_its_seed_and_model(static: SdWebUi):
    done = await run_task(static, task("text-to-image", SMALL))

    (output,) = done.result.outputs
    assert Image.open(io.BytesIO(output.data.read())).size == (64, 64)
    assert done.result.seed == 7 and CHECKPOINT.startswith(str(done.result.model))
    assert "Steps: 2" in output.metadata["parameters"]


async def test_each_picture_of_a_batch_has_its_seed(static: SdWebUi):
    done = await run_task(static, task("text-to-image", {**SMALL, "batch_size": 2, "n_iter": 2}))

    assert [output.metadata["seed"] for output in done.result.outputs] == [7, 8, 9, 10]


async def test_progress_is_reported(static: SdWebUi):
    progress = (await run_task(static, task("text-to-image", {**SMALL, "steps": 60}))).progress

    assert any(0.05 < at.value < 0.95 for at in progress)


async def test_a_picture_is_made_from_a_picture(static: SdWebUi):
    inputs = {"init_images": [as_text(picture(64, 64))], "mask": as_text(picture(64, 64))}

    done = await run_task(static, task("image-to-image", {**SMALL, **inputs, "denoising_strength": 0.5}))

    assert len(done.result.outputs) == 1


async def test_pictures_are_enlarged(static: SdWebUi):
    one = await run_task(
        static,
        task(
            "extra-single-image",
            {"image": as_text(picture()), "upscaler_1": "Lanczos", "upscaling_resize": 2},
        ),
    )
    pair = [{"data": as_text(picture()), "name": name} for name in ("a.png", "b.png")]
    two = await run_task(static, task("extra-batch-images", {"imageList": pair, "upscaler_1": "Lanczos"}))

    sizes = [
        Image.open(io.BytesIO(output.data.read())).size
        for output in (*one.result.outputs, *two.result.outputs)
    ]
    assert sizes == [(128, 96)] * 3


# Options of one task


@pytest.mark.parametrize("wish", [True, False])
async def test_the_options_of_a_task_are_not_those_of_the_next(server: Server, static: SdWebUi, wish: bool):
    names = ("CLIP_stop_at_last_layers", "samples_format", "eta_noise_seed_delta")
    before = await asyncio.to_thread(options, server, *names)
    changed = dict(zip(names, (2, "jpg", 31337), strict=True))
    content = {**SMALL, "override_settings": changed, "override_settings_restore_afterwards": wish}

    done = await run_task(static, task("text-to-image", content))

    assert done.result.metadata["clip_skip"] == 2
    assert await asyncio.to_thread(options, server, *names) == before


async def test_a_dynamic_runtime_changes_its_model(dynamic: SdWebUi):
    for name in (OTHER, CHECKPOINT.partition(".")[0], f"{OTHER.partition('.')[0]}", CHECKPOINT):
        content = {**SMALL, "override_settings": {"sd_model_checkpoint": name}}
        done = await run_task(dynamic, task("text-to-image", content))
        assert str(done.result.model).partition(".")[0] == name.partition(".")[0]


@pytest.mark.parametrize("name", ["Nope", "euler a", "DPM++ 2M None"])
async def test_an_unknown_sampler_is_the_tasks_fault(static: SdWebUi, name: str):
    with pytest.raises(TaskError, match="Sampler not found"):
        await run_task(static, task("text-to-image", {**SMALL, "sampler_name": name}))


async def test_an_unknown_scheduler_is_the_tasks_fault(static: SdWebUi):
    with pytest.raises(TaskError, match="Scheduler not found"):
        await run_task(static, task("text-to-image", {**SMALL, "scheduler": "Nope"}))


async def test_a_sampler_may_carry_its_scheduler(static: SdWebUi):
    done = await run_task(
        static, task("text-to-image", {**SMALL, "steps": 3, "sampler_name": "DPM++ 2M Karras"})
    )

    assert done.result.metadata["sampler_name"] == "DPM++ 2M"


async def test_an_unknown_model_is_the_tasks_fault(dynamic: SdWebUi):
    content = {**SMALL, "override_settings": {"sd_model_checkpoint": "none.safetensors"}}

    with pytest.raises(TaskError, match="model_unknown"):
        await run_task(dynamic, task("text-to-image", content))


# Faults


async def test_after_a_failed_request_for_extras_it_is_idle_again(static: SdWebUi):
    content = {"image": as_text(picture()), "upscaler_1": "none of these"}
    with pytest.raises(TaskError, match="could not find upscaler"):
        await run_task(static, task("extra-single-image", content))

    await at_rest(static)


async def test_a_running_task_is_stopped(server: Server, static: SdWebUi):
    asked = task("text-to-image", {**SMALL, "steps": 600})
    going = asyncio.ensure_future(static.run(await static.prepare(asked, {}), lambda _: None))
    async with asyncio.timeout(60):
        while await static.idle():  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0.1)

    await static.cancel(asked)

    with pytest.raises(Cancelled):
        await asyncio.wait_for(going, 120)
    await at_rest(static)


# The agent


@pytest.fixture
def world(account: Any, server: Server, tmp_path: Path) -> Iterator[World]:
    with World(account.env, account.endpoint, tmp_path) as made:
        yield made


def send(world: World, name: str, content: dict[str, Any], tasktype: str = "text-to-image") -> None:
    metadata = {"id": name, "runtime": "painter", "tasktype": tasktype}
    world.send_body(json.dumps({"metadata": metadata, "content": content}))


def test_the_agent_runs_tasks(world: World, server: Server):
    agent: processes.Child = world.agent(server.url, MODEL_FILENAME=CHECKPOINT)
    names = [f"t{n}" for n in range(5)]
    for n, name in enumerate(names):
        send(world, name, {**SMALL, "seed": n})
    send(world, "bad", {"image": as_text(picture()), "upscaler_1": "none"}, "extra-single-image")
    send(world, "after", SMALL)

    callbacks = world.callbacks_for([*names, "bad", "after"], 180)

    assert {name: callback["status"] for name, callback in callbacks.items()} == {
        **dict.fromkeys([*names, "after"], "completed"),
        "bad": "failed",
    }
    assert agent.alive and world.take_dead_letters() == []


# The end: the last test, since it ends the server that the others use.


def test_it_ends_when_it_is_told(server: Server) -> None:
    server.child.signal(signal.SIGTERM)
    server.child.process.wait(15)
