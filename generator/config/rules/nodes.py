"""Instance types: whether they exist, have GPUs, and have room for the pods."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import (
    Case,
    Finding,
    Pool,
    agent,
    inference,
    node_template,
    provisioner,
    rule,
)
from generator.config.schema import nearest
from generator.facts import accelerators
from generator.facts.instance_types import InstanceType
from generator.facts.quantity import gib, parse


def listed(pool: Pool, case: Case) -> list[tuple[ConfigNode, InstanceType]]:
    """The known instance types that the config itself lists, each with its node of the config."""
    kinds = provisioner(pool.runtime).at("instanceType")
    rows = [(item, case.facts.instance_type(item.text() or "")) for item in kinds.items() if kinds.given]
    return [(item, kind) for item, kind in rows if kind is not None]


@rule("SD501")
def some_capacity_type_is_on(case: Case) -> Iterator[Finding]:
    """One of capacityType.onDemand and capacityType.spot must be true, unless capacity is reserved."""
    for runtime in case.runtimes:
        node = provisioner(runtime).at("capacityType")
        reserved = node_template(runtime).at("capacityReservationSelectorTerms").items()
        if node.at("onDemand").flag() is False and node.at("spot").flag() is False and not reserved:
            yield Finding(
                node, "with both capacity types off, no node can start", "turn one of them on", True
            )


@rule("SD502")
def instance_types_exist(case: Case) -> Iterator[Finding]:
    """Instance types must exist in EC2, and in the table of types that ships with the generator."""
    for runtime in case.runtimes:
        for node in provisioner(runtime).at("instanceType").items():
            if node.given and (name := node.text()) and case.facts.instance_type(name) is None:
                usable = [kind.name for kind in case.facts.gpu_types if kind.gpus and kind.arch == "amd64"]
                yield Finding(node, *_of_unknown(name, case, usable, "g5.xlarge"))
    node = case.config.at("clusterComponents", "instanceType")
    if node.given and (name := node.text()) and case.facts.instance_type(name) is None:
        kinds = map(case.facts.instance_type, case.facts.instance_types())
        usable = [kind.name for kind in kinds if kind and not kind.gpu_name and not _chips(kind.name)]
        yield Finding(node, *_of_unknown(name, case, usable, "m7g.large"))


def _of_unknown(name: str, case: Case, usable: list[str], example: str) -> tuple[str, str]:
    """Message and help for a type that is not in the table; only `usable` types are proposed."""
    if case.facts.lacks(name):
        if chips := accelerators.OTHER_CHIPS.get(accelerators.family(name)):
            return f"{name} has {chips}, which the runtimes cannot use", f"use a type such as {example}"
        chips = accelerators.NVIDIA_CHIPS.get(accelerators.family(name))
        what = f" ({chips})" if chips else ""
        message = f"EC2 has {name}{what}, but no region in the table of types offers it"
        return message, f"use a type such as {example}"
    close = nearest(name, usable)
    return f"EC2 has no instance type {name!r}", (
        f"did you mean {close!r}?" if close else f"use a type such as {example}"
    )


def _chips(name: str) -> str | None:
    """The accelerators of a type that are not NVIDIA GPUs, in words."""
    return accelerators.OTHER_CHIPS.get(accelerators.family(name))


@rule("SD503")
def instance_types_have_gpus(case: Case) -> Iterator[Finding]:
    """A runtime's instance types must have at least one whole NVIDIA GPU."""
    for pool in case.pools:
        for node, kind in listed(pool, case):
            if kind.gpu_name and not kind.gpus:
                message = f"{kind.name} has a fraction of a GPU, which Kubernetes cannot schedule"
                yield Finding(node, message, "use a type with a whole GPU, such as g6.xlarge")
            elif not kind.gpus:
                chips = _chips(kind.name)
                message = f"{kind.name} has {chips}, no NVIDIA GPU" if chips else f"{kind.name} has no GPU"
                yield Finding(node, message, "use a type with a GPU, such as g5.xlarge or g6.xlarge")


@rule("SD504")
def instance_types_have_nvme(case: Case) -> Iterator[Finding]:
    """instanceStorePolicy RAID0, the default, needs instance types with NVMe disks."""
    for pool in case.pools:
        for node, kind in listed(pool, case) if pool.nodes.local_disks else []:
            if kind.gpus and not kind.nvme_gb:
                message = f"{kind.name} has no NVMe disks, and instanceStorePolicy is RAID0"
                yield Finding(node, message, "use another type, or set instanceStorePolicy: None")


@rule("SD505")
def pods_fit(case: Case) -> Iterator[Finding]:
    """The pod must fit each instance type, next to what Kubernetes reserves."""
    for pool in case.pools:
        need = pool.pod + pool.nodes.daemons
        for node, kind in listed(pool, case):
            room = kind.allocatable()
            if need.cores > room.cores:
                offer = f"{kind.name} has {room.cores:f}"
                message = f"the pod and the DaemonSets request {need.cores.normalize():f} cores; {offer}"
                yield Finding(node, message, "use a larger type, or lower resources.requests.cpu")
            if need.memory > room.memory:
                offer = f"{kind.name} has {gib(room.memory)}"
                message = f"the pod and the DaemonSets request {gib(need.memory)}; {offer}"
                yield Finding(node, message, "use a larger type, or lower resources.requests.memory")


@rule("SD506")
def instance_types_have_enough_gpus(case: Case) -> Iterator[Finding]:
    """A pod that requests several GPUs needs instance types with at least as many."""
    for pool in case.pools:
        for node, kind in listed(pool, case):
            if 0 < kind.gpus < pool.pod.gpus:
                message = f"the pod's containers request {pool.pod.gpus} GPUs; {kind.name} has {kind.gpus}"
                yield Finding(node, message, "use a larger type, or lower nvidia.com/gpu in resources.limits")


@rule("SD507")
def instance_types_are_x86(case: Case) -> Iterator[Finding]:
    """The runtimes' images are built for x86, so ARM instance types cannot run them."""
    for pool in case.pools:
        for node, kind in listed(pool, case):
            if kind.gpus and kind.arch != "amd64":
                message = f"{kind.name} has ARM processors; the images are for x86"
                yield Finding(node, message, "use g5 instead of g5g, or another x86 type")


@rule("SD509")
def requests_are_within_limits(case: Case) -> Iterator[Finding]:
    """Requests cannot be above limits, and for GPUs both must be equal."""
    for runtime in case.runtimes:
        for container in (inference(runtime), agent(runtime)):
            sides = container.at("resources", "requests"), container.at("resources", "limits")
            for resource in ("cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"):
                request, limit = (side.at(resource) for side in sides)
                yield from _within(request, limit, resource)


def _within(request: ConfigNode, limit: ConfigNode, resource: str) -> Iterator[Finding]:
    amount, maximum = parse(request.value), parse(limit.value)
    node = request if request.given else limit
    if resource == "nvidia.com/gpu":
        if amount is not None and amount != maximum:
            message = f"GPUs requested: {amount:f}; limit: {'none' if maximum is None else maximum}"
            yield Finding(node, message, "set both to the same number")
    elif amount is not None and maximum is not None and amount > maximum:
        yield Finding(
            node, f"the request {request.value} is above the limit {limit.value}", "raise the limit"
        )
