"""ComfyUI's adapter, the chart's profile and the agent against a real ComfyUI: `make test-comfyui`."""

import asyncio
import base64
import io
import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from PIL import Image
from queue_agent.adapters.comfyui.adapter import ComfyUi
from queue_agent.adapters.comfyui.prompts import prompt_id
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Cancelled, RuntimeUnavailable, Task, TaskError

from api.node_checks import Nodes, node_errors
from local import processes
from testing.world import World, port_of, wait_for
from tests.agent.adapters.conftest import as_text, picture, run_task, task
from tests.local.comfyui_graphs import Graph, blank, changed, failing, node, sampled, sound
from tests.local.comfyui_server import CHECKPOINT, Server, checkout, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("comfyui")) as started:
        yield started


@pytest.fixture
def comfyui(server: Server, session: ClientSession) -> ComfyUi:
    return ComfyUi(Http(session, server.url, 100_000_000))


async def started(server: Server, asked: Task) -> None:
    async with asyncio.timeout(60):
        while True:
            rows = (await asyncio.to_thread(server.ask, "/queue"))["queue_running"]
            if any(prompt_id(asked.id) in (row[1], row[3].get("client_id")) for row in rows):
                return
            await asyncio.sleep(0.02)


# The profile


async def test_it_is_ready_and_idle(comfyui: ComfyUi):
    assert await comfyui.ready() and await comfyui.idle()


async def test_the_models_of_the_bucket_are_found(server: Server):
    loader = await asyncio.to_thread(server.ask, "/object_info/CheckpointLoaderSimple")

    choices = loader["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"]
    assert CHECKPOINT in choices[0]


async def test_a_checkpoint_is_waited_for_that_is_still_downloaded(tmp_path: Path, session: ClientSession):
    with running(tmp_path, direct=True) as server:
        complete = tmp_path / "downloaded" / "Stable-diffusion" / CHECKPOINT
        early = not complete.exists()
        done = await run_task(
            ComfyUi(Http(session, server.url, 100_000_000)), task("pipeline", sampled(seed=21))
        )

    assert early and complete.exists()
    (output,) = done.result.outputs
    assert Image.open(io.BytesIO(output.data.read())).size == (64, 64)


