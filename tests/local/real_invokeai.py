"""The InvokeAI adapter against a real InvokeAI, by graphs that need no model: `make test-invokeai`."""

import asyncio
import urllib.parse
import urllib.request
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession
from PIL import Image
from queue_agent.adapters.invokeai.adapter import InvokeAi
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Cancelled, Task, TaskError

from tests.agent.adapters.conftest import as_input, as_text, picture, run_task, task
from tests.local.invokeai_server import MAX_BYTES, QUEUE, ask
from tests.local.invokeai_shapes import CALLS, faults, fetched, shapes


def items(url: str, asked: Task) -> list[dict[str, Any]]:
    listed = ask(url, f"{QUEUE}/list_all?" + urllib.parse.urlencode({"destination": asked.id}))
    return list(listed)


def images(url: str) -> int:
    """How many there are, intermediate ones too."""
    kinds = ("true", "false")
    return sum(int(ask(url, f"/api/v1/images/?is_intermediate={kind}&limit=1")["total"]) for kind in kinds)


def link(source: str, target: str, field: str = "image") -> dict[str, Any]:
    return {
        "source": {"node_id": source, "field": field},
        "destination": {"node_id": target, "field": field},
    }


def enlarged(width: int = 96, height: int = 64) -> dict[str, Any]:
    """A picture of one colour, twice as large; only the second is to be kept."""
    colour = {"r": 200, "g": 30, "b": 30, "a": 255}
    blank = {"type": "blank_image", "width": width, "height": height, "color": colour}
    scale = {"type": "img_scale", "scale_factor": 2.0, "is_intermediate": False}
    return {"nodes": {"a": {**blank, "is_intermediate": True}, "b": scale}, "edges": [link("a", "b")]}


def slow(nodes: int) -> dict[str, Any]:
    """Every node of it takes about a second on a CPU."""
    graph: dict[str, Any] = {
        "nodes": {"n0": {"type": "blank_image", "width": 4096, "height": 4096}},
        "edges": [],
    }
    for n in range(1, nodes + 1):
        graph["nodes"][f"n{n}"] = {
            "type": "img_blur",
            "radius": 40.0,
            "is_intermediate": n < nodes,
            "use_cache": False,
        }
        graph["edges"].append(link(f"n{n - 1}", f"n{n}"))
    graph["nodes"]["n0"]["is_intermediate"] = True
    return graph


async def started(url: str, asked: Task) -> dict[str, Any]:
    """The task's item, once it runs."""
    async with asyncio.timeout(30):
        while True:
            listed = await asyncio.to_thread(items, url, asked)
            if listed and listed[0]["status"] == "in_progress":
                return listed[0]
            await asyncio.sleep(0.05)


async def at_rest(adapter: InvokeAi) -> None:
    async with asyncio.timeout(60):
        while not await adapter.idle():  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0.05)


async def test_it_is_ready(invokeai: InvokeAi) -> None:
    assert await invokeai.ready()


async def test_its_web_page_is_not_taken_for_the_api(url: str, session: ClientSession) -> None:
    assert not await InvokeAi(Http(session, f"{url}/elsewhere", MAX_BYTES)).ready()


async def test_its_document_says_what_the_file_says(url: str) -> None:
    assert await asyncio.to_thread(fetched, url) == shapes()


async def test_a_graph_becomes_the_picture_of_the_node_that_is_kept(invokeai: InvokeAi) -> None:
    (output,) = (await run_task(invokeai, task("graph", enlarged()))).result.outputs

    image = Image.open(BytesIO(output.data.read()))
    assert (image.size, image.getpixel((5, 5))[:3], output.metadata["node"]) == (
        (192, 128),
        (200, 30, 30),
        "b",
    )


async def test_neither_pictures_nor_items_stay_behind(url: str, invokeai: InvokeAi) -> None:
    node = {"type": "img_scale", "image": {"image_name": f"data:image/png;base64,{as_text(picture())}"}}
    asked = task("graph", {"nodes": {"s": {**node, "is_intermediate": False}}, "edges": []})
    before = await asyncio.to_thread(images, url)

    await run_task(invokeai, asked)

    assert await asyncio.to_thread(images, url) == before
    assert await asyncio.to_thread(items, url, asked) == []


async def test_the_same_graph_again_makes_a_picture_again(invokeai: InvokeAi) -> None:
    asked = [task("graph", enlarged()), task("graph", enlarged())]

    runs = [await run_task(invokeai, request) for request in asked]

    assert [len(run.result.outputs) for run in runs] == [1, 1]


async def test_a_fetched_picture_is_uploaded_and_used(invokeai: InvokeAi) -> None:
    node = {"type": "img_scale", "image": {"image_name": "https://example.com/a.png"}, "scale_factor": 2.0}
    asked = task("graph", {"nodes": {"s": {**node, "is_intermediate": False}}, "edges": []})
    (path,) = invokeai.image_fields(asked)

    (output,) = (await run_task(invokeai, asked, {path: as_input(picture(40, 30))})).result.outputs

    assert Image.open(BytesIO(output.data.read())).size == (80, 60)


async def test_metadata_that_a_graph_gives_comes_with_the_picture(invokeai: InvokeAi) -> None:
    graph = enlarged()
    graph["nodes"]["m"] = {"type": "core_metadata", "positive_prompt": "red", "seed": 5}
    graph["edges"].append(link("m", "b", "metadata"))

    (output,) = (await run_task(invokeai, task("graph", graph))).result.outputs

    assert output.metadata["metadata"]["positive_prompt"] == "red"


