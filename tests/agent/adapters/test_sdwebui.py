"""SD WebUI's adapter against the simulation, and each trap of its API.

Longer than other modules, since all of its tests share one running simulation and the adapters for it.
"""

import asyncio
import json
from collections.abc import Callable

import pytest
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import Cancelled, RuntimeUnavailable, TaskError

from tests.agent.adapters.conftest import (
    SMALL,
    STATIC,
    Sim,
    as_input,
    as_text,
    naming,
    picture,
    run_task,
    task,
    wait_until,
)

OTHER = "dreamshaper_8.safetensors"


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:
    return simulate("sdwebui", "--plain", "--service-time", "0.05", "--model", STATIC, "--model", OTHER)


@pytest.fixture
async def static(sim: Sim, http: Callable[[Sim], Http], dynamic: SdWebUi) -> SdWebUi:
    await run_task(dynamic, task("text-to-image", naming(STATIC)))
    return SdWebUi(http(sim), STATIC, dynamic=False)


@pytest.fixture
def dynamic(sim: Sim, http: Callable[[Sim], Http]) -> SdWebUi:
    sim.clear_faults()
    return SdWebUi(http(sim), "", dynamic=True)


async def test_a_text_becomes_a_picture_with_its_seed_and_model(static: SdWebUi):
    result = (await run_task(static, task("text-to-image", SMALL))).result

    assert [(o.content_type, o.kind, o.extension) for o in result.outputs] == [("image/png", "image", "png")]
    assert (result.seed, result.model) == (7, "sd_xl_turbo_1.0")


async def test_each_picture_of_a_batch_keeps_its_own_seed_and_parameters(static: SdWebUi):
    result = (await run_task(static, task("text-to-image", {**SMALL, "batch_size": 3}))).result

    assert [o.metadata["seed"] for o in result.outputs] == [7, 8, 9]
    assert "Seed: 8" in result.outputs[1].metadata["parameters"]


async def test_a_fetched_picture_is_sent_as_base64_in_its_place(static: SdWebUi):
    asked = task("image-to-image", {**SMALL, "init_images": ["https://example.com/a.png"]})

    prepared = await static.prepare(asked, {("init_images", 0): as_input(picture())})

    assert json.loads(prepared.payload.body.read())["init_images"] == [as_text(picture())]
    assert asked.content["init_images"] == ["https://example.com/a.png"]


@pytest.mark.parametrize("tasktype", ["extra-batch-images", "extra-batch-image"])
async def test_a_batch_of_pictures_comes_back_larger(static: SdWebUi, tasktype: str):
    images = [{"data": as_text(picture()), "name": n} for n in ("a", "b")]

    result = (await run_task(static, task(tasktype, {"imageList": images, "upscaling_resize": 2}))).result

    assert len(result.outputs) == 2


async def test_a_single_picture_comes_back_larger(static: SdWebUi):
    result = (
        await run_task(
            static, task("extra-single-image", {"image": as_text(picture(64, 48)), "upscaler_1": "Lanczos"})
        )
    ).result

    assert result.outputs[0].data.read(16, 8) == (128).to_bytes(4, "big") + (96).to_bytes(4, "big")


def test_every_place_of_an_image_is_known(static: SdWebUi):
    unit = {"image": "https://u", "mask": "s3://m", "module": "canny", "model": "a [1b]"}
    pair = {"image": ["http://p", "https://q"], "mask_image": "https://r", "effective_region_mask": "ftp://s"}
    nested = {"image": {"image": "https://t", "mask": " https://v "}, "input_image": "iVBORw0KGgo="}
    content = {
        "mask": "m",
        "init_images": ["a", "b"],
        "prompt": "https://not.an.image",
        "imageList": [{"data": "d", "name": "n"}],
        "script_args": [1, "https://w", "a prompt with https://a.link"],
        "alwayson_scripts": {
            "ControlNet": {"args": [unit, pair, nested]},
            "reactor": {"args": ["https://x", True, [["s3://y"]], None]},
            "sd_model_checkpoint": "https://not.a.script",
            "image_link": "l",
        },
    }

    assert static.image_fields(task("image-to-image", content)) == [
        ("mask",),
        ("init_images", 0),
        ("init_images", 1),
        ("imageList", 0, "data"),
        ("alwayson_scripts", "image_link"),
        ("alwayson_scripts", "ControlNet", "args", 0, "image"),
        ("alwayson_scripts", "ControlNet", "args", 0, "mask"),
        ("alwayson_scripts", "ControlNet", "args", 1, "image", 0),
        ("alwayson_scripts", "ControlNet", "args", 1, "image", 1),
        ("alwayson_scripts", "ControlNet", "args", 1, "mask_image"),
        ("alwayson_scripts", "ControlNet", "args", 1, "effective_region_mask"),
        ("alwayson_scripts", "ControlNet", "args", 2, "image", "image"),
        ("alwayson_scripts", "ControlNet", "args", 2, "image", "mask"),
        ("alwayson_scripts", "reactor", "args", 0),
        ("alwayson_scripts", "reactor", "args", 2, 0, 0),
        ("script_args", 1),
    ]


async def test_keys_of_v1alpha1_go_where_sd_webui_looks_for_them(static: SdWebUi):
    scripts = {
        "task": "text-to-image",
        "sd_model_checkpoint": STATIC,
        "id_task": "1",
        "save_dir": "outputs",
        "override_settings": {"CLIP_stop_at_last_layers": 2},
        "controlnet": {"args": []},
    }

    prepared = await static.prepare(task("text-to-image", {**SMALL, "alwayson_scripts": scripts}), {})

    body = json.loads(prepared.payload.body.read())

    assert body["alwayson_scripts"] == {"controlnet": {"args": []}}
    assert body["override_settings"] == {"CLIP_stop_at_last_layers": 2}


