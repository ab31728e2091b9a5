"""The load times of models, and the files that are copied, as the plan shows them."""

from datetime import date
from typing import Any

import pytest

from generator.facts import loading
from generator.plan import text
from generator.plan.model import ModelLoad, Plan
from generator.solution.context import Context
from testing import solving

PATH = "Stable-diffusion/sdxl.safetensors"
MODEL = {"source": "civitai:101055@128078", "type": "checkpoint", "file": "sdxl.safetensors"}
NO_DISKS = {"karpenter": {"nodeTemplate": {"instanceStorePolicy": "None"}}}


def plan_of(
    model: dict[str, Any] | None = None, types: tuple[str, ...] = ("g5.xlarge",), **extra: Any
) -> Plan:
    values = {"karpenter": {"provisioner": {"instanceType": list(types)}, **extra.get("karpenter", {})}}
    values |= {"runtime": extra["runtime"]} if "runtime" in extra else {}
    runtime = {"name": "one", "type": "sdwebui", "modelFilename": "sdxl.safetensors", "extraValues": values}
    data = {
        "stackName": "demo",
        "eksVersion": "1.35",
        "modelBucketArn": "arn:aws:s3:::models",
        "models": [model] if model else [],
        "modelsRuntime": [runtime],
    }
    return solving.plan(solving.solution(data, Context("us-west-2", "123456789012", date(2026, 11, 27))))


def only(plan: Plan) -> ModelLoad:
    [load] = plan.model_loads
    return load


def test_a_file_without_a_size_has_no_time() -> None:
    load = only(plan_of())

    assert (load.path, load.size, load.slowest) == (PATH, None, None)
    assert "unknown: set models[].size" in text.markdown(plan_of())


def test_a_mounted_file_takes_its_size_by_the_bandwidth() -> None:
    load = only(plan_of({**MODEL, "size": "7.5G"}, runtime={"models": {"load": "mount"}}))

    assert load.way == "mount"
    assert load.slowest == load.fastest == pytest.approx(0.1 + 7.5e9 / (1.25e9 * 0.45))


def test_a_downloaded_file_is_read_again_from_the_page_cache() -> None:
    load = only(plan_of({**MODEL, "size": "6.94G"}))

    assert load.way == "direct"
    assert load.slowest == pytest.approx(0.36 + 6.94e9 / (1.25e9 * 0.98) + 6.94e9 / 4.6e9)


def test_a_download_to_a_volume_is_as_slow_as_the_volume() -> None:
    load = only(plan_of({**MODEL, "size": "6.94G"}, runtime={"models": {"load": "direct"}}, **NO_DISKS))

    assert load.slowest == pytest.approx(0.36 + 6.94e9 / (125 * 2**20) + 6.94e9 / 4.6e9)


def test_the_fastest_type_loads_in_less_time() -> None:
    load = only(plan_of({**MODEL, "size": "6.94G"}, types=("g5.xlarge", "g5.12xlarge")))

    assert load.slowest is not None and load.fastest is not None and load.fastest < load.slowest
    assert f"{load.fastest:.1f} to {load.slowest:.1f}" in text.markdown(
        plan_of({**MODEL, "size": "6.94G"}, types=("g5.xlarge", "g5.12xlarge"))
    )


def test_an_unknown_bandwidth_gives_no_time() -> None:
    assert loading.seconds(10**9, "mount", 0.0) is None


def test_what_is_copied_is_listed_with_its_source_and_license() -> None:
    plan = plan_of({**MODEL, "license": "CreativeML Open RAIL++-M"})

    [copy] = plan.model_copies
    assert copy.objects == (f"s3://models/{PATH}",)
    row = f"| {PATH} | https://civitai.com/api/download/models/128078 | CreativeML Open RAIL++-M |"
    assert row in text.markdown(plan)
