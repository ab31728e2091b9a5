"""From a task in the queue of a runtime without pods to its first picture: stages, and what shortens them."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from generator.facts import cold_start as goals
from generator.facts import footprint, loading
from generator.facts.cold_start import ColdStartFacts
from generator.facts.instance_types import InstanceType
from generator.facts.quantity import MIB
from generator.plan.model import Advice, ColdStart, Stage, StageName, Start
from generator.solution import user_data
from generator.solution.model import Runtime

ImageWay = Literal["parallel pull", "containerd's pull", "snapshot", "unknown"]
# What the advice assumes.
FASTEST_RATE = 300
SHORT_POLL = 5
MB = 10**6


def cold_start(
    runtime: Runtime,
    kind: InstanceType,
    facts: ColdStartFacts,
    *,
    picture: float | None,
    size: int | None,
    auto_mode: bool,
) -> ColdStart:
    """The start of a runtime on nodes of one type.

    `picture`: the seconds of one picture on its GPU. `size`: of its model in bytes, where the config has it.
    """
    size = size or int(facts.value("model_gb") * 10**9)
    way = image_way(runtime, auto_mode=auto_mode)
    node, image = _node(facts), _image(runtime, kind, way, facts)
    keda = Stage("keda", runtime.scaling.polling_seconds + facts.value("keda_seconds"))
    start = Stage("start", facts.start_seconds(runtime.type))
    model = _model(runtime, kind, size, _sum([image, start]))
    rest = (start, model, Stage("picture", picture))
    starts = [_start("no node", (keda, node, image, *rest))]
    if any(entry.nodes for entry in runtime.scaling.warm):
        on_node = _model(runtime, kind, size, start.seconds)
        starts.append(_start("placeholder", (keda, start, on_node, rest[-1])))
    if runtime.scaling.min_replicas or any(entry.pods for entry in runtime.scaling.warm):
        starts.append(_start("warm pod", (rest[-1],)))
    return ColdStart(
        runtime=runtime.name,
        instance_type=kind.name,
        network_gbps=float(kind.network_gbps),
        image=way,
        model="direct" if runtime.models.direct else "mount" if runtime.models.mounted else "unknown",
        model_gb=round(size / 10**9, 2),
        goal_seconds=goals.GOAL_SECONDS,
        goal_model_seconds=goals.GOAL_MODEL_SECONDS,
        starts=tuple(starts),
        advice=tuple(_advice(_Case(runtime, kind, facts, size), starts[0], way)),
    )


def image_way(runtime: Runtime, *, auto_mode: bool) -> ImageWay:
    """How the images come to a new node."""
    if runtime.type == "custom":
        return "unknown"
    if auto_mode:
        return "parallel pull"
    if runtime.nodes.data_volume.snapshot_id:
        return "snapshot"
    # Without text of the user, the chart turns parallel pulls on.
    soci = runtime.user_data is None or user_data.turns_soci_on(tomllib.loads(runtime.user_data))
    return "parallel pull" if soci else "containerd's pull"


def _node(facts: ColdStartFacts) -> Stage:
    return Stage("node", facts.value("karpenter_seconds") + facts.value("node_seconds"))


def _image(runtime: Runtime, kind: InstanceType, way: ImageWay, facts: ColdStartFacts) -> Stage:
    """The pull, bounded by network and disk; of a snapshot, what is not loaded when the node is ready."""
    size = float(footprint.IMAGES.get(runtime.type, 0))
    compressed = size * float(footprint.COMPRESSED_SHARE)
    if way == "unknown":
        return Stage("image", None)
    if way == "snapshot":
        rate = runtime.nodes.data_volume.initialization_rate
        if rate is None:
            return Stage("image", None)
        loaded = (size - compressed) / (rate * MIB)
        return Stage("image", max(0.0, loaded - facts.value("node_seconds")))
    name = "soci_mb_per_second" if way == "parallel pull" else "containerd_mb_per_second"
    rate_bytes = min(facts.value(name) * MB, float(kind.network_gbps) / 8 * 10**9)
    throughput = runtime.nodes.data_volume.throughput
    on_disk = 0.0 if runtime.nodes.local_disks or throughput is None else size / (throughput * MIB)
    return Stage("image", max(compressed / rate_bytes, on_disk))


def _model(runtime: Runtime, kind: InstanceType, size: float, meanwhile: float | None) -> Stage:
    """Until the model is in the GPU's memory; a download runs while image and program start (`meanwhile`)."""
    if not runtime.models.mounted:
        return Stage("model", None)
    if not runtime.models.direct:
        return Stage("model", loading.seconds(int(size), "mount", kind.network_gbps))
    disk = None if runtime.nodes.local_disks else runtime.nodes.data_volume.throughput
    whole = loading.seconds(int(size), "direct", kind.network_gbps, disk)
    if whole is None:
        return Stage("model", None)
    copy = size / loading.DIRECT.copy
    return Stage("model", max(0.0, whole - copy - (meanwhile or 0.0)) + copy)


