"""ComfyUI's adapter against the simulation, and each trap of its API."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from queue_agent.adapters.comfyui.adapter import ComfyUi
from queue_agent.adapters.comfyui.prompts import prompt_id
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Cancelled, RuntimeUnavailable, TaskError

from tests.agent.adapters.conftest import (
    COMFYUI_MODEL,
    Sim,
    as_input,
    as_text,
    picture,
    run_task,
    task,
    wait_until,
    workflow,
)


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:
    return simulate("comfyui", "--plain", "--service-time", "0.05", "--model", COMFYUI_MODEL)


@pytest.fixture
def comfyui(sim: Sim, http: Callable[[Sim], Http]) -> ComfyUi:
    sim.clear_faults()
    return ComfyUi(http(sim))


def from_picture(image: str) -> dict[str, Any]:
    graph = workflow()
    graph["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["4", 2]}}
    graph["10"] = {"class_type": "LoadImage", "inputs": {"image": image}}
    return graph


async def all_outcomes(sim: Sim, asked: str) -> list[str]:
    """The outcomes of a task once nothing runs and nothing waits."""
    await wait_until(lambda: sim.ask("GET", "/prompt")["exec_info"]["queue_remaining"] == 0)
    return sim.outcomes(asked)


async def test_a_workflow_becomes_a_picture_with_its_seed_and_model(comfyui: ComfyUi):
    result = (await run_task(comfyui, task("pipeline", workflow(seed=11)))).result

    assert [(o.content_type, o.kind, o.metadata["node"]) for o in result.outputs] == [
        ("image/png", "image", "9")
    ]
    assert (result.seed, result.model) == (11, COMFYUI_MODEL)


async def test_a_workflow_may_come_as_comfyuis_own_api_has_it(comfyui: ComfyUi):
    assert len((await run_task(comfyui, task("pipeline", {"prompt": workflow()}))).result.outputs) == 1


async def test_every_picture_of_a_batch_is_delivered(comfyui: ComfyUi):
    graph = workflow()
    graph["5"]["inputs"]["batch_size"] = 3

    assert len((await run_task(comfyui, task("pipeline", graph))).result.outputs) == 3


async def test_the_same_workflow_twice_gives_two_pictures_of_their_own(sim: Sim, comfyui: ComfyUi):
    first, second = task("pipeline", workflow(seed=5)), task("pipeline", workflow(seed=5))

    prefixes = {
        (await comfyui.prepare(attempt, {})).payload["prompt"]["9"]["inputs"]["filename_prefix"]
        for attempt in (first, second)
    }

    assert prefixes == {f"{first.id}-1-example", f"{second.id}-1-example"}


@pytest.mark.parametrize("kind", ["SaveImage", "PreviewImage"])
async def test_the_same_workflow_gives_pictures_again_after_its_files_were_swept(
    sim: Sim, comfyui: ComfyUi, kind: str
):
    graph = workflow(seed=6)
    graph["9"] = {"class_type": kind, "inputs": {"images": ["8", 0]}}
    graph["9"]["inputs"] |= {"filename_prefix": ["20", 0]} if kind == "SaveImage" else {}
    graph["20"] = {"class_type": "PrimitiveString", "inputs": {"value": "linked"}}

    for _ in range(2):
        assert len((await run_task(comfyui, task("pipeline", graph))).result.outputs) == 1
        sim.ask("DELETE", "/_simulation/files")


async def test_files_that_are_gone_are_made_again_by_the_next_attempt(sim: Sim, comfyui: ComfyUi):
    asked = task("pipeline", workflow(seed=8))
    ran = await comfyui.run(await comfyui.prepare(asked, {}), lambda _: None)
    sim.ask("DELETE", "/_simulation/files")
    with pytest.raises(RuntimeUnavailable, match="broken_output"):
        await comfyui.collect(ran)

    assert len((await run_task(comfyui, asked)).result.outputs) == 1


async def test_previews_are_left_out_when_there_is_a_saved_picture(comfyui: ComfyUi):
    graph = workflow()
    graph["12"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}

    assert [
        o.metadata["node"] for o in (await run_task(comfyui, task("pipeline", graph))).result.outputs
    ] == ["9"]


async def test_a_preview_is_delivered_when_there_is_nothing_else(comfyui: ComfyUi):
    graph = workflow()
    graph["9"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}

    assert len((await run_task(comfyui, task("pipeline", graph))).result.outputs) == 1


async def test_a_fetched_picture_is_uploaded_and_the_node_gets_its_name(sim: Sim, comfyui: ComfyUi):
    asked = task("pipeline", from_picture("https://example.com/a.png"))
    (path,) = comfyui.image_fields(asked)

    await run_task(comfyui, asked, {path: as_input(picture())})

    sent = (await comfyui.prepare(asked, {path: as_input(picture())})).payload["prompt"]["10"]["inputs"][
        "image"
    ]
    assert sent == f"{asked.id}-0.png"


async def test_a_picture_may_come_as_data_uri(comfyui: ComfyUi):
    asked = task("pipeline", from_picture(f"data:image/png;base64,{as_text(picture())}"))

    assert len((await run_task(comfyui, asked)).result.outputs) == 1


async def test_a_data_uri_that_is_not_a_picture_is_the_tasks_fault(comfyui: ComfyUi):
    with pytest.raises(TaskError, match="input_not_image"):
        await comfyui.prepare(task("pipeline", from_picture("data:text/html;base64,PGI+")), {})


async def test_the_history_is_cleared_of_what_was_delivered(sim: Sim, comfyui: ComfyUi):
    asked = task("pipeline", workflow())

    await run_task(comfyui, asked)

    assert sim.ask("GET", f"/history/{prompt_id(asked.id)}") == {}


# Restarts


async def test_work_that_an_earlier_agent_submitted_is_joined_and_not_done_again(
    sim: Sim, comfyui: ComfyUi, http
):
    asked = task("pipeline", workflow())
    prepared = await comfyui.prepare(asked, {})
    sim.fault("slow", match=prompt_id(asked.id))
    first = asyncio.ensure_future(comfyui.run(prepared, lambda _: None))
    await wait_until(lambda: sim.runs(prompt_id(asked.id)))
    first.cancel()

    await run_task(ComfyUi(http(sim)), replace(asked, attempt=2))

    assert await all_outcomes(sim, prompt_id(asked.id)) == ["done"]


async def test_work_that_ended_while_no_agent_was_there_is_only_collected(sim: Sim, comfyui: ComfyUi):
    asked = task("pipeline", workflow())
    prepared = await comfyui.prepare(asked, {})
    await comfyui.run(prepared, lambda _: None)

    await run_task(comfyui, replace(asked, attempt=2))

    assert await all_outcomes(sim, prompt_id(asked.id)) == ["done"]


async def test_the_failure_of_an_earlier_attempt_is_not_taken_for_this_one(sim: Sim, comfyui: ComfyUi):
    asked = task("pipeline", workflow())
    sim.fault("oom", match=prompt_id(asked.id))
    body = (await comfyui.prepare(asked, {})).payload
    sim.ask("POST", "/prompt", body)
    await wait_until(lambda: sim.ask("GET", f"/history/{prompt_id(asked.id)}") != {})

    await run_task(comfyui, asked)

    assert sim.outcomes(prompt_id(asked.id)) == ["failed", "done"]


async def test_a_prompt_that_is_neither_queued_nor_in_the_history_is_lost(sim: Sim, comfyui: ComfyUi):
    asked = task("pipeline", workflow())
    sim.fault("forget", match=prompt_id(asked.id))

    with pytest.raises(RuntimeUnavailable, match="lost"):
        await run_task(comfyui, asked)


# Faults


async def test_out_of_memory_is_worth_another_try(sim: Sim, comfyui: ComfyUi):
    sim.fault("oom")

    with pytest.raises(RuntimeUnavailable, match="out_of_memory"):
        await run_task(comfyui, task("pipeline", workflow()))


async def test_an_exception_of_a_node_is_the_workflows_fault_and_named(sim: Sim, comfyui: ComfyUi):
    sim.fault("error")

    with pytest.raises(TaskError, match="KSampler"):
        await run_task(comfyui, task("pipeline", workflow()))


async def test_outputs_that_were_dropped_with_a_200_fail_the_task(sim: Sim, comfyui: ComfyUi):
    sim.fault("node-errors")

    with pytest.raises(TaskError, match="SaveImage"):
        await run_task(comfyui, task("pipeline", workflow()))

    assert await comfyui.idle()


async def test_what_was_queued_without_its_outputs_leaves_no_history(sim: Sim, comfyui: ComfyUi):
    sim.fault("node-errors")
    asked = task("pipeline", workflow())

    with pytest.raises(TaskError):
        await run_task(comfyui, asked)

    assert sim.ask("GET", f"/history/{prompt_id(asked.id)}") == {}


async def test_an_unknown_model_is_refused_with_its_node(comfyui: ComfyUi):
    graph = workflow()
    graph["4"]["inputs"]["ckpt_name"] = "dream.safetensors"

    with pytest.raises(TaskError, match=r"node 4 \(CheckpointLoaderSimple\).*not in"):
        await run_task(comfyui, task("pipeline", graph))


@pytest.mark.parametrize(
    "content", [{}, {"3": "x"}, {"3": {"class_type": "KSampler"}}, {"3": {"inputs": {}}}]
)
async def test_what_is_not_a_workflow_is_refused_before_it_is_sent(comfyui: ComfyUi, content: dict[str, Any]):
    asked = task("pipeline", content)
    assert comfyui.model(asked) is None and not comfyui.image_fields(asked)

    with pytest.raises(TaskError, match="bad_workflow"):
        await comfyui.prepare(asked, {})


async def test_a_refused_submission_is_worth_another_try(sim: Sim, comfyui: ComfyUi):
    sim.fault("refuse")

    with pytest.raises(RuntimeUnavailable, match="runtime_error"):
        await run_task(comfyui, task("pipeline", workflow()))


async def test_an_empty_file_is_not_a_picture(sim: Sim, comfyui: ComfyUi):
    sim.fault("broken-output")

    with pytest.raises(RuntimeUnavailable, match="broken_output"):
        await run_task(comfyui, task("pipeline", workflow()))


async def test_a_file_that_is_saved_outside_of_the_output_folder_is_the_workflows_fault(
    sim: Sim, comfyui: ComfyUi
):
    graph = workflow()
    graph["9"] = {"class_type": "Image Save", "inputs": {"images": ["8", 0], "output_path": "../elsewhere"}}
    graph["9"]["inputs"]["filename_prefix"] = "a"

    with pytest.raises(TaskError, match=r"output_refused: node 9 saved \.\./elsewhere/.* outside"):
        await run_task(comfyui, task("pipeline", graph))

    assert sim.ask("GET", "/history") == {}


async def test_a_broken_file_is_made_again_by_the_next_attempt(sim: Sim, comfyui: ComfyUi):
    sim.fault("broken-output")
    asked = task("pipeline", workflow())
    with pytest.raises(RuntimeUnavailable):
        await run_task(comfyui, asked)

    done = await run_task(comfyui, replace(asked, attempt=2))

    assert len(done.result.outputs) == 1


async def test_a_workflow_that_leaves_no_file_fails_with_the_reason(sim: Sim, comfyui: ComfyUi):
    sim.fault("no-output")

    with pytest.raises(TaskError, match="no_output"):
        await run_task(comfyui, task("pipeline", workflow()))


async def test_a_link_to_no_node_is_refused_before_it_ends_the_thread_of_the_runtime(comfyui: ComfyUi):
    graph = workflow(other=["77", 0])

    with pytest.raises(TaskError, match=r"bad_workflow.*node 3 \(KSampler\): other is linked to node 77"):
        await run_task(comfyui, task("pipeline", graph))

    assert (await run_task(comfyui, task("pipeline", workflow()))).result.outputs


@pytest.mark.parametrize("kind", ["PreviewAny", "easy showAnything", "WD14Tagger|pysssss"])
async def test_a_workflow_that_only_shows_a_text_delivers_it_as_one(comfyui: ComfyUi, kind: str):
    graph = workflow()
    graph["9"] = {"class_type": kind, "inputs": {"source": ["8", 0], "anything": ["8", 0]}}

    outputs = (await run_task(comfyui, task("pipeline", graph))).result.outputs

    shown = graph["6"]["inputs"]["text"]
    assert [(text.kind, text.data.read().decode()) for text in outputs] == [("text", shown)]


async def test_a_file_whose_name_reads_like_a_fault_does_not_restart_the_runtime(comfyui: ComfyUi):
    graph = {**workflow(), "10": {"class_type": "LoadImage", "inputs": {"image": "cudnn.png"}}}
    graph["9"]["inputs"]["images"] = ["10", 0]

    with pytest.raises(TaskError, match="bad_workflow"):
        await run_task(comfyui, task("pipeline", graph))


async def test_a_running_prompt_is_interrupted(sim: Sim, comfyui: ComfyUi):
    sim.fault("slow")
    asked = task("pipeline", workflow())
    prepared = await comfyui.prepare(asked, {})
    running = asyncio.ensure_future(comfyui.run(prepared, lambda _: None))
    await wait_until(lambda: sim.runs(prompt_id(asked.id)))

    await comfyui.cancel(asked)

    with pytest.raises(Cancelled):
        await running
    assert await comfyui.idle()


async def test_a_waiting_prompt_is_taken_out_of_the_queue(sim: Sim, comfyui: ComfyUi):
    sim.fault("slow")
    first, second = task("pipeline", workflow()), task("pipeline", workflow(seed=2))
    for queued in (first, second):
        sim.ask("POST", "/prompt", (await comfyui.prepare(queued, {})).payload)

    await comfyui.cancel(second)
    await comfyui.cancel(first)

    await wait_until(lambda: sim.ask("GET", "/prompt")["exec_info"]["queue_remaining"] == 0)
    assert sim.outcomes(prompt_id(second.id)) == []