@pytest.mark.parametrize(("shim", "mapped"), [(True, "no"), (False, "yes")])
def test_a_model_is_read_and_not_mapped(server: Server, tmp_path: Path, shim: bool, mapped: str):
    code, python = checkout()
    models = server.data.parent / "models" / "Stable-diffusion" / CHECKPOINT
    program = (
        "import sys; sys.argv[1:] = ['--cpu']\n"
        "import comfy.options; comfy.options.enable_args_parsing()\n"
        f"import comfy.utils; loaded = comfy.utils.load_torch_file({str(models)!r})\n"
        f"print('yes' if {CHECKPOINT!r} in open('/proc/self/maps').read() else 'no')\n"
    )
    folders = [server.environment["PYTHONPATH"], str(code)] if shim else [str(code)]
    environment = {**server.environment, "PYTHONPATH": ":".join(folders)}
    output = subprocess.run(
        [python, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert output.split()[-1] == mapped


def test_it_ends_when_it_is_told(tmp_path: Path):
    with running(tmp_path / "pod") as pod:
        pod.child.signal(signal.SIGTERM)
        pod.child.process.wait(5)


# Tasks


async def test_a_checkpoint_makes_a_picture_with_its_seed_and_model(comfyui: ComfyUi):
    done = await run_task(comfyui, task("pipeline", sampled(seed=11)))

    (output,) = done.result.outputs
    assert Image.open(io.BytesIO(output.data.read())).size == (64, 64)
    assert (done.result.seed, done.result.model, done.progress[-1].value) == (11, CHECKPOINT, 1.0)


async def test_nothing_is_kept_in_the_history(server: Server, comfyui: ComfyUi):
    await run_task(comfyui, task("pipeline", blank()))

    assert await asyncio.to_thread(server.ask, "/history") == {}


async def test_progress_is_reported(comfyui: ComfyUi):
    progress = (await run_task(comfyui, task("pipeline", sampled(steps=8, seed=12)))).progress

    assert any(0.1 < at.value < 0.95 for at in progress)


@pytest.mark.parametrize(
    "graph",
    [
        blank(1),
        blank(2, "PreviewImage"),
        blank(3, filename_prefix=["3", 0]) | {"3": node("TestText", text="linked")},
        blank(4, "TestSaveFlat", filename_prefix="a/b"),
    ],
    ids=["prefix", "preview", "linked prefix", "saver without folders"],
)
async def test_the_same_workflow_gives_pictures_again_after_its_files_were_swept(
    server: Server, comfyui: ComfyUi, graph: Graph
):
    for _ in range(2):
        assert len((await run_task(comfyui, task("pipeline", graph))).result.outputs) == 1
        server.sweep()


async def test_a_file_that_is_gone_is_made_again_by_the_next_attempt(server: Server, comfyui: ComfyUi):
    asked = task("pipeline", blank(5))
    ran = await comfyui.run(await comfyui.prepare(asked, {}), lambda _: None)
    server.sweep()
    with pytest.raises(RuntimeUnavailable, match="broken_output"):
        await comfyui.collect(ran)
    await asyncio.sleep(2)  # as in the queue

    assert len((await run_task(comfyui, asked)).result.outputs) == 1


# Inputs


@pytest.mark.parametrize("text", [f"data:image/png;base64,{as_text(picture())}", as_text(picture(300, 200))])
async def test_an_image_as_text_is_loaded(comfyui: ComfyUi, text: str):
    graph = {"1": node("LoadImage", image=text), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}

    (output,) = (await run_task(comfyui, task("pipeline", graph))).result.outputs

    assert output.content_type == "image/png"


async def test_an_audio_file_is_loaded(server: Server, comfyui: ComfyUi):
    if not await asyncio.to_thread(server.has, "LoadAudio"):
        pytest.skip("this version has no audio")
    graph = {
        "1": node("LoadAudio", audio=sound()),
        "2": node("SaveAudio", audio=["1", 0], filename_prefix="x"),
    }

    (output,) = (await run_task(comfyui, task("pipeline", graph))).result.outputs

    assert (output.kind, output.extension) == ("audio", "flac")


async def test_a_video_is_saved_and_loaded(server: Server, comfyui: ComfyUi):
    if not await asyncio.to_thread(server.has, "LoadVideo"):
        pytest.skip("this version has no videos")
    making = {
        "1": node("EmptyImage", width=64, height=64, batch_size=8, color=255),
        "2": node("CreateVideo", images=["1", 0], fps=8.0),
        "3": node("SaveVideo", video=["2", 0], filename_prefix="video/x", format="mp4", codec="h264"),
    }
    (video,) = (await run_task(comfyui, task("pipeline", making))).result.outputs
    assert video.kind == "video"
    text = f"data:video/mp4;base64,{base64.b64encode(video.data.read()).decode()}"
    graph = {"1": node("LoadVideo", file=text), "2": {**making["3"], "inputs": {**making["3"]["inputs"]}}}
    graph["2"]["inputs"]["video"] = ["1", 0]

    (output,) = (await run_task(comfyui, task("pipeline", graph))).result.outputs

    assert output.kind == "video"


# Faults


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"4": node("CheckpointLoaderSimple", ckpt_name="none.safetensors")}, "node 4.*not in"),
        ({"5": node("EmptyLatentImage", width=64, height=64)}, "node 5.*batch_size"),
        ({"5": node("EmptyLatentImage", width=1, height=64, batch_size=1)}, "node 5"),
        ({"5": node("NoSuchNode")}, "NoSuchNode|node 5"),
    ],
)
async def test_an_invalid_workflow_is_the_tasks_fault(comfyui: ComfyUi, changes: Graph, words: str):
    with pytest.raises(TaskError, match=f"bad_workflow.*({words})"):
        await run_task(comfyui, task("pipeline", sampled() | changes))
    assert await comfyui.idle()


@pytest.mark.parametrize(
    "graph",
    [
        blank(),
        sampled(),
        changed("3", steps="2", seed=2**64 - 1, other=["4", 0]),
        changed("8", vae=["4", -1]),
        sampled() | {"50": node("KSampler")},
        changed("3", steps=0),
        changed("3", sampler_name="none"),
        changed("3", cfg="high"),
        changed("3", model=["5", 0]),
        changed("8", vae=["4", 3]),
        changed("8", vae=["77", 0]),
        changed("8", vae=[4, 2]),
        changed("8", vae=["4", 2, 0]),
        changed("4", ckpt_name="none.safetensors"),
        sampled() | {"50": node("NoSuchNode")},
        {"5": node("EmptyLatentImage", width=64, height=64, batch_size=1)},
    ],
)
async def test_the_api_and_the_server_agree_on_a_workflow(server: Server, comfyui: ComfyUi, graph: Graph):
    document = await comfyui.nodes()
    assert document is not None
    nodes = Nodes(document["classes"], frozenset(document["replaced"]))
    if "python_module" not in document["classes"]["KSampler"]:
        pytest.skip("this version does not say where a node comes from: less is checked")

    try:
        await asyncio.to_thread(server.ask, "/prompt", {"prompt": graph})
        taken = True
    except urllib.error.HTTPError:
        taken = False

    assert (node_errors(graph, nodes) == []) is taken
    await asyncio.to_thread(server.settle)


