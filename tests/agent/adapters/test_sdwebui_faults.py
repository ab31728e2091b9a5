"""What SD WebUI fails at: whose fault it is, and what follows."""

import asyncio
import json

import pytest
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Cancelled, RuntimeUnavailable, TaskError

from tests.agent.adapters.conftest import (
    SMALL,
    STATIC,
    Sim,
    as_text,
    picture,
    run_task,
    task,
    wait_until,
)


async def test_an_unknown_tasktype_is_the_tasks_fault(static: SdWebUi):
    with pytest.raises(TaskError, match="unknown_tasktype"):
        await static.prepare(task("text-to-video", SMALL), {})


@pytest.mark.parametrize(("fault", "code"), [("oom", "out_of_memory"), ("mount", "node_error")])
async def test_what_the_gpu_or_the_node_fails_at_is_worth_another_try(
    sim: Sim, static: SdWebUi, fault: str, code: str
):
    sim.fault(fault)

    with pytest.raises(RuntimeUnavailable) as caught:
        await run_task(static, task("text-to-image", SMALL))
    assert caught.value.code == code


async def test_an_exception_about_neither_gpu_nor_node_is_the_tasks_fault(sim: Sim, static: SdWebUi):
    sim.fault("error")

    with pytest.raises(TaskError, match="execution_error: RuntimeError: a simulated exception"):
        await run_task(static, task("text-to-image", SMALL))


@pytest.mark.parametrize(
    ("tasktype", "content"),
    [
        ("text-to-image", {**SMALL, "enable_hr": True, "hr_upscaler": "No such upscaler"}),
        ("text-to-image", {**SMALL, "override_settings": {"no_such_option": 1}}),
        ("text-to-image", {**SMALL, "alwayson_scripts": {"reactor": {"args": ["gopher://x"]}}}),
        ("extra-single-image", {"image": as_text(picture()), "upscaler_1": "No such upscaler"}),
    ],
)
async def test_what_sd_webui_fails_at_because_of_the_request_is_the_tasks_fault(
    static: SdWebUi, tasktype: str, content: dict[str, object]
):
    with pytest.raises(TaskError):
        await run_task(static, task(tasktype, content))


