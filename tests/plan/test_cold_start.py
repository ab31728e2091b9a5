"""The stages from a task to its first picture, and what shortens them."""

from typing import Any

import pytest

from generator.plan import bar, text
from generator.plan.model import ColdStart, Stage
from tests.plan.plans import FACTS, nodes, planned, runtime, solve
from tools import cold_start_page

FIGURES = FACTS.cold_start
G5 = nodes(["g5.xlarge"])
SNAPSHOT = {
    "instanceStorePolicy": "None",
    "dataVolume": {"snapshotID": "snap-0123456789abcdef0", "volumeSize": "100Gi"},
}
EBS = {"instanceStorePolicy": "None", "dataVolume": {"volumeSize": "100Gi"}}


def static(**extra: Any) -> dict[str, Any]:
    """A static SD WebUI on g5.xlarge."""
    entry = runtime("one", "sdwebui", **{"karpenter": G5, **extra})
    return {**entry, "modelFilename": "sdxl.safetensors"}


def cold(entry: dict[str, Any], **top: Any) -> ColdStart:
    [start] = planned(solve(entry, **top)).cold_starts
    return start


def stages(start: ColdStart, name: str = "no node") -> dict[str, float | None]:
    [found] = [one for one in start.starts if one.name == name]
    return {stage.name: stage.seconds for stage in found.stages}


def test_the_stages_of_a_static_runtime() -> None:
    start = cold(static())

    assert stages(start) == {
        "keda": pytest.approx(5 + FIGURES.value("keda_seconds")),
        "node": FIGURES.value("karpenter_seconds") + FIGURES.value("node_seconds"),
        # 6 GB at 403 MB/s.
        "image": pytest.approx(14.9, abs=0.1),
        "start": FIGURES.value("start_seconds_sdwebui"),
        # Downloaded meanwhile; 6.94 GB to the GPU at 4.6 GB/s.
        "model": pytest.approx(1.5, abs=0.1),
        "picture": 10,
    }
    assert (start.instance_type, start.network_gbps, start.image, start.model) == (
        *("g5.xlarge", 10.0, "parallel pull", "direct"),
    )


def test_a_start_is_the_sum_of_its_stages() -> None:
    [start] = cold(static()).starts

    assert start.seconds == pytest.approx(sum(stage.seconds or 0 for stage in start.stages))
    assert start.meets is False


def template(rate: int | None = None, **fields: Any) -> dict[str, Any]:
    """Nodes from a snapshot that is loaded at this rate, or with these settings of the template."""
    cached = {"dataVolume": {**SNAPSHOT["dataVolume"], "volumeInitializationRate": rate}} if rate else {}
    return {**G5, "nodeTemplate": {**(SNAPSHOT if rate else {}), **cached, **fields}}


CONTAINERD = '[settings.container-runtime]\nsnapshotter = "overlayfs"\n'
MENTIONED = '[settings]\nmotd = "soci"\n[settings.container-runtime]\nsnapshotter = "overlayfs"\n'
MOTD = '[settings]\nmotd = "hello"\n'


@pytest.mark.parametrize(
    ("karpenter", "way", "seconds"),
    [
        # 18 GB at 125 MiB/s; 6 GB at 403 and at 71.5 MB/s; 12 GB, of which the node's start takes 38 s.
        (template(**EBS), "parallel pull", 137.3),
        (template(userData=MOTD), "parallel pull", 14.9),
        (template(userData=CONTAINERD), "containerd's pull", 83.9),
        (template(userData=MENTIONED), "containerd's pull", 83.9),
        (template(userData=""), "containerd's pull", 83.9),
        (template(300), "snapshot", 0.1),
        (template(100), "snapshot", 76.4),
        (template(**SNAPSHOT), "snapshot", None),
    ],
    ids=["ebs", "own", "other snapshotter", "named", "none", "fast snapshot", "slow snapshot", "no rate"],
)
def test_images_come_in_different_ways(karpenter: dict[str, Any], way: str, seconds: float | None) -> None:
    start = cold(static(karpenter=karpenter))

    assert start.image == way
    assert stages(start)["image"] == (seconds if seconds is None else pytest.approx(seconds, abs=0.2))


def test_a_model_through_the_mount_is_read_after_the_start() -> None:
    start = cold(static(runtime={"models": {"load": "mount"}}))

    # 6.94 GB at 0.45 of 10 Gbps.
    assert stages(start)["model"] == pytest.approx(12.4, abs=0.1)
    assert start.model == "mount"


def test_a_download_that_is_slower_than_the_start_is_waited_for() -> None:
    start = cold(static(karpenter=nodes(["g4dn.xlarge"])))
    network = start.network_gbps

    download = 6.94 * 8 / network / 0.98 + 0.36
    waited = max(0.0, download - (stages(start)["image"] or 0) - (stages(start)["start"] or 0)) + 6.94 / 4.6
    assert stages(start)["model"] == pytest.approx(waited, abs=0.1)


def test_polling_is_counted_at_its_worst() -> None:
    start = cold(static(runtime={"scaling": {"pollingInterval": 30}}))

    assert stages(start)["keda"] == 30.5
    assert start.advice[0].key == "runtime.scaling.pollingInterval"
    assert start.advice[0].saves == 25


