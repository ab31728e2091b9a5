"""InvokeAI's adapter against the simulation, and each trap of its API."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from queue_agent.adapters.invokeai.adapter import InvokeAi
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Cancelled, RuntimeUnavailable, TaskError

from tests.agent.adapters.conftest import (
    Sim,
    as_input,
    as_text,
    examples,
    picture,
    run_task,
    task,
    wait_until,
)

MODEL = "dreamshaper_8"


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:
    models = ("--model", f"{MODEL}.safetensors", "--model", "juggernaut_xl.safetensors")
    return simulate("invokeai", "--plain", "--service-time", "0.05", *models)


@pytest.fixture
def invokeai(sim: Sim, http: Callable[[Sim], Http]) -> InvokeAi:
    sim.clear_faults()
    return InvokeAi(http(sim))


def graph(**noise: Any) -> dict[str, Any]:
    """The example's graph."""
    edited = copy.deepcopy(examples()["invokeai-graph"]["task"]["content"]["graph"])
    edited["nodes"]["noise"].update(noise)
    return dict(edited)


def scaling(image: str) -> dict[str, Any]:
    node = {"id": "s", "type": "img_scale", "image": {"image_name": image}, "scale_factor": 2.0}
    return {"nodes": {"s": {**node, "is_intermediate": False}}, "edges": []}


def images_left(sim: Sim) -> int:
    return int(sim.ask("GET", "/api/v1/images/")["total"])


async def test_a_graph_becomes_a_picture_with_its_seed_and_model(invokeai: InvokeAi):
    result = (await run_task(invokeai, task("graph", {"graph": graph(seed=11)}))).result

    assert [(o.content_type, o.kind, o.metadata["node"]) for o in result.outputs] == [
        ("image/png", "image", "picture")
    ]
    assert (result.seed, result.model) == (11, MODEL)


async def test_the_content_may_be_the_graph_itself(invokeai: InvokeAi):
    assert len((await run_task(invokeai, task("pipeline", graph()))).result.outputs) == 1


@pytest.mark.parametrize("model", [{"name": MODEL}, {"name": MODEL, "key": "of-another-installation"}])
async def test_a_model_is_found_by_its_name(sim: Sim, invokeai: InvokeAi, model: dict[str, str]):
    edited = graph()
    edited["nodes"]["model"]["model"] = model

    prepared = await invokeai.prepare(task("graph", edited), {})

    key = sim.ask("GET", f"/api/v2/models/?model_name={MODEL}")["models"][0]["key"]
    sent = prepared.payload[0].batch["graph"]["nodes"]["model"]["model"]
    assert (sent["key"], sent["base"], sent["type"]) == (key, "sd-1", "main")


async def test_a_model_that_is_not_there_is_the_tasks_fault(invokeai: InvokeAi):
    edited = graph()
    edited["nodes"]["model"]["model"] = {"name": "dream"}

    with pytest.raises(TaskError, match="model_unknown"):
        await invokeai.prepare(task("graph", edited), {})


async def test_a_fetched_picture_is_uploaded_under_a_name_of_invokeais(sim: Sim, invokeai: InvokeAi):
    asked = task("graph", scaling("https://example.com/a.png"))
    (path,) = invokeai.image_fields(asked)

    result = (await run_task(invokeai, asked, {path: as_input(picture(40, 30))})).result

    assert result.outputs[0].data.read(16, 8) == (80).to_bytes(4, "big") + (60).to_bytes(4, "big")


async def test_a_picture_may_come_as_data_uri(invokeai: InvokeAi):
    asked = task("graph", scaling(f"data:image/png;base64,{as_text(picture())}"))

    assert len((await run_task(invokeai, asked)).result.outputs) == 1


async def test_neither_pictures_nor_items_stay_behind(sim: Sim, invokeai: InvokeAi):
    asked = task("graph", scaling(f"data:image/png;base64,{as_text(picture())}"))
    before = images_left(sim)

    await run_task(invokeai, asked)

    assert images_left(sim) == before
    assert sim.ask("GET", f"/api/v1/queue/default/list_all?destination={asked.id}") == []