def _start(name: Literal["no node", "placeholder", "warm pod"], stages: tuple[Stage, ...]) -> Start:
    rounded = tuple(replace(one, seconds=_rounded(one.seconds)) for one in stages)
    total = _rounded(_sum(rounded))
    model = next((one.seconds for one in rounded if one.name == "model"), 0.0)
    meets = None
    if total is not None and model is not None:
        meets = total <= goals.GOAL_SECONDS and model <= goals.GOAL_MODEL_SECONDS
    return Start(name, rounded, total, meets)


def _sum(stages: tuple[Stage, ...] | list[Stage]) -> float | None:
    seconds = [one.seconds for one in stages]
    known = [one for one in seconds if one is not None]
    return sum(known) if len(known) == len(seconds) else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


@dataclass(frozen=True)
class _Case:
    """A runtime on nodes of one type, and the bytes of its model."""

    runtime: Runtime
    kind: InstanceType
    facts: ColdStartFacts
    size: int


def _advice(case: _Case, start: Start, way: ImageWay) -> Iterator[Advice]:
    """What shortens the start, the cheapest first, as far as the goal needs it."""
    if start.meets or (start.seconds is None and way != "snapshot"):
        return
    left = start.seconds
    for advice in _shorter(case, start, way):
        yield advice
        if left is not None and advice.saves is not None:
            left -= advice.saves
            if left <= goals.GOAL_SECONDS:
                return


def _shorter(case: _Case, start: Start, way: ImageWay) -> Iterator[Advice]:
    runtime, kind, facts = case.runtime, case.kind, case.facts
    seconds = {one.name: one.seconds or 0.0 for one in start.stages}
    polling = runtime.scaling.polling_seconds
    if polling > SHORT_POLL:
        yield Advice("runtime.scaling.pollingInterval", f"{SHORT_POLL}", float(polling - SHORT_POLL))
    can_download = runtime.type != "custom" and runtime.models.mounted and runtime.nodes.local_disks
    if can_download and not runtime.models.direct:
        named = replace(runtime, models=replace(runtime.models, direct=("model",)))
        direct = _model(named, kind, case.size, seconds["image"] + seconds["start"]).seconds or 0.0
        static = runtime.type == "sdwebui" and runtime.model_filename
        key, value = ("load", "direct") if static else ("files", "[the usual checkpoint]")
        yield Advice(f"runtime.models.{key}", value, round(seconds["model"] - direct, 1))
    volume = "karpenter.nodeTemplate.dataVolume"
    if way == "snapshot" and runtime.nodes.data_volume.initialization_rate is None:
        yield Advice(f"{volume}.volumeInitializationRate", f"{FASTEST_RATE}", None)
    elif way == "containerd's pull" and runtime.nodes.local_disks:
        faster = _image(runtime, kind, "parallel pull", facts).seconds or 0.0
        yield Advice("karpenter.nodeTemplate.userData", "none", round(seconds["image"] - faster, 1))
    elif way != "unknown" and not runtime.nodes.local_disks and way != "snapshot":
        on_nvme = replace(runtime.nodes, local_disks=True)
        faster = _image(replace(runtime, nodes=on_nvme), kind, way, facts).seconds or 0.0
        yield Advice(
            "karpenter.nodeTemplate.instanceStorePolicy", "RAID0", round(seconds["image"] - faster, 1)
        )
    if not any(entry.nodes for entry in runtime.scaling.warm):
        yield Advice("runtime.scaling.warm", "[{nodes: 1}]", round(seconds["node"] + seconds["image"], 1))


STAGES: dict[StageName, str] = {
    "keda": "KEDA sees the task",
    "node": "EC2 launches a node",
    "image": "the images are pulled",
    "start": "the program starts",
    "model": "the model loads",
    "picture": "the first picture",
}