def test_what_is_warm_has_starts_of_its_own() -> None:
    hours = {"start": "0 8 * * *", "end": "0 18 * * *"}
    start = cold(static(runtime={"scaling": {"warm": [{"nodes": 1}, {"pods": 1, **hours}]}}))

    assert [one.name for one in start.starts] == ["no node", "placeholder", "warm pod"]
    assert stages(start, "placeholder").keys() == {"keda", "start", "model", "picture"}
    assert stages(start, "warm pod") == {"picture": 10}
    assert [one.meets for one in start.starts] == [False, True, True]
    # There is a free node already.
    assert start.advice == ()


def test_a_minimum_of_pods_is_a_warm_pod() -> None:
    start = cold(static(runtime={"scaling": {"minReplicaCount": 1}}))

    assert [one.name for one in start.starts] == ["no node", "warm pod"]


@pytest.mark.parametrize(
    ("entry", "keys"),
    [
        (static(), ["runtime.scaling.warm"]),
        (static(runtime={"models": {"load": "mount"}}), ["runtime.models.load", "runtime.scaling.warm"]),
        (runtime("one", "comfyui", karpenter=G5), ["runtime.models.files", "runtime.scaling.warm"]),
        (
            static(karpenter={**G5, "nodeTemplate": EBS}),
            ["karpenter.nodeTemplate.instanceStorePolicy", "runtime.scaling.warm"],
        ),
        (
            static(karpenter={**G5, "nodeTemplate": {"userData": ""}}),
            ["karpenter.nodeTemplate.userData", "runtime.scaling.warm"],
        ),
        (
            static(karpenter={**G5, "nodeTemplate": SNAPSHOT}),
            ["karpenter.nodeTemplate.dataVolume.volumeInitializationRate", "runtime.scaling.warm"],
        ),
    ],
)
def test_advice_names_the_keys_that_shorten_the_start(entry: dict[str, Any], keys: list[str]) -> None:
    assert [advice.key for advice in cold(entry).advice] == keys


def test_what_advice_saves_is_what_the_change_saves() -> None:
    before = cold(static(runtime={"models": {"load": "mount"}}))
    after = cold(static(runtime={"models": {"load": "direct"}}))

    saved = (before.starts[0].seconds or 0) - (after.starts[0].seconds or 0)
    assert before.advice[0].saves == pytest.approx(saved, abs=0.15)


def test_a_custom_runtime_has_unknown_stages() -> None:
    api = {
        "image": {"repository": "ghcr.io/us/ours", "tag": "1"},
        "probePath": "/ready",
        "taskPath": "/run",
    }
    start = cold(runtime("one", "custom", karpenter=G5, runtime={"inferenceApi": api}))

    assert (stages(start)["image"], stages(start)["start"]) == (None, None)
    assert (start.starts[0].seconds, start.starts[0].meets) == (None, None)
    assert "and what is unknown: the images are pulled, the program starts" in text.total(start.starts[0])


def test_a_faster_gpu_makes_the_first_picture_faster() -> None:
    [start] = planned(solve(static()), {"a10g": 4}).cold_starts

    assert stages(start)["picture"] == 4


def test_the_bars_are_in_the_plan_without_color() -> None:
    page = text.markdown(planned(solve(static())))

    assert "KKK" in page
    assert "\x1b" not in page
    assert "one on g5.xlarge, images by parallel pull, model straight from S3 (6.94 GB)" in page
    assert "over the goal" in page
    assert "KKK" not in text.markdown(planned(solve(static())), bars=False)


def test_the_bars_are_data_for_programs() -> None:
    [start] = text.as_data(planned(solve(static())))["cold_starts"]

    assert start["starts"][0]["stages"][0] == {"name": "keda", "seconds": 5.5}
    assert (start["goal_seconds"], start["goal_model_seconds"]) == (60, 6)
    assert start["advice"][0]["key"] == "runtime.scaling.warm"


def test_bars_of_the_same_length_end_in_the_same_column() -> None:
    many = (Stage("keda", 10.4), Stage("node", 10.4), Stage("start", 79.2))
    one = (Stage("node", 100),)

    assert len(bar.plain(many, 100)) == len(bar.plain(one, 100)) == bar.WIDTH
    assert bar.plain((Stage("keda", 0.01), Stage("image", None), Stage("start", 0.0)), 100) == "K"


def test_each_figure_has_its_source() -> None:
    assert FIGURES.figures
    for figure in FIGURES.figures.values():
        assert figure.kind in ("measured", "sourced")
        assert figure.kind == "measured" or "https://" in figure.source


def test_picture_and_tables_of_the_page_are_up_to_date() -> None:
    colds = cold_start_page.starts()

    assert cold_start_page.PAGE.read_text("utf-8") == cold_start_page.page(
        cold_start_page.PAGE.read_text("utf-8"), colds
    ), "run `make reference`"
    assert cold_start_page.PICTURE.read_text("utf-8") == cold_start_page.svg(colds), "run `make reference`"


def test_a_model_counts_with_the_size_that_the_config_has() -> None:
    models = [{"source": "https://a.example/xl.safetensors", "type": "checkpoint", "size": "2.13G"}]
    entry = static(runtime={"models": {"load": "mount"}})
    entry["modelFilename"] = "xl.safetensors"
    start = cold(entry, models=models)

    assert start.model_gb == 2.13
    # 2.13 GB at 0.45 of 10 Gbps.
    assert stages(start)["model"] == pytest.approx(3.9, abs=0.1)
