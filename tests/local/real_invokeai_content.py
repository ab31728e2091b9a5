"""What tasks for InvokeAI may hold, the agent, and what the simulation knows, against a real one."""

import json
import subprocess
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from queue_agent.adapters.invokeai.adapter import InvokeAi
from queue_agent.blobs import Blob
from queue_agent.contract import InputImage, TaskError

from local.runtimes.invokeai.nodes import FILE
from local.runtimes.invokeai.validation import problems
from testing.account import Account
from testing.world import World
from tests.agent.adapters.conftest import as_input, picture, run_task, task
from tests.local import invokeai_nodes
from tests.local.invokeai_refusals import BLANK, REFUSED, data, edge, graph, short
from tests.local.invokeai_server import PROGRAM, QUEUE, ask

KEPT = {**BLANK, "is_intermediate": False, "width": 64, "height": 64}
# InvokeAI's environment has the library that writes its videos.
FILM = """
import sys, numpy, imageio.v2
imageio.v2.mimwrite(sys.argv[1], [numpy.full((64, 64, 3), 30 * n, numpy.uint8) for n in range(8)], fps=8)
"""


def left(url: str) -> list[int]:
    """How many images and videos the server has, intermediate ones too, and items in its queue."""
    kinds = [(kind, hidden) for kind in ("images", "videos") for hidden in ("true", "false")]
    counts = [
        ask(url, f"/api/v1/{kind}/?is_intermediate={hidden}&limit=1")["total"] for kind, hidden in kinds
    ]
    return [*counts, len(ask(url, f"{QUEUE}/list_all"))]


async def test_runs_and_data_make_a_picture_for_each_combination(url: str, invokeai: InvokeAi) -> None:
    both = [
        {"node_path": "a", "field_name": "width", "items": [64, 128]},
        {"node_path": "a", "field_name": "height", "items": [8, 16]},
    ]
    before = left(url)

    outputs = (
        await run_task(invokeai, task("graph", {**graph(KEPT), "runs": 2, "data": [both]}))
    ).result.outputs

    sizes = [Image.open(BytesIO(output.data.read())).size for output in outputs]
    assert sizes == [(64, 8), (128, 16), (64, 8), (128, 16)]
    assert left(url) == before


@pytest.mark.parametrize(("batch", "text"), [(data("wide"), "width"), (data(64, field="colour"), "colour")])
async def test_a_value_that_does_not_fit_is_refused_and_the_queue_goes_on(
    url: str, invokeai: InvokeAi, batch: dict[str, Any], text: str
) -> None:
    with pytest.raises(TaskError, match="bad_graph") as caught:
        await run_task(invokeai, task("graph", batch))

    assert text in caught.value.message
    assert len((await run_task(invokeai, task("graph", graph(KEPT)))).result.outputs) == 1


async def test_pictures_in_a_list_are_uploaded_and_used(url: str, invokeai: InvokeAi) -> None:
    names = [{"image_name": "https://example.com/a.png"}]
    nodes = (
        {"id": "c", "type": "image_collection", "collection": names, "is_intermediate": True},
        {"id": "i", "type": "iterate", "is_intermediate": True},
        {"id": "s", "type": "img_scale", "scale_factor": 2.0, "is_intermediate": False},
    )
    edges = (edge("c", "collection", "i", "collection"), edge("i", "item", "s", "image"))
    asked, before = task("graph", graph(*nodes, edges=edges)), left(url)
    (path,) = invokeai.image_fields(asked)

    (output,) = (await run_task(invokeai, asked, {path: as_input(picture(40, 30))})).result.outputs

    assert Image.open(BytesIO(output.data.read())).size == (80, 60)
    assert left(url) == before


@pytest.fixture
def film(tmp_path: Path) -> bytes:
    """A video that InvokeAI can read."""
    path = tmp_path / "film.mp4"
    subprocess.run([PROGRAM.with_name("python"), "-c", FILM, path], check=True)
    return path.read_bytes()


async def test_a_video_is_uploaded_delivered_and_deleted(url: str, invokeai: InvokeAi, film: bytes) -> None:
    node = {"id": "v", "type": "video", "video": {"video_name": "https://example.com/a.mp4"}}
    asked, before = task("graph", graph({**node, "is_intermediate": False})), left(url)
    (path,) = invokeai.media_fields(asked)

    given = InputImage(Blob(film), "video/mp4", "mp4")
    (output,) = (await run_task(invokeai, asked, {path: given})).result.outputs

    assert (output.content_type, output.kind) == ("video/mp4", "video")
    assert left(url) == before


@pytest.mark.parametrize("batch", REFUSED.values(), ids=REFUSED)
def test_the_simulation_refuses_what_it_refuses_in_the_same_words(url: str, batch: dict[str, Any]) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(url, f"{QUEUE}/enqueue_batch", "POST", {"batch": batch})

    assert short(problems(batch)) == short(json.load(caught.value)["detail"])


def test_its_nodes_are_those_that_the_simulation_knows(url: str) -> None:
    assert invokeai_nodes.fetched(url) == json.loads(FILE.read_text())


def test_the_agent_runs_tasks(account: Account, url: str, tmp_path: Path) -> None:
    with World(account.env, account.endpoint, tmp_path) as world:
        world.agent(url, RUNTIME_TYPE="invokeai", MODEL_FILENAME="")
        for name, content in (
            ("one", graph(KEPT)["graph"]),
            ("two", {**graph(KEPT), "runs": 2}),
            ("bad", {}),
        ):
            body = {"metadata": {"id": name, "runtime": "painter", "tasktype": "graph"}, "content": content}
            world.send_body(json.dumps(body))
        callbacks = world.callbacks_for(["one", "two", "bad"], 60)

    assert {name: callback["status"] for name, callback in callbacks.items()} == {
        "one": "completed",
        "two": "completed",
        "bad": "failed",
    }
    assert [len(callbacks[name]["image_url"]) for name in ("one", "two")] == [1, 2]