async def test_an_unknown_tasktype_is_the_tasks_fault(static: SdWebUi):
    with pytest.raises(TaskError, match="unknown_tasktype"):
        await static.prepare(task("text-to-video", SMALL), {})


# Models


@pytest.mark.parametrize("name", [OTHER, "dreamshaper_8", f"{OTHER} [0123456789]", f"/models/{OTHER}"])
async def test_a_dynamic_runtime_uses_the_model_that_the_task_names(dynamic: SdWebUi, name: str):
    assert (await run_task(dynamic, task("text-to-image", naming(name)))).result.model == "dreamshaper_8"


async def test_v1alpha1_names_its_model_among_the_scripts(dynamic: SdWebUi):
    content = {**SMALL, "alwayson_scripts": {"sd_model_checkpoint": OTHER}}

    assert (await run_task(dynamic, task("text-to-image", content))).result.model == "dreamshaper_8"


async def test_a_model_that_is_not_there_is_refused_before_it_is_replaced_in_silence(dynamic: SdWebUi):
    with pytest.raises(TaskError, match="model_unknown"):
        await dynamic.prepare(task("text-to-image", naming("dream")), {})


async def test_a_model_with_another_ending_is_not_the_same(dynamic: SdWebUi):
    with pytest.raises(TaskError, match="model_unknown"):
        await dynamic.prepare(task("text-to-image", naming("dreamshaper_8.ckpt")), {})


async def test_old_style_settings_cannot_smuggle_in_an_unchecked_model(static: SdWebUi):
    scripts = {"override_settings": {"sd_model_checkpoint": OTHER}}

    with pytest.raises(TaskError, match="model_unknown"):
        await static.prepare(task("text-to-image", {**SMALL, "alwayson_scripts": scripts}), {})


async def test_a_dynamic_task_without_a_model_is_refused(dynamic: SdWebUi):
    with pytest.raises(TaskError, match="model_missing"):
        await dynamic.prepare(task("text-to-image", SMALL), {})


async def test_a_picture_of_another_model_is_not_a_success(sim: Sim, dynamic: SdWebUi):
    await run_task(dynamic, task("text-to-image", naming(STATIC)))
    sim.fault("wrong-model")

    with pytest.raises(RuntimeUnavailable, match="wrong_model"):
        await run_task(dynamic, task("text-to-image", naming(OTHER)))


async def test_the_warm_up_notices_another_model(sim: Sim, http):
    adapter = SdWebUi(http(sim), "not_there.safetensors", dynamic=False)

    with pytest.raises(RuntimeUnavailable, match="model_not_loaded"):
        await adapter.warm_up()


# Faults


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


@pytest.mark.parametrize("restore", [True, False])
async def test_the_settings_of_one_task_are_not_those_of_the_next(
    sim: Sim, static: SdWebUi, dynamic: SdWebUi, restore: bool
):
    settings = {"CLIP_stop_at_last_layers": 7, "sd_vae": "a.vae.pt"}
    asked = {
        **SMALL,
        "override_settings": {**settings, "sd_model_checkpoint": STATIC},
        "override_settings_restore_afterwards": restore,
    }
    for adapter in (static, dynamic):
        first = await run_task(adapter, task("text-to-image", asked))
        second = await run_task(adapter, task("text-to-image", naming(STATIC)))

        assert (first.result.metadata["clip_skip"], first.result.metadata["sd_vae_name"]) == (7, "a.vae.pt")
        assert (second.result.metadata["clip_skip"], second.result.metadata["sd_vae_name"]) == (1, None)


async def test_a_video_in_the_place_of_all_pictures_is_a_success(static: SdWebUi):
    content = {**SMALL, "batch_size": 3, "alwayson_scripts": {"AnimateDiff": {"args": [{"enable": True}]}}}

    outputs = (await run_task(static, task("text-to-image", content))).result.outputs

    assert [(output.kind, output.extension) for output in outputs] == [("animation", "gif")]


async def test_a_static_runtime_knows_its_model_by_its_hashes(simulate, http):
    hashing = simulate("sdwebui", "--plain", "--service-time", "0.05", "--hashing", "--model", STATIC)
    adapter = SdWebUi(http(hashing), STATIC, dynamic=False)
    await adapter.warm_up()
    listed = hashing.ask("GET", "/sdapi/v1/sd-models")[0]

    for name in (listed["hash"], listed["sha256"], listed["title"]):
        await run_task(adapter, task("text-to-image", naming(name)))
    with pytest.raises(TaskError, match="model_unknown"):
        await run_task(adapter, task("text-to-image", naming("0123456789")))


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


async def test_a_script_may_make_one_picture_of_many(static: SdWebUi):
    content = {**SMALL, "batch_size": 3, "script_name": "X/Y/Z plot", "script_args": []}

    done = await run_task(static, task("text-to-image", content))

    assert len(done.result.outputs) == 1


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


async def test_progress_is_reported_while_a_task_runs(simulate, http):
    sim = simulate("sdwebui", "--plain", "--service-time", "1.6", "--model", STATIC)
    progress = (
        await run_task(SdWebUi(http(sim), STATIC, dynamic=False), task("text-to-image", SMALL))
    ).progress

    assert any(0.2 < share < 0.9 for share in progress) and progress[-1] == 1.0


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