async def test_an_intermediate_picture_is_not_delivered_and_not_left(sim: Sim, invokeai: InvokeAi):
    edited = graph()
    edited["nodes"]["picture"]["is_intermediate"] = True
    edited["nodes"]["small"] = {"id": "small", "type": "img_resize", "width": 64, "height": 64}
    link = {
        "source": {"node_id": "picture", "field": "image"},
        "destination": {"node_id": "small", "field": "image"},
    }
    edited["edges"].append(link)
    before = images_left(sim)

    outputs = (await run_task(invokeai, task("graph", edited))).result.outputs

    assert [o.metadata["node"] for o in outputs] == ["small"]
    assert images_left(sim) == before


async def test_a_node_that_says_nothing_of_it_is_kept_and_not_cached(invokeai: InvokeAi):
    edited = graph()
    del edited["nodes"]["picture"]["is_intermediate"]

    prepared = await invokeai.prepare(task("graph", edited), {})

    assert prepared.payload[0].batch["graph"]["nodes"]["picture"]["use_cache"] is False
    assert len((await invokeai.collect(await invokeai.run(prepared, lambda _: None))).outputs) == 1


# Restarts


async def test_work_that_an_earlier_agent_queued_is_joined_and_not_done_again(
    sim: Sim, invokeai: InvokeAi, http
):
    asked = task("graph", graph())
    prepared = await invokeai.prepare(asked, {})
    sim.fault("slow", match=asked.id)
    first = asyncio.ensure_future(invokeai.run(prepared, lambda _: None))
    await wait_until(lambda: sim.runs(asked.id))
    first.cancel()

    await run_task(InvokeAi(http(sim)), task("graph", graph(), id=asked.id, attempt=2))

    assert sim.outcomes(asked.id) == ["done"]


async def test_the_failure_of_an_earlier_attempt_is_not_taken_for_this_one(sim: Sim, invokeai: InvokeAi):
    asked = task("graph", graph())
    (run,) = (await invokeai.prepare(asked, {})).payload
    sim.fault("oom", match=asked.id)
    sim.ask("POST", "/api/v1/queue/default/enqueue_batch", {"batch": run.batch})
    await wait_until(lambda: sim.outcomes(asked.id) == ["failed"])

    await run_task(invokeai, asked)

    assert sim.outcomes(asked.id) == ["failed", "done"]


async def test_an_item_that_is_gone_is_lost(sim: Sim, invokeai: InvokeAi):
    asked = task("graph", graph())
    sim.fault("forget", match=asked.id)

    with pytest.raises(RuntimeUnavailable):
        await run_task(invokeai, asked)


# Faults


@pytest.mark.parametrize(
    ("fault", "code"), [("oom", "out_of_memory"), ("device", "device_error"), ("mount", "node_error")]
)
async def test_what_gpu_or_node_fail_at_is_worth_another_try(
    simulate: Callable[..., Sim], http: Callable[[Sim], Http], fault: str, code: str
):
    sim = simulate("invokeai", "--plain", "--service-time", "0.05", "--model", f"{MODEL}.safetensors")
    sim.fault(fault)

    with pytest.raises(RuntimeUnavailable) as caught:
        await run_task(InvokeAi(http(sim)), task("graph", graph()))
    assert caught.value.code == code


async def test_any_other_exception_is_the_tasks_fault(sim: Sim, invokeai: InvokeAi):
    sim.fault("error")

    with pytest.raises(TaskError, match="execution_error"):
        await run_task(invokeai, task("graph", graph()))


async def test_a_full_queue_that_answers_200_is_worth_another_try(sim: Sim, invokeai: InvokeAi):
    sim.fault("queue-full")

    with pytest.raises(RuntimeUnavailable, match="queue_full"):
        await run_task(invokeai, task("graph", graph()))


async def test_an_unknown_node_is_refused_in_few_words(invokeai: InvokeAi):
    edited = graph()
    edited["nodes"]["noise"]["type"] = "nose"

    with pytest.raises(TaskError, match=r"nodes\.noise: Input tag 'nose'") as caught:
        await run_task(invokeai, task("graph", edited))
    assert len(caught.value.message) < 400


