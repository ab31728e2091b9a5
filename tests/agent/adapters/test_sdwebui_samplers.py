"""Samplers that SD WebUI does not have: it would use another one without an error."""

from collections.abc import Callable

import pytest
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.adapters.sdwebui.samplers import Samplers, listed, named
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import TaskError

from .conftest import SMALL, STATIC, Sim, run_task, task

SAMPLERS = [{"name": "DPM++ 2M", "aliases": ["k_dpmpp_2m"]}, {"name": "Euler a", "aliases": ["k_euler_a"]}]
SCHEDULERS = [
    {"name": "karras", "label": "Karras", "aliases": None},
    {"name": "sgm_uniform", "label": "SGM Uniform", "aliases": ["SGMUniform"]},
]
KNOWN = listed(SAMPLERS, SCHEDULERS)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"sampler_name": "Euler a"},
        {"sampler_index": "Euler a"},
        {"sampler_name": "Euler a", "sampler_index": "not read then"},
        {"sampler_name": "DPM++ 2M Karras"},
        {"sampler_name": "DPM++ 2M karras"},
        {"sampler_name": "DPM++ 2M SGM Uniform"},
        {"sampler_name": "DPM++ 2M SGMUniform"},
        {"sampler_name": "", "scheduler": ""},
        {"sampler_name": None, "scheduler": None},
        {"sampler_name": 5},  # SD WebUI answers for the type
        {"scheduler": "Karras"},
        {"scheduler": "sgm_uniform"},
    ],
)
def test_what_sd_webui_has_is_taken(content: dict[str, object]):
    assert KNOWN.unknown(content) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"sampler_name": "euler a"}, "Sampler not found: 'euler a' is not one of DPM"),
        ({"sampler_name": "k_euler_a"}, "Sampler not found"),
        ({"sampler_index": "Nope"}, "Sampler not found"),
        ({"sampler_name": "Nope Karras"}, "Sampler not found"),
        ({"sampler_name": "DPM++ 2M Nope"}, "Sampler not found"),
        ({"sampler_name": "Karras"}, "Sampler not found"),
        (
            {"sampler_name": "Euler a", "scheduler": "Nope"},
            "Scheduler not found: 'Nope' is not one of Karras",
        ),
        ({"scheduler": "SGMUniform"}, "Scheduler not found"),
    ],
)
def test_what_it_would_replace_is_named(content: dict[str, object], words: str):
    assert words in (KNOWN.unknown(content) or "")


def test_rows_of_other_shapes_are_left_out():
    assert listed([None, {"name": None}, "x"], [5, {}]) == Samplers()
    assert not named({"sampler_name": None, "scheduler": ""})


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:
    return simulate("sdwebui", "--plain", "--service-time", "0.05", "--model", STATIC)


async def test_an_unknown_sampler_costs_no_run(sim: Sim, http: Callable[[Sim], Http]):
    adapter = SdWebUi(http(sim), STATIC, dynamic=False)
    asked = task("text-to-image", {**SMALL, "sampler_name": "Nope"})

    with pytest.raises(TaskError, match="rejected: Sampler not found"):
        await run_task(adapter, asked)

    assert sim.outcomes(asked.id) == []


@pytest.mark.parametrize("name", ["Euler", "DPM++ 2M Karras", "UniPC", None])
async def test_a_known_sampler_is_used(sim: Sim, http: Callable[[Sim], Http], name: str | None):
    adapter = SdWebUi(http(sim), STATIC, dynamic=False)

    done = await run_task(adapter, task("text-to-image", {**SMALL, "sampler_name": name}))

    assert (name or "Euler").startswith(str(done.result.metadata["sampler_name"]))