async def test_a_link_to_no_node_is_refused_before_it_ends_the_thread_of_the_server(comfyui: ComfyUi):
    with pytest.raises(TaskError, match="other is linked to node 77"):
        await run_task(comfyui, task("pipeline", changed("3", other=["77", 0])))

    assert (await run_task(comfyui, task("pipeline", blank(9)))).result.outputs


async def test_a_bare_text_that_a_node_shows_is_one_text(comfyui: ComfyUi):
    outputs = (
        await run_task(comfyui, task("pipeline", {"1": node("TestShow", text="a bare text")}))
    ).result.outputs

    assert [text.data.read() for text in outputs] == [b"a bare text"]


async def test_a_file_whose_name_reads_like_a_fault_is_the_tasks(comfyui: ComfyUi):
    graph = {"1": node("LoadImage", image="cudnn.png"), "2": node("PreviewImage", images=["1", 0])}

    with pytest.raises(TaskError, match="bad_workflow"):
        await run_task(comfyui, task("pipeline", graph))


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("RuntimeError", "CUDA error: an illegal memory access was encountered", "device_error"),
        ("OSError", "[Errno 107] Transport endpoint is not connected", "node_error"),
        ("MemoryError", "", "node_error"),
    ],
)
async def test_a_fault_of_the_node_is_worth_another_try(
    server: Server, comfyui: ComfyUi, kind: str, message: str, code: str
):
    with pytest.raises(RuntimeUnavailable, match=code):
        await run_task(comfyui, task("pipeline", failing(kind, message)))
    assert await asyncio.to_thread(server.ask, "/history") == {}


async def test_an_exception_of_a_node_is_the_tasks_fault(comfyui: ComfyUi):
    with pytest.raises(TaskError, match=r"execution_error: TestFail: .*RuntimeError: sizes differ"):
        await run_task(comfyui, task("pipeline", failing("RuntimeError", "sizes differ")))


async def test_a_running_task_is_stopped(server: Server, comfyui: ComfyUi):
    asked = task("pipeline", sampled(steps=5000, seed=13))
    going = asyncio.ensure_future(comfyui.run(await comfyui.prepare(asked, {}), lambda _: None))
    await started(server, asked)

    async with asyncio.timeout(60):
        while not going.done():
            await comfyui.cancel(asked)
            await asyncio.sleep(0.2)

    with pytest.raises(Cancelled):
        await going
    assert await comfyui.idle()


async def test_work_that_an_earlier_agent_submitted_is_joined(server: Server, session: ClientSession):
    asked = task("pipeline", sampled(steps=8, seed=14))
    first, second = (ComfyUi(Http(session, server.url, 100_000_000)) for _ in range(2))
    going = asyncio.ensure_future(first.run(await first.prepare(asked, {}), lambda _: None))
    await started(server, asked)
    going.cancel()

    done = await run_task(second, asked)

    assert len(done.result.outputs) == 1
    assert prompt_id(asked.id) not in await asyncio.to_thread(server.ask, "/history")


# The agent


@pytest.fixture
def agent_of(account: Any, server: Server, tmp_path: Path) -> Iterator[tuple[World, processes.Child]]:
    with World(account.env, account.endpoint, tmp_path) as world:
        yield world, world.agent(server.url, RUNTIME_TYPE="comfyui", MODEL_FILENAME="")


def send(world: World, name: str, graph: Graph) -> None:
    metadata = {"id": name, "runtime": "painter", "tasktype": "pipeline"}
    world.send_body(json.dumps({"metadata": metadata, "content": graph}))


def test_the_agent_runs_tasks(agent_of: tuple[World, processes.Child]):
    world, _ = agent_of
    names = [f"t{n}" for n in range(5)]

    for n, name in enumerate(names):
        send(world, name, sampled(seed=n))

    callbacks = world.callbacks_for(names, 120)
    assert {callback["status"] for callback in callbacks.values()} == {"completed"}
    assert sorted(world.outputs()) == sorted(
        key for name in names for key in (f"{name}/{name}-1.png", f"{name}/result.json")
    )


def test_a_poisoned_task_costs_no_innocent_one(agent_of: tuple[World, processes.Child]):
    world, agent = agent_of

    send(world, "poison", failing("RuntimeError", "CUDA error: device-side assert triggered"))
    url = f"http://127.0.0.1:{port_of(agent)}/runtime/healthz"
    assert wait_for(lambda: "CUDA error" in healthz(url), 60)
    for n in range(5):
        send(world, f"innocent{n}", blank(100 + n))

    assert world.receive_callbacks(wait=5) == [] and world.take_dead_letters() == []


def healthz(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
