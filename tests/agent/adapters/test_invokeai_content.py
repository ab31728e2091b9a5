"""What a task for InvokeAI may hold: graphs, batches, and references to images, videos and models in them."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from queue_agent.adapters.invokeai import content
from queue_agent.adapters.invokeai.adapter import InvokeAi
from queue_agent.adapters.shared.http import Http
from queue_agent.blobs import Blob
from queue_agent.contract import InputImage, RuntimeUnavailable, TaskError

from local.runtimes.invokeai.images import MP4
from tests.agent.adapters.conftest import Sim, as_input, as_text, examples, picture, run_task, task

QUEUE = "/api/v1/queue/default"
URL = "https://example.com/a.png"
LORA = "detail_lora"


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:
    models = ("--model", "dreamshaper_8.safetensors", "--model", f"{LORA}.safetensors")
    return simulate("invokeai", "--plain", "--service-time", "0.02", *models)


@pytest.fixture
def invokeai(sim: Sim, http: Callable[[Sim], Http]) -> InvokeAi:
    sim.clear_faults()
    return InvokeAi(http(sim))


def blank(**fields: Any) -> dict[str, Any]:
    """A graph that makes one picture without a model."""
    return {
        "nodes": {"a": {"id": "a", "type": "blank_image", "width": 64, "height": 64, **fields}},
        "edges": [],
    }


def widths(*items: Any, node: str = "a", field: str = "width") -> list[list[dict[str, Any]]]:
    return [[{"node_path": node, "field_name": field, "items": list(items)}]]


def left(sim: Sim) -> list[int]:
    """How many images, videos and items of the queue the server has, but for canceled ones.

    A canceled item may still make an image, so the next task deletes it.
    """
    items = [item for item in sim.ask("GET", f"{QUEUE}/list_all") if item["status"] != "canceled"]
    counts = [sim.ask("GET", f"/api/v1/{kind}/")["total"] for kind in ("images", "videos")]
    return [*counts, len(items)]


async def settled(sim: Sim, invokeai: InvokeAi, before: list[int]) -> list[int]:
    """The same after one more task, or a few: on a busy machine a canceled item makes its image later."""
    for _ in range(5):
        await run_task(invokeai, task("graph", blank()))
        if left(sim) == before:
            break
    return left(sim)


def size(data: Blob) -> tuple[int, int]:
    return int.from_bytes(data.read(16, 4), "big"), int.from_bytes(data.read(20, 4), "big")


# Batches


async def test_runs_and_data_make_a_picture_for_each_combination_in_invokeais_order(
    sim: Sim, invokeai: InvokeAi
):
    both = [
        {"node_path": "a", "field_name": "width", "items": [64, 128]},
        {"node_path": "a", "field_name": "height", "items": [8, 16]},
    ]
    batch = {"graph": blank(), "runs": 2, "data": [both]}
    before = left(sim)

    outputs = (await run_task(invokeai, task("graph", batch))).result.outputs

    assert [size(output.data) for output in outputs] == [(64, 8), (128, 16), (64, 8), (128, 16)]
    assert outputs[1].metadata["field_values"] == [
        {"node_path": "a", "field_name": "width", "value": 128},
        {"node_path": "a", "field_name": "height", "value": 16},
    ]
    assert left(sim) == before


async def test_lists_of_data_are_combined_with_each_other(invokeai: InvokeAi):
    batch = {"graph": blank(), "data": [*widths(64, 128), *widths(8, 16, field="height")]}

    outputs = (await run_task(invokeai, task("graph", batch))).result.outputs

    assert [size(output.data) for output in outputs] == [(64, 8), (64, 16), (128, 8), (128, 16)]


async def test_the_body_of_enqueue_batch_is_a_task_as_it_is(invokeai: InvokeAi):
    body = {"batch": {"graph": blank(), "runs": 2}, "prepend": False}

    assert len((await run_task(invokeai, task("graph", body))).result.outputs) == 2


async def test_an_image_in_the_data_of_a_batch_is_uploaded(invokeai: InvokeAi):
    graph = {"nodes": {"s": {"id": "s", "type": "img_scale", "scale_factor": 2.0}}, "edges": []}
    given = f"data:image/png;base64,{as_text(picture(10, 10))}"
    items = [{"image_name": URL}, {"image_name": given}]
    batch = {"graph": graph, "data": widths(*items, node="s", field="image")}
    asked = task("graph", batch)
    assert ("data", 0, 0, "items", 0, "image_name") in invokeai.image_fields(asked)

    fetched = {("data", 0, 0, "items", 0, "image_name"): as_input(picture(40, 30))}
    outputs = (await run_task(invokeai, asked, fetched)).result.outputs

    assert [size(output.data) for output in outputs] == [(80, 60), (20, 20)]


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        ({"runs": 0}, "runs must be"),
        ({"runs": "2"}, "runs must be"),
        ({"runs": True}, "runs must be"),
        ({"runs": 101}, "more than 100"),
        ({"runs": 11, "data": widths(*range(1, 11))}, "more than 100"),
        ({"runs": 5, "data": widths(*["a" * 10**6] * 2)}, "together"),
        ({"data": {}}, None),
        ({"data": [{}]}, "list of lists"),
        ({"data": [[]]}, "list of lists"),
        ({"data": [[{"node_path": "a", "field_name": "width"}]]}, "items not empty"),
        ({"data": widths()}, "items not empty"),
        ({"data": widths(1, node="b")}, "the node b"),
        ({"data": widths(64, field="colour")}, "the field colour"),
        ({"data": widths(64, "wide")}, "width"),
        ({"data": [[*widths(1, 2)[0], *widths(1, field="height")[0]]]}, "same length"),
        ({"batch_id": "mine"}, "batch_id"),
        ({"destination": "canvas"}, "set by the agent"),
        ({"priority": 1}, "priority"),
        ({"extra": {}}, "extra"),
    ],
)
async def test_what_a_batch_cannot_mean_is_refused_in_one_answer(
    sim: Sim, invokeai: InvokeAi, batch: dict[str, Any], text: str | None
):
    before = left(sim)
    asked = task("graph", {"graph": blank(), **batch})
    if text is None:
        assert len((await run_task(invokeai, asked)).result.outputs) == 1
        return

    with pytest.raises(TaskError, match="bad_graph") as caught:
        await run_task(invokeai, asked)
    assert text in caught.value.message
    assert await settled(sim, invokeai, before) == before


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({**blank(), "runs": 2}, "runs cannot be used"),
        ({"graph": {**blank(), "runs": 2}}, "graph.runs cannot be used"),
        ({"batch": {"graph": blank()}, "prepend": True}, "prepend"),
        ({"batch": {"graph": blank()}, "runs": 3}, "runs cannot be used"),
        ({"input": {"graph": blank()}}, "RunPod"),
        ({"nodes": [{"id": "a", "type": "invocation", "data": {}}], "edges": []}, "UI format"),
        ({"workflow": {"nodes": [], "edges": []}}, "UI format"),
        ({"graph": {"nodes": [], "edges": []}}, "UI format"),
        ({"graph": '{"nodes": {}}'}, "is text"),
    ],
)
async def test_content_with_a_key_or_form_that_has_no_effect_is_refused_with_a_hint(
    invokeai: InvokeAi, document: dict[str, Any], text: str
):
    with pytest.raises(TaskError, match="bad_graph") as caught:
        await invokeai.prepare(task("graph", document), {})
    assert text in caught.value.message


async def test_a_value_of_a_wrong_type_does_not_stop_the_queue(sim: Sim, invokeai: InvokeAi):
    """InvokeAI itself puts it in unchecked, and cannot read its queue from then on."""
    with pytest.raises(TaskError, match="bad_graph"):
        await run_task(invokeai, task("graph", {"graph": blank(), "data": widths("wide")}))

    assert len((await run_task(invokeai, task("graph", blank()))).result.outputs) == 1


async def test_the_failure_of_one_run_ends_the_others_and_leaves_nothing(sim: Sim, invokeai: InvokeAi):
    graph = {
        "nodes": {"s": {"id": "s", "type": "img_scale", "image": {"image_name": "gone.png"}}},
        "edges": [],
    }
    before = left(sim)

    with pytest.raises(TaskError, match="ImageRecordNotFoundException"):
        await run_task(invokeai, task("graph", {"graph": graph, "runs": 50}))
    assert await settled(sim, invokeai, before) == before


async def test_runs_that_an_agent_queued_in_part_are_not_joined(sim: Sim, invokeai: InvokeAi, http: Any):
    asked, before = task("graph", {"graph": blank(), "runs": 3}), left(sim)
    runs = (await invokeai.prepare(asked, {})).payload
    # Else a busy machine lets the first end before the agent starts.
    sim.fault("slow", match=asked.id)
    for run in runs[:2]:
        sim.ask("POST", f"{QUEUE}/enqueue_batch", {"batch": run.batch})

    outputs = (await run_task(InvokeAi(http(sim)), replace(asked, attempt=2))).result.outputs

    assert len(outputs) == 3
    assert await settled(sim, invokeai, before) == before


async def test_all_runs_that_an_agent_queued_are_joined(sim: Sim, invokeai: InvokeAi, http: Any):
    asked = task("graph", {"graph": blank(), "data": widths(64, 128)})
    for run in (await invokeai.prepare(asked, {})).payload:
        sim.ask("POST", f"{QUEUE}/enqueue_batch", {"batch": run.batch})

    outputs = (await run_task(InvokeAi(http(sim)), replace(asked, attempt=2))).result.outputs

    assert [size(output.data)[0] for output in outputs] == [64, 128]
    assert sim.outcomes(asked.id) == ["done", "done"]


async def test_a_queue_that_is_full_after_the_first_run_queues_none(sim: Sim, invokeai: InvokeAi):
    asked = task("graph", {"graph": blank(), "runs": 3})
    sim.fault("queue-full", match=asked.id, after=2)

    with pytest.raises(RuntimeUnavailable, match="queue_full"):
        await run_task(invokeai, asked)
    sim.clear_faults()

    assert len((await run_task(invokeai, replace(asked, attempt=2))).result.outputs) == 3


# References


@pytest.mark.parametrize(
    ("node", "place"),
    [
        ({"type": "image_collection", "collection": [{"image_name": URL}]}, ("collection", 0)),
        (
            {"type": "flux_denoise", "control": [{"image": {"image_name": URL}, "control_model": {}}]},
            ("control", 0, "image"),
        ),
        ({"type": "img_scale", "image": {"image_name": URL}}, ("image",)),
    ],
)
def test_an_image_is_found_at_any_depth(node: dict[str, Any], place: tuple[Any, ...]):
    graph = {"nodes": {"n": {"id": "n", **node}}, "edges": []}

    assert content.image_fields(graph) == [("nodes", "n", *place, "image_name")]
    assert content.image_fields({"graph": graph}) == [("graph", "nodes", "n", *place, "image_name")]


def test_what_is_only_recorded_in_the_picture_is_not_fetched():
    recorded = {"image": {"image_name": URL}, "model": {"name": "gone"}}

    assert content.image_fields(blank(metadata=recorded)) == []


async def test_images_in_a_list_are_uploaded_once_each(sim: Sim, invokeai: InvokeAi):
    names = [{"image_name": URL}, {"image_name": URL}]
    graph = {"nodes": {"c": {"id": "c", "type": "image_collection", "collection": names}}, "edges": []}
    asked, before = task("graph", graph), left(sim)
    fetched = {path: as_input(picture(40, 30)) for path in invokeai.image_fields(asked)}

    outputs = (await run_task(invokeai, asked, fetched)).result.outputs

    assert [size(output.data) for output in outputs] == [(40, 30)]
    assert left(sim) == before


async def test_loras_in_a_list_get_their_keys(sim: Sim, invokeai: InvokeAi):
    loras = [{"lora": {"name": LORA}, "weight": 0.5}]
    graph = {"nodes": {"l": {"id": "l", "type": "lora_collection_loader", "loras": loras}}, "edges": []}

    (run,) = (await invokeai.prepare(task("graph", graph), {})).payload

    key = sim.ask("GET", f"/api/v2/models/?model_name={LORA}")["models"][0]["key"]
    lora = run.batch["graph"]["nodes"]["l"]["loras"][0]["lora"]
    assert (lora["key"], lora["type"]) == (key, "lora")


async def test_a_lora_in_a_list_that_is_not_there_is_the_tasks_fault(invokeai: InvokeAi):
    loras = [{"lora": {"name": "no-such-lora"}, "weight": 0.5}]
    graph = {"nodes": {"l": {"id": "l", "type": "lora_collection_loader", "loras": loras}}, "edges": []}

    with pytest.raises(TaskError, match="model_unknown"):
        await invokeai.prepare(task("graph", graph), {})


async def test_a_model_that_is_only_recorded_need_not_be_there(invokeai: InvokeAi):
    edited = copy.deepcopy(examples()["invokeai-graph"]["task"]["content"]["graph"])
    lora = {"key": "k", "hash": "h", "name": "gone", "base": "sd-1", "type": "lora"}
    loras = [{"model": lora, "weight": 1.0}]
    edited["nodes"]["m"] = {"id": "m", "type": "core_metadata", "loras": loras}

    assert len((await run_task(invokeai, task("graph", edited))).result.outputs) == 1


async def test_a_video_is_uploaded_delivered_and_deleted(sim: Sim, invokeai: InvokeAi):
    graph = {"nodes": {"v": {"id": "v", "type": "video", "video": {"video_name": URL}}}, "edges": []}
    asked, before = task("graph", graph), left(sim)
    (path,) = invokeai.media_fields(asked)

    outputs = (
        await run_task(invokeai, asked, {path: InputImage(Blob(MP4), "video/mp4", "mp4")})
    ).result.outputs

    assert [(output.content_type, output.kind, output.extension) for output in outputs] == [
        ("video/mp4", "video", "mp4")
    ]
    assert left(sim) == before


async def test_a_video_that_invokeai_cannot_read_is_the_tasks_fault(sim: Sim, invokeai: InvokeAi):
    graph = {"nodes": {"v": {"id": "v", "type": "video", "video": {"video_name": URL}}}, "edges": []}
    asked, before = task("graph", graph), left(sim)
    (path,) = invokeai.media_fields(asked)

    with pytest.raises(TaskError, match="bad_video"):
        await invokeai.prepare(asked, {path: InputImage(Blob(b"\x1aE\xdf\xa3webm"), "video/webm", "webm")})
    assert left(sim) == before


async def test_uploads_of_a_task_that_is_refused_are_deleted(sim: Sim, invokeai: InvokeAi):
    given = {"image_name": f"data:image/png;base64,{as_text(picture())}"}
    node = {"id": "s", "type": "img_scale", "image": given, "scale_factor": "wide"}
    before = left(sim)

    with pytest.raises(TaskError, match="bad_graph"):
        await run_task(invokeai, task("graph", {"nodes": {"s": node}, "edges": []}))
    assert left(sim) == before


async def test_an_attempt_after_a_cancelled_one_keeps_its_own_uploads(sim: Sim, invokeai: InvokeAi):
    given = {"image_name": f"data:image/png;base64,{as_text(picture())}"}
    graph = {"nodes": {"s": {"id": "s", "type": "img_scale", "image": given}}, "edges": []}
    asked = task("graph", graph)
    (run,) = (await invokeai.prepare(asked, {})).payload
    (item,) = sim.ask("POST", f"{QUEUE}/enqueue_batch", {"batch": run.batch})["item_ids"]
    sim.ask("PUT", f"{QUEUE}/i/{item}/cancel")

    outputs = (await run_task(invokeai, replace(asked, attempt=2))).result.outputs

    assert len(outputs) == 1