async def test_a_failed_extras_request_does_not_keep_the_runtime_busy(
    static: SdWebUi, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("queue_agent.adapters.sdwebui.adapter.STALE_SECONDS", 0.1)
    with pytest.raises(TaskError):
        content = {"image": as_text(picture()), "upscaler_1": "No such upscaler"}
        await run_task(static, task("extra-single-image", content))
    assert not await static.idle()

    await until_idle(static)


async def test_a_job_that_runs_is_not_idle_however_long_it_takes(
    simulate, http, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("queue_agent.adapters.sdwebui.adapter.STALE_SECONDS", 0.0)
    sim = simulate("sdwebui", "--plain", "--service-time", "1")
    adapter = SdWebUi(http(sim), STATIC, dynamic=False)
    asked = task("text-to-image", {**SMALL, "steps": 1})
    running = asyncio.ensure_future(run_task(adapter, asked))
    await wait_until(lambda: sim.runs(asked.id))

    answers = []
    while not running.done():
        answers.append(await adapter.idle())
        await asyncio.sleep(0.05)

    assert answers[:5] == [False] * 5
    await running
    await until_idle(adapter)


async def until_idle(adapter: SdWebUi) -> None:
    for _ in range(200):
        if await adapter.idle():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it stays busy")


async def test_a_failed_post_is_not_sent_again(sim: Sim, static: SdWebUi):
    asked = task("text-to-image", SMALL)
    sim.fault("mount")

    with pytest.raises(RuntimeUnavailable):
        await run_task(static, asked)

    assert sim.outcomes(asked.id) == ["failed"]


@pytest.mark.parametrize("fault", ["no-output", "broken-output"])
async def test_an_answer_without_a_picture_is_not_a_success(sim: Sim, static: SdWebUi, fault: str):
    sim.fault(fault)

    with pytest.raises(RuntimeUnavailable):
        await run_task(static, task("text-to-image", SMALL))


async def test_fewer_pictures_than_asked_for_are_not_a_success(sim: Sim, static: SdWebUi):
    sim.fault("partial")

    with pytest.raises(RuntimeUnavailable, match="partial_output: 2 of 3"):
        await run_task(static, task("text-to-image", {**SMALL, "batch_size": 3}))


@pytest.mark.parametrize("repeats", [1, 2, "2"])
async def test_several_pictures_to_start_from_make_a_smaller_batch(static: SdWebUi, repeats: int | str):
    content = {**SMALL, "init_images": [as_text(picture())] * 2, "batch_size": 4, "n_iter": repeats}

    result = (await run_task(static, task("image-to-image", content))).result

    assert len(result.outputs) == 2 * int(repeats)


async def test_fewer_pictures_than_in_the_smaller_batch_are_not_a_success(sim: Sim, static: SdWebUi):
    sim.fault("partial")
    content = {**SMALL, "init_images": [as_text(picture())] * 2, "batch_size": 4}

    with pytest.raises(RuntimeUnavailable, match="partial_output: 1 of 2"):
        await run_task(static, task("image-to-image", content))


async def test_fewer_enlarged_pictures_than_sent_are_not_a_success(sim: Sim, static: SdWebUi):
    sim.fault("partial")
    images = [{"data": as_text(picture()), "name": n} for n in ("a", "b")]

    with pytest.raises(RuntimeUnavailable, match="partial_output: 1 of 2"):
        await run_task(static, task("extra-batch-images", {"imageList": images}))


@pytest.mark.parametrize(
    "content",
    [
        {"sampler_name": "no such sampler"},
        {"width": "wide"},
        {"alwayson_scripts": {"no such script": {"args": []}}},
    ],
)
async def test_what_sd_webui_refuses_is_the_tasks_fault(static: SdWebUi, content: dict[str, object]):
    with pytest.raises(TaskError, match="rejected"):
        await run_task(static, task("text-to-image", {**SMALL, **content}))


async def test_no_images_to_enlarge_are_the_tasks_fault(static: SdWebUi):
    with pytest.raises(TaskError, match="rejected: imageList has no images"):
        await run_task(static, task("extra-batch-images", {"imageList": [], "upscaler_1": "Lanczos"}))


async def test_an_option_that_reads_like_a_fault_is_the_tasks(static: SdWebUi):
    with pytest.raises(TaskError, match="execution_error: KeyError"):
        await run_task(static, task("text-to-image", {**SMALL, "override_settings": {"cuda error": 1}}))


async def test_an_input_that_is_not_a_picture_is_the_tasks_fault(static: SdWebUi):
    with pytest.raises(TaskError, match="Invalid encoded image"):
        await run_task(static, task("image-to-image", {**SMALL, "init_images": ["not base64!"]}))


async def test_an_interrupted_half_picture_is_thrown_away(sim: Sim, static: SdWebUi):
    sim.fault("slow")
    asked = task("text-to-image", SMALL)
    prepared = await static.prepare(asked, {})
    running = asyncio.ensure_future(static.run(prepared, lambda _: None))
    await wait_until(lambda: sim.runs(asked.id))

    await static.cancel(asked)

    with pytest.raises(Cancelled):
        await running
    assert sim.outcomes(asked.id) == ["interrupted"]


async def test_it_is_busy_until_a_job_without_a_client_is_over(sim: Sim, static: SdWebUi):
    sim.fault("slow")
    asked = task("text-to-image", SMALL)
    prepared = await static.prepare(asked, {})
    running = asyncio.ensure_future(static.run(prepared, lambda _: None))
    await wait_until(lambda: sim.runs(asked.id))
    running.cancel()

    assert not await static.idle()
    await static.cancel(asked)
    await wait_until(lambda: not sim.runs(asked.id))
    assert await static.idle()


async def test_a_runtime_that_crashes_is_worth_another_try(simulate, http):
    sim = simulate("sdwebui", "--plain", "--service-time", "0.1", "--model", STATIC)
    adapter = SdWebUi(http(sim), STATIC, dynamic=False)
    sim.fault("crash")

    with pytest.raises(RuntimeUnavailable, match="runtime_down"):
        await run_task(adapter, task("text-to-image", SMALL))
    assert not await adapter.ready()


async def test_an_answer_that_is_too_large_is_cut_off(sim: Sim, session):
    adapter = SdWebUi(Http(session, sim.url, 1000), STATIC, dynamic=False)

    with pytest.raises(RuntimeUnavailable, match="more than 1000 bytes"):
        await run_task(adapter, task("text-to-image", {**SMALL, "width": 512, "height": 512}))


@pytest.mark.parametrize(
    "content", [{"alwayson_scripts": []}, {"override_settings": 5}, {"init_images": "x"}]
)
def test_odd_shapes_break_nothing(dynamic: SdWebUi, content: dict[str, object]):
    asked = task("text-to-image", content)

    assert dynamic.model(asked) is None
    json.dumps(dynamic.image_fields(asked))
