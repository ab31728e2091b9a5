"""The simulated InvokeAI and what the adapter sends, held against the real one's OpenAPI document."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession
from queue_agent.adapters.invokeai.adapter import InvokeAi
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Prepared

from testing.world import wait_for
from tests.agent.adapters.conftest import (
    Sim,
    examples,
    picture,
    simulate,  # noqa: F401 - a fixture
    task,
)
from tests.local.invokeai_shapes import CALLS, faults, shapes

QUEUE = "/api/v1/queue/default"
SHAPES = shapes()


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:  # noqa: F811 - the fixture
    return simulate("invokeai", "--plain", "--service-time", "0.05", "--model", "dreamshaper_8.safetensors")


@pytest.fixture(scope="module")
def sent(sim: Sim) -> dict[str, Any]:
    """What the adapter posts for the example."""

    async def prepared() -> Prepared:
        async with ClientSession() as session:
            asked = task("graph", examples()["invokeai-graph"]["task"]["content"])
            return await InvokeAi(Http(session, sim.url, 10_000_000)).prepare(asked, {})

    (run,) = asyncio.run(prepared()).payload
    return {"batch": dict(run.batch), "prepend": False}


def upload(sim: Sim) -> dict[str, Any]:
    """What an upload is answered, as the adapter's form makes it."""
    head = 'Content-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png'
    data = b"--b\r\n" + head.encode() + b"\r\n\r\n" + picture() + b"\r\n--b--\r\n"
    url = f"{sim.url}/api/v1/images/upload?image_category=user&is_intermediate=true"
    asked = urllib.request.Request(url, data, {"Content-Type": "multipart/form-data; boundary=b"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return dict(json.load(answer))


@pytest.fixture(scope="module")
def responses(sim: Sim, sent: dict[str, Any]) -> dict[str, Any]:
    """The simulation's answer to each call of the adapter, for a task that completes."""
    queued = sim.ask("POST", f"{QUEUE}/enqueue_batch", sent)
    batch, item = queued["batch"]["batch_id"], queued["item_ids"][0]
    waiting = sim.ask("GET", f"{QUEUE}/b/{batch}/status")
    wait_for(lambda: sim.ask("GET", f"{QUEUE}/b/{batch}/status")["completed"])
    done = sim.ask("GET", f"{QUEUE}/i/{item}")
    (name,) = (
        result["image"]["image_name"] for result in done["session"]["results"].values() if "image" in result
    )
    queue = "/api/v1/queue/{queue_id}"
    return {
        f"GET {queue}/status": sim.ask("GET", f"{QUEUE}/status"),
        f"POST {queue}/enqueue_batch": queued,
        f"GET {queue}/list_all": sim.ask("GET", f"{QUEUE}/list_all?destination={done['destination']}"),
        f"GET {queue}/b/{{batch_id}}/status": waiting,
        f"GET {queue}/i/{{item_id}}": done,
        f"PUT {queue}/i/{{item_id}}/cancel": sim.ask("PUT", f"{QUEUE}/i/{item}/cancel"),
        "POST /api/v1/images/upload": upload(sim),
        "GET /api/v1/images/i/{image_name}/metadata": sim.ask("GET", f"/api/v1/images/i/{name}/metadata"),
        "POST /api/v1/images/delete": sim.ask("POST", "/api/v1/images/delete", {"image_names": [name]}),
        "GET /api/v2/models/": sim.ask("GET", "/api/v2/models/"),
    }


@pytest.mark.parametrize("call", CALLS)
def test_the_simulation_answers_in_the_shape_of_the_real_one(responses: dict[str, Any], call: str) -> None:
    assert faults(responses[call], SHAPES["calls"][call]["answer"]) == []


def test_a_failed_item_has_the_shape_of_the_real_one(sim: Sim, sent: dict[str, Any]) -> None:
    sim.fault("oom")
    batch = {**sent["batch"], "batch_id": "one-that-fails"}
    (item,) = sim.ask("POST", f"{QUEUE}/enqueue_batch", {**sent, "batch": batch})["item_ids"]
    wait_for(lambda: sim.ask("GET", f"{QUEUE}/i/{item}")["status"] == "failed")

    failed = sim.ask("GET", f"{QUEUE}/i/{item}")

    assert faults(failed, SHAPES["calls"]["GET /api/v1/queue/{queue_id}/i/{item_id}"]["answer"]) == []


def test_a_session_holds_pictures_as_the_real_one_does(responses: dict[str, Any]) -> None:
    results = responses["GET /api/v1/queue/{queue_id}/i/{item_id}"]["session"]["results"].values()
    (image,) = (result for result in results if result["type"] == "image_output")

    assert faults(image, {"$ref": "#/schemas/ImageOutput"}) == []


def test_the_adapter_posts_what_the_real_one_takes(sent: dict[str, Any]) -> None:
    assert faults(sent, SHAPES["calls"]["POST /api/v1/queue/{queue_id}/enqueue_batch"]["body"]) == []


@pytest.mark.parametrize(
    "answer",
    [
        {"affected_boards": [], "deleted_images": [], "failed_images": [], "more": 1},
        {"affected_boards": []},
        {"affected_boards": [], "deleted_images": 1, "failed_images": []},
    ],
)
def test_a_field_too_many_or_too_few_or_of_another_type_is_seen(answer: dict[str, Any]) -> None:
    assert faults(answer, SHAPES["calls"]["POST /api/v1/images/delete"]["answer"])
