"""Amounts of memory, disk and CPU: their units, and the least with which anything works."""

import math
import re
from collections.abc import Iterator
from decimal import Decimal

from generator.config.node import ConfigNode
from generator.config.rules.base import (
    WARNING,
    Case,
    Finding,
    agent,
    download_space,
    inference,
    node_template,
    provisioner,
    rule,
)
from generator.facts import footprint
from generator.facts.instance_types import usable
from generator.facts.quantity import GIB, MIB, gib, parse

_SIDES = ("requests", "limits")
_NUMBER = re.compile(r"([0-9]*\.?[0-9]+)([A-Za-z]*)")
# The unit that was probably meant.
_LARGER = {"m": "Mi", "k": "Mi", "Ki": "Mi"}
# The most vCPUs of an instance type with GPUs.
MAX_CORES = 192


def _sizes(case: Case) -> Iterator[ConfigNode]:
    """Every amount of memory or disk that the config sets."""
    for runtime in case.runtimes:
        for container in (inference(runtime), agent(runtime)):
            for side in _SIDES:
                yield container.at("resources", side, "memory")
                yield container.at("resources", side, "ephemeral-storage")
        yield provisioner(runtime).at("resourceLimits", "memory")
        yield runtime.at("extraValues", "runtime", "persistence", "size")


def size_fault(node: ConfigNode) -> str | None:
    """The size that was probably meant by one below 1 MiB, which nothing works with; None for any other."""
    amount = parse(node.value)
    if amount is None or not 0 < amount < MIB:
        return None
    match = _NUMBER.fullmatch(str(node.value))
    if match is None:  # 1e3
        return "1Gi"
    number, unit = match.groups()
    if unit == "":
        return f"{number}Gi" if Decimal(number) <= 1024 else f"{number}Mi"
    return f"{number}{_LARGER.get(unit, 'Gi')}"


@rule("SD517")
def sizes_have_a_unit(case: Case) -> Iterator[Finding]:
    """Sizes of memory and disk need a unit such as Gi: without one they are bytes, and m is a thousandth."""
    for node in _sizes(case):
        if node.given and (meant := size_fault(node)):
            amount = parse(node.value) or Decimal(0)
            message = f"{node.value} means {amount.normalize():f} bytes"
            yield Finding(node, message, f'did you mean "{meant}"?')


@rule("SD518")
def amounts_are_above_zero(case: Case) -> Iterator[Finding]:
    """Limits of containers and nodes and the size of the claim cannot be zero."""
    for runtime in case.runtimes:
        nodes = [runtime.at("extraValues", "runtime", "persistence", "size")]
        nodes += [provisioner(runtime).at("resourceLimits", name) for name in ("cpu", "memory")]
        for container in (inference(runtime), agent(runtime)):
            limits = container.at("resources", "limits")
            nodes += [limits.at(name) for name in ("cpu", "memory", "ephemeral-storage")]
        for node in nodes:
            if node.given and parse(node.value) == 0:
                help = "set a size, such as 2Ti" if node.key == "size" else "set an amount, or remove the key"
                yield Finding(node, "the amount is zero", help)


@rule("SD519")
def memory_limits_let_containers_start(case: Case) -> Iterator[Finding]:
    """Memory limits must leave a container enough to start: Kubernetes kills it above its limit."""
    for runtime in case.runtimes:
        kind = runtime.at("type").text() or "custom"
        least = footprint.RUNTIME_MEMORY.get(kind, footprint.RUNTIME_MEMORY["custom"])
        program = "PyTorch and CUDA, before a model is loaded" if kind in footprint.IMAGES else "any program"
        yield from _too_small(inference(runtime), "memory", least, program)
        yield from _too_small(agent(runtime), "memory", footprint.AGENT_MEMORY, "the queue agent")