async def test_an_input_that_is_missed_only_at_run_time_is_the_tasks_fault(invokeai: InvokeAi):
    edited = graph()
    edited["edges"] = [edge for edge in edited["edges"] if edge["destination"]["field"] != "latents"]

    with pytest.raises(TaskError, match="RequiredConnectionException"):
        await run_task(invokeai, task("graph", edited))


async def test_a_picture_that_is_not_there_is_the_tasks_fault(invokeai: InvokeAi):
    with pytest.raises(TaskError, match="ImageRecordNotFoundException"):
        await run_task(invokeai, task("graph", scaling("gone.png")))


@pytest.mark.parametrize(
    "content", [{}, {"graph": {"nodes": []}}, {"nodes": {"a": 1}}, {"nodes": {"a": {"id": "a"}}}]
)
async def test_what_is_not_a_graph_is_refused_before_it_is_sent(invokeai: InvokeAi, content: dict[str, Any]):
    asked = task("graph", content)
    assert invokeai.model(asked) is None and not invokeai.image_fields(asked)

    with pytest.raises(TaskError, match="bad_graph"):
        await invokeai.prepare(asked, {})


async def test_a_graph_that_leaves_no_picture_fails_with_the_reason(sim: Sim, invokeai: InvokeAi):
    sim.fault("no-output")

    with pytest.raises(TaskError, match="no_output"):
        await run_task(invokeai, task("graph", graph()))


async def test_a_broken_picture_is_not_a_success(sim: Sim, invokeai: InvokeAi):
    sim.fault("broken-output")

    with pytest.raises(RuntimeUnavailable, match="broken_output"):
        await run_task(invokeai, task("graph", graph()))


async def test_a_broken_picture_is_made_again_by_the_next_attempt(sim: Sim, invokeai: InvokeAi):
    sim.fault("broken-output")
    asked = task("graph", graph())
    with pytest.raises(RuntimeUnavailable):
        await run_task(invokeai, asked)

    done = await run_task(invokeai, replace(asked, attempt=2))

    assert len(done.result.outputs) == 1


async def test_a_running_item_is_cancelled_and_the_gpu_waited_for(sim: Sim, invokeai: InvokeAi):
    sim.fault("slow")
    asked = task("graph", graph())
    prepared = await invokeai.prepare(asked, {})
    running = asyncio.ensure_future(invokeai.run(prepared, lambda _: None))
    await wait_until(lambda: sim.runs(asked.id))
    assert not await invokeai.idle()

    await invokeai.cancel(asked)

    with pytest.raises(Cancelled):
        await running
    await wait_until(lambda: sim.outcomes(asked.id) == ["interrupted"])
    assert await invokeai.idle()


async def test_progress_comes_by_socket_io(simulate, http):
    sim = simulate("invokeai", "--plain", "--service-time", "1.6")

    progress = (await run_task(InvokeAi(http(sim)), task("graph", graph()))).progress

    assert any(0.2 < share.value < 0.9 for share in progress) and progress[-1].value == 1.0


async def test_what_a_cancelled_item_leaves_is_deleted_by_the_next_run(sim: Sim, invokeai: InvokeAi):
    sim.fault("slow")
    asked = task("graph", graph())
    running = asyncio.ensure_future(invokeai.run(await invokeai.prepare(asked, {}), lambda _: None))
    await wait_until(lambda: sim.runs(asked.id))
    await invokeai.cancel(asked)
    with pytest.raises(Cancelled):
        await running
    await wait_until(lambda: sim.outcomes(asked.id) == ["interrupted"])

    await run_task(invokeai, task("graph", graph()))

    assert sim.ask("GET", f"/api/v1/queue/default/list_all?destination={asked.id}") == []


async def test_a_web_page_at_200_is_not_the_api(sim: Sim, session):
    adapter = InvokeAi(Http(session, f"{sim.url}/elsewhere", 10_000))

    assert not await adapter.ready()
