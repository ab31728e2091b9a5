"""SD WebUI's adapter against the simulation, and each trap of its API."""

import json

import pytest
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.contract import RuntimeUnavailable, TaskError

from tests.agent.adapters.conftest import (
    OTHER,
    SMALL,
    STATIC,
    Sim,
    as_input,
    as_text,
    naming,
    picture,
    run_task,
    task,
)


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


def test_a_url_with_spaces_is_an_image_under_a_key_for_images_and_else_a_prompt(static: SdWebUi):
    units = [
        {"input_image": "https://w/a cat.png"},
        {"mask_image": ["s3://b/c d"]},
        {"prompt": "https://w is"},
    ]
    content = {
        "alwayson_scripts": {"ControlNet": {"args": units}, "other": {"args": ["https://w is a site"]}}
    }

    assert static.image_fields(task("image-to-image", content)) == [
        ("alwayson_scripts", "ControlNet", "args", 0, "input_image"),
        ("alwayson_scripts", "ControlNet", "args", 1, "mask_image", 0),
    ]


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


async def test_a_script_may_make_one_picture_of_many(static: SdWebUi):
    content = {**SMALL, "batch_size": 3, "script_name": "X/Y/Z plot", "script_args": []}

    done = await run_task(static, task("text-to-image", content))

    assert len(done.result.outputs) == 1


@pytest.mark.thorough
async def test_progress_is_reported_while_a_task_runs(simulate, http):
    sim = simulate("sdwebui", "--plain", "--service-time", "1.6", "--model", STATIC)
    progress = (
        await run_task(SdWebUi(http(sim), STATIC, dynamic=False), task("text-to-image", SMALL))
    ).progress

    assert any(0.2 < share.value < 0.9 for share in progress) and progress[-1].value == 1.0