@rule("SD520")
def cpu_limits_let_containers_start(case: Case) -> Iterator[Finding]:
    """CPU limits must let a container start before its probes give up."""
    for runtime in case.runtimes:
        yield from _too_small(inference(runtime), "cpu", footprint.RUNTIME_CORES, "a start within 30 minutes")
        yield from _too_small(agent(runtime), "cpu", footprint.AGENT_CORES, "the queue agent")


def _too_small(container: ConfigNode, resource: str, least: Decimal, program: str) -> Iterator[Finding]:
    node = container.at("resources", "limits", resource)
    amount = parse(node.value)
    too_small = amount is not None and 0 < amount < least
    if not node.given or not too_small or (resource == "memory" and size_fault(node)):
        return
    size = f"{least / GIB:f}Gi" if least >= GIB else f"{least / MIB:f}Mi"
    text = size if resource == "memory" else f"{int(least * 1000)}m"
    yield Finding(
        node, f"{node.value} is too little for {program}", f"set {text} or more, or remove the limit"
    )


@rule("SD522", WARNING)
def cpu_limits_keep_the_gpu_busy(case: Case) -> Iterator[Finding]:
    """A runtime with less than one core cannot keep its GPU busy."""
    for runtime in case.runtimes:
        node = inference(runtime).at("resources", "limits", "cpu")
        amount = parse(node.value)
        if node.given and amount and footprint.RUNTIME_CORES <= amount < footprint.BUSY_CORES:
            message = f"{node.value} is less than one core: the GPU, which costs far more, waits for the CPU"
            yield Finding(node, message, "set 1 or more, or remove the limit")


@rule("SD523")
def cpu_amounts_are_cores(case: Case) -> Iterator[Finding]:
    """Amounts of CPU are cores, or with m thousandths of a core; no GPU instance type has more than 192."""
    for runtime in case.runtimes:
        for container in (inference(runtime), agent(runtime)):
            for side in _SIDES:
                node = container.at("resources", side, "cpu")
                amount = parse(node.value)
                if node.given and amount is not None and amount > MAX_CORES:
                    whole = isinstance(node.value, int) or str(node.value).isdecimal()
                    help = f'did you mean "{node.value}m"?' if whole else "write cores, such as 2 or 2500m"
                    yield Finding(node, f"{node.value} means {amount.normalize():f} cores", help)


@rule("SD524")
def data_volume_holds_the_images(case: Case) -> Iterator[Finding]:
    """Without local disks, the data volume must have room for the container images."""
    for pool in case.pools:
        images = footprint.IMAGES.get(pool.runtime.at("type").text() or "")
        size = parse(pool.nodes.data_volume.size)
        if images and size and not pool.nodes.local_disks and usable(size) < images:
            message = f"{gib(usable(size))} of it are usable; the container images need about {gib(images)}"
            yield Finding(_volume_size(pool.runtime), message, f"set {_enough(images)} or more")


@rule("SD525", WARNING)
def data_volume_holds_scratch_files(case: Case) -> Iterator[Finding]:
    """Without local disks, the data volume should have room for images and full scratch volumes."""
    for pool in case.pools:
        kind = pool.runtime.at("type").text() or ""
        images, size = footprint.IMAGES.get(kind), parse(pool.nodes.data_volume.size)
        if images is None or size is None or pool.nodes.local_disks or usable(size) < images:
            continue
        files = case.facts.runtime_profiles[kind].scratch_bytes
        files += download_space(pool.runtime, case.auto_mode)
        if usable(size) < images + files:
            message = f"{gib(usable(size))} of it are usable; images and scratch files may need "
            message += f"{gib(images + files)}: Kubernetes evicts pods when the volume is full"
            yield Finding(_volume_size(pool.runtime), message, f"set {_enough(images + files)} or more")


def _volume_size(runtime: ConfigNode) -> ConfigNode:
    return node_template(runtime).at("dataVolume", "volumeSize")


def _enough(need: Decimal) -> str:
    """The size of the volume that leaves this much usable, in whole GiB."""
    return f"{math.ceil((need + GIB) / Decimal('0.9') / GIB)}Gi"