MISSING = {"type": "img_scale", "is_intermediate": False}


@pytest.mark.parametrize(
    ("node", "error"),
    [
        ({**MISSING, "image": {"image_name": "no-such.png"}}, "ImageRecordNotFoundException"),
        (MISSING, "MissingInputException"),
        ({"type": "no_such_node"}, r"bad_graph.*no_such_node"),
        ({**MISSING, "scale_factor": "wide"}, r"bad_graph.*scale_factor"),
        ({"type": "main_model_loader", "model": {"name": "no-such-model"}}, "model_unknown"),
    ],
)
async def test_what_is_wrong_with_a_graph_is_reported(
    url: str, invokeai: InvokeAi, node: dict[str, Any], error: str
) -> None:
    asked = task("graph", {"nodes": {"s": node}, "edges": []})

    with pytest.raises(TaskError, match=error):
        await run_task(invokeai, asked)
    assert await asyncio.to_thread(items, url, asked) == []


async def test_a_running_item_is_cancelled_and_the_server_comes_to_rest(url: str, invokeai: InvokeAi) -> None:
    asked = task("graph", slow(40))
    prepared = await invokeai.prepare(asked, {})
    going = asyncio.ensure_future(invokeai.run(prepared, lambda _: None))
    await started(url, asked)
    assert not await invokeai.idle()

    await invokeai.cancel(asked)

    with pytest.raises(Cancelled):
        await going
    await at_rest(invokeai)


async def test_the_pictures_of_a_cancelled_item_are_gone_after_the_next(url: str, invokeai: InvokeAi) -> None:
    await run_task(invokeai, task("graph", enlarged()))
    asked, before = task("graph", slow(40)), await asyncio.to_thread(images, url)
    prepared = await invokeai.prepare(asked, {})
    going = asyncio.ensure_future(invokeai.run(prepared, lambda _: None))
    await started(url, asked)
    await asyncio.sleep(2)  # a few nodes have completed

    await invokeai.cancel(asked)

    with pytest.raises(Cancelled):
        await going
    await at_rest(invokeai)
    await run_task(invokeai, task("graph", enlarged()))
    assert await asyncio.to_thread(images, url) == before


async def test_work_that_an_earlier_agent_queued_is_joined(url: str, invokeai: InvokeAi) -> None:
    asked = task("graph", slow(3))
    first = asyncio.ensure_future(invokeai.run(await invokeai.prepare(asked, {}), lambda _: None))
    item = await started(url, asked)
    first.cancel()

    again = await invokeai.prepare(task("graph", slow(3), id=asked.id, attempt=2), {})
    ran = await invokeai.run(again, lambda _: None)

    assert [done["item_id"] for done, _ in ran.payload] == [item["item_id"]]
    assert len((await invokeai.collect(ran)).outputs) == 1


async def test_a_cancelled_attempt_is_not_taken_for_the_next(url: str, invokeai: InvokeAi) -> None:
    asked = task("graph", enlarged())
    (run,) = (await invokeai.prepare(asked, {})).payload
    await asyncio.to_thread(ask, url, f"{QUEUE}/processor/pause", "PUT")
    (item,) = (await asyncio.to_thread(ask, url, f"{QUEUE}/enqueue_batch", "POST", {"batch": run.batch}))[
        "item_ids"
    ]
    await asyncio.to_thread(ask, url, f"{QUEUE}/i/{item}/cancel", "PUT")
    await asyncio.to_thread(ask, url, f"{QUEUE}/processor/resume", "PUT")

    done = await run_task(invokeai, task("graph", enlarged(), id=asked.id, attempt=2))

    assert len(done.result.outputs) == 1


@pytest.fixture(scope="module")
def responses(url: str) -> dict[str, Any]:
    """The server's own answers to the calls that a waiting and a finished item can show."""
    queue = "/api/v1/queue/{queue_id}"
    batch = {"graph": {"id": "g", **enlarged()}, "runs": 1, "batch_id": "shapes.1", "destination": "shapes"}
    for name, node in batch["graph"]["nodes"].items():
        node["id"] = name
    queued = ask(url, f"{QUEUE}/enqueue_batch", "POST", {"batch": batch, "prepend": False})
    (item,) = queued["item_ids"]
    while (done := ask(url, f"{QUEUE}/i/{item}"))["status"] != "completed":
        pass
    names = [result["image"]["image_name"] for result in done["session"]["results"].values()]
    return {
        f"GET {queue}/status": ask(url, f"{QUEUE}/status"),
        f"POST {queue}/enqueue_batch": queued,
        f"GET {queue}/list_all": ask(url, f"{QUEUE}/list_all?destination=shapes"),
        f"GET {queue}/b/{{batch_id}}/status": ask(url, f"{QUEUE}/b/shapes.1/status"),
        f"GET {queue}/i/{{item_id}}": done,
        f"PUT {queue}/i/{{item_id}}/cancel": ask(url, f"{QUEUE}/i/{item}/cancel", "PUT"),
        "GET /api/v1/images/i/{image_name}/metadata": ask(url, f"/api/v1/images/i/{names[0]}/metadata"),
        "POST /api/v1/images/delete": ask(url, "/api/v1/images/delete", "POST", {"image_names": names}),
        "GET /api/v2/models/": ask(url, "/api/v2/models/"),
    }


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"POST /api/v1/images/upload"}))
def test_it_answers_in_the_shapes_of_its_document(responses: dict[str, Any], call: str) -> None:
    assert faults(responses[call], shapes()["calls"][call]["answer"]) == []
