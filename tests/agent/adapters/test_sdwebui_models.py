"""Which checkpoint SD WebUI has, and which one a name means: each test has a runtime of its own."""

import pytest
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.adapters.sdwebui.request import ENDPOINTS
from queue_agent.contract import RuntimeUnavailable, TaskError
from queue_agent.task.protocol import TASK_TYPES

from tests.agent.adapters.conftest import SMALL, STATIC, naming, run_task, task


async def test_a_model_that_came_later_is_found_after_one_refresh(simulate, http):
    sim = simulate("sdwebui", "--plain", "--model", STATIC, "--dynamic")
    adapter = SdWebUi(http(sim), "", dynamic=True)
    sim.ask("POST", "/_simulation/models", {"name": "new.safetensors"})

    assert (
        await adapter.prepare(task("text-to-image", naming("new")), {})
    ).payload.expected.model is not None


async def test_a_name_that_means_two_models_is_refused_and_both_are_named(simulate, http):
    sim = simulate(
        "sdwebui", "--plain", "--dynamic", "--model", "old/cat.ckpt", "--model", "new/cat.safetensors"
    )
    adapter = SdWebUi(http(sim), "", dynamic=True)

    with pytest.raises(TaskError, match=r"old/cat\.ckpt, new/cat\.safetensors"):
        await adapter.prepare(task("text-to-image", naming("cat")), {})


async def test_a_model_is_found_when_its_hash_has_come_into_its_title(simulate, http):
    sim = simulate(
        "sdwebui", "--plain", "--service-time", "0.01", "--dynamic", "--hashing", "--model", STATIC
    )
    adapter = SdWebUi(http(sim), "", dynamic=True)
    ahead = await adapter.prepare(task("text-to-image", naming(STATIC)), {})
    await run_task(adapter, task("text-to-image", naming(STATIC)))
    assert sim.ask("GET", "/sdapi/v1/sd-models")[0]["title"] != STATIC

    result = await adapter.collect(await adapter.run(ahead, lambda _: None))

    assert result.model == "sd_xl_turbo_1.0"
    assert (await run_task(adapter, task("text-to-image", naming(STATIC)))).result.model == "sd_xl_turbo_1.0"


async def test_the_warm_up_waits_until_the_model_is_loaded(simulate, http):
    sim = simulate("sdwebui", "--plain", "--service-time", "0.01", "--load-time", "0.6", "--model", STATIC)
    adapter = SdWebUi(http(sim), STATIC, dynamic=False)
    assert await adapter.ready()

    await adapter.warm_up()

    assert sim.report()["loaded"] == STATIC


async def test_a_dynamic_runtime_gives_its_default_model_to_a_task_that_names_none(simulate, http):
    sim = simulate("sdwebui", "--plain", "--model", "my model.ckpt", "--model", STATIC)
    adapter = SdWebUi(http(sim), "my model.ckpt", dynamic=True)
    named, unnamed = task("text-to-image", naming(STATIC)), task("text-to-image", SMALL)

    assert (adapter.model(named), adapter.model(unnamed)) == (STATIC, "my model.ckpt")
    assert (await run_task(adapter, named)).result.model == "sd_xl_turbo_1.0"
    assert (await run_task(adapter, unnamed)).result.model == "my model"


async def test_the_warm_up_loads_the_default_model_of_a_dynamic_runtime(simulate, http):
    sim = simulate("sdwebui", "--plain", "--model", STATIC, "--model", "b/first.ckpt")
    adapter = SdWebUi(http(sim), "b/first.ckpt", dynamic=True)

    await adapter.warm_up()

    assert sim.report()["loaded"] == "b/first.ckpt"


async def test_a_missing_default_model_is_not_the_fault_of_a_task(simulate, http):
    sim = simulate("sdwebui", "--plain", "--service-time", "0.01", "--model", STATIC)
    adapter = SdWebUi(http(sim), "gone.ckpt", dynamic=True)

    with pytest.raises(RuntimeUnavailable, match=r"model_not_loaded.*gone\.ckpt"):
        await adapter.warm_up()
    with pytest.raises(RuntimeUnavailable, match="model_not_loaded"):
        await adapter.prepare(task("text-to-image", SMALL), {})


def test_every_task_type_of_sd_webui_has_its_endpoint():
    assert set(ENDPOINTS) == set(TASK_TYPES["sdwebui"])
