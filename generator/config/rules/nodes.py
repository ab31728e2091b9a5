"""GPU nodes: can the types that a config names run its pods at all?"""

from collections.abc import Iterator
from decimal import Decimal

from generator.config.node import ConfigNode
from generator.config.rules.base import (
    WARNING,
    Case,
    Finding,
    agent,
    inference,
    node_template,
    provisioner,
    rule,
)
from generator.config.schema import nearest
from generator.facts.facts import InstanceType
from generator.facts.quantity import MIB, gib, parse

# What the DaemonSets of every node ask for: vpc-cni 50m, kube-proxy 100m, S3 CSI driver 30m and 120 MiB.
DAEMON_CORES = Decimal("0.18")
DAEMON_BYTES = Decimal(120 * MIB)
# What the trace collector beside the queue agent asks for.
COLLECTOR_CORES = Decimal("0.05")
COLLECTOR_BYTES = Decimal(64 * MIB)
# Karpenter runs twice on the controllers' nodes and asks for this much.
CONTROLLER_CORES = 2
CONTROLLER_MIB = 4096


def allocatable(kind: InstanceType) -> tuple[Decimal, Decimal]:
    """Cores and bytes that pods can have on a node, by Karpenter's formula.

    Memory: 7.5 % goes to the hypervisor (vmMemoryOverheadPercent), 255 MiB and 11 MiB for each possible pod
    to the kubelet, 100 MiB to its eviction threshold. Cores: 6 % of the first, 1 % of the second, 0.5 % of
    the next two, 0.25 % of the others go to the kubelet. Source: pkg/providers/instancetype/types.go of
    aws/karpenter-provider-aws v1.8.8, whose page says 7910m and 29317Mi for g5.2xlarge, as this does.
    """
    milli = kind.vcpu * 1000
    ranges = ((0, 1000, 60), (1000, 2000, 10), (2000, 4000, 5), (4000, 1 << 31, Decimal("2.5")))
    reserved = sum(
        int((min(milli, end) - start) * per / 1000) for start, end, per in ranges if milli >= start
    )
    hypervisor = -(-kind.memory_mib * 75 // 1000)
    memory = kind.memory_mib - hypervisor - (255 + 11 * kind.pods) - 100
    return Decimal(milli - reserved) / 1000, Decimal(memory * MIB)


def needed(runtime: ConfigNode) -> tuple[Decimal, Decimal]:
    """Cores and bytes that one pod of a runtime, and the DaemonSets of its node, ask for."""
    cores, memory = DAEMON_CORES, DAEMON_BYTES
    for container in (inference(runtime), agent(runtime)):
        cores += request(container, "cpu")
        memory += request(container, "memory")
    if agent(runtime).at("xray", "enabled").flag() or agent(runtime).at("XRay", "enabled").flag():
        cores, memory = cores + COLLECTOR_CORES, memory + COLLECTOR_BYTES
    return cores, memory


def request(container: ConfigNode, resource: str) -> Decimal:
    """What a container asks for; Kubernetes takes the limit where no request is given."""
    found = [parse(container.at("resources", side, resource).value) for side in ("requests", "limits")]
    return next((amount for amount in found if amount is not None), Decimal(0))


def gpus(runtime: ConfigNode) -> int:
    """GPUs for each pod."""
    return int(parse(inference(runtime).at("resources", "limits", "nvidia.com/gpu").value) or 1)


def uses_nvme(runtime: ConfigNode) -> bool:
    """Whether the nodes must have NVMe disks. A snapshot with images makes the chart use the data volume."""
    policy, snapshot = (
        node_template(runtime).at("instanceStorePolicy"),
        node_template(runtime).at("dataVolume"),
    )
    return policy.text() == "RAID0" and not snapshot.at("snapshotID").text()


def listed(runtime: ConfigNode, case: Case) -> list[tuple[ConfigNode, InstanceType]]:
    """The instance types that the config itself lists and that are known, with their places."""
    kinds = provisioner(runtime).at("instanceType")
    rows = [(item, case.facts.instance_type(item.text() or "")) for item in kinds.items() if kinds.given]
    return [(item, kind) for item, kind in rows if kind is not None]


@rule("SD501")
def some_capacity_type_is_on(case: Case) -> Iterator[Finding]:
    """One of capacityType.onDemand and capacityType.spot must be true."""
    for runtime in case.runtimes:
        place = provisioner(runtime).at("capacityType")
        if place.at("onDemand").flag() is False and place.at("spot").flag() is False:
            yield Finding(
                place, "with both capacity types off no node can ever start", "turn one of them on", True
            )


@rule("SD502")
def instance_types_exist(case: Case) -> Iterator[Finding]:
    """Instance types must be types that EC2 has."""
    places = [item for runtime in case.runtimes for item in provisioner(runtime).at("instanceType").items()]
    for place in [*places, case.config.at("clusterComponents", "instanceType")]:
        name = place.text()
        if place.given and name and case.facts.instance_type(name) is None:
            close = nearest(name, case.facts.instance_types())
            help = f"did you mean {close!r}?" if close else "write one such as g5.xlarge"
            yield Finding(place, f"EC2 has no instance type {name!r}", help)


@rule("SD503")
def instance_types_have_gpus(case: Case) -> Iterator[Finding]:
    """A runtime's instance types must have at least one whole NVIDIA GPU."""
    for runtime in case.runtimes:
        for place, kind in listed(runtime, case):
            if kind.gpu_name and not kind.gpus:
                what = f"{kind.name} has a part of a GPU, which Kubernetes cannot hand out as nvidia.com/gpu"
                yield Finding(place, what, "use a type with a whole GPU, such as g6.xlarge")
            elif not kind.gpus:
                yield Finding(
                    place, f"{kind.name} has no GPU", "use a type with one, such as g5.xlarge or g6.xlarge"
                )


@rule("SD504")
def instance_types_have_nvme(case: Case) -> Iterator[Finding]:
    """instanceStorePolicy RAID0, the default, needs instance types with NVMe disks."""
    for runtime in case.runtimes:
        for place, kind in listed(runtime, case) if uses_nvme(runtime) else []:
            if kind.gpus and not kind.nvme_gb:
                what = f"{kind.name} has no NVMe disks, and instanceStorePolicy is RAID0"
                yield Finding(place, what, "use another type, or set nodeTemplate.instanceStorePolicy: None")


@rule("SD505")
def pods_fit(case: Case) -> Iterator[Finding]:
    """The pod must fit each instance type beside what Kubernetes keeps for itself."""
    for runtime in case.runtimes:
        cores, memory = needed(runtime)
        for place, kind in listed(runtime, case):
            has_cores, has_memory = allocatable(kind)
            if cores > has_cores:
                offer = f"{kind.name} offers {has_cores:f}"
                what = f"the pod, with its node's own pods, needs {cores.normalize():f} cores; {offer}"
                yield Finding(place, what, "use a larger type, or lower resources.requests.cpu")
            if memory > has_memory:
                offer = f"{kind.name} offers {gib(has_memory)}"
                what = f"the pod, with its node's own pods, needs {gib(memory)}; {offer}"
                yield Finding(place, what, "use a larger type, or lower resources.requests.memory")


@rule("SD506")
def instance_types_have_enough_gpus(case: Case) -> Iterator[Finding]:
    """A pod that asks for several GPUs needs instance types with as many."""
    for runtime in case.runtimes:
        for place, kind in listed(runtime, case):
            if 0 < kind.gpus < gpus(runtime):
                what = f"the pod asks for {gpus(runtime)} GPUs, {kind.name} has {kind.gpus}"
                yield Finding(place, what, "use a larger type, or lower resources.limits")


@rule("SD507")
def instance_types_are_x86(case: Case) -> Iterator[Finding]:
    """The images of the runtimes are built for x86 processors, so ARM types cannot run them."""
    for runtime in case.runtimes:
        for place, kind in listed(runtime, case):
            if kind.gpus and kind.arch != "amd64":
                what = f"{kind.name} has ARM processors, the images are for x86"
                yield Finding(place, what, "use g5 instead of g5g, or another x86 type")


@rule("SD508")
def some_default_type_fits(case: Case) -> Iterator[Finding]:
    """Where the config names no instance types, one of the default ones must hold the pod."""
    for runtime in case.runtimes:
        place = provisioner(runtime).at("instanceType")
        kinds = [case.facts.instance_type(name) for name in place.words()]
        if not place.given and kinds and not any(kind and _fits(runtime, kind) for kind in kinds):
            cores, memory = needed(runtime)
            size = f"{cores.normalize():f} cores, {gib(memory)} and GPUs: {gpus(runtime)}"
            what = f"none of the default types ({', '.join(place.words())}) holds {size}"
            yield Finding(place, what, "name larger types in extraValues.karpenter.provisioner.instanceType")


def _fits(runtime: ConfigNode, kind: InstanceType) -> bool:
    cores, memory = needed(runtime)
    has_cores, has_memory = allocatable(kind)
    return cores <= has_cores and memory <= has_memory and gpus(runtime) <= kind.gpus


@rule("SD509")
def requests_are_within_limits(case: Case) -> Iterator[Finding]:
    """A container cannot ask for more than its limit, and GPUs must be the same in both."""
    for runtime in case.runtimes:
        for container in (inference(runtime), agent(runtime)):
            sides = container.at("resources", "requests"), container.at("resources", "limits")
            for resource in ("cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"):
                asked, limit = (side.at(resource) for side in sides)
                yield from _within(asked, limit, resource)


def _within(asked: ConfigNode, limit: ConfigNode, resource: str) -> Iterator[Finding]:
    amount, most = parse(asked.value), parse(limit.value)
    place = asked if asked.given else limit
    if resource == "nvidia.com/gpu":
        if amount is not None and amount != most:
            what = f"GPUs requested: {amount:f}, but the limit is {most if most is not None else 'not set'}"
            yield Finding(place, what, "Kubernetes wants both equal: write the same number twice")
    elif amount is not None and most is not None and amount > most:
        yield Finding(
            place, f"the request, {asked.value}, is above the limit, {limit.value}", "raise the limit"
        )


@rule("SD510")
def controllers_have_room(case: Case) -> Iterator[Finding]:
    """The controllers' nodes need 2 vCPUs and 4 GiB each."""
    place = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(place.text() or "")
    if kind and (kind.vcpu < CONTROLLER_CORES or kind.memory_mib < CONTROLLER_MIB):
        size = f"{kind.vcpu} vCPUs and {kind.memory_mib / 1024:g} GiB"
        what = f"{kind.name} has {size}, too little for the controllers"
        yield Finding(place, what, "use a larger type, such as m7g.large")


@rule("SD511", WARNING)
def controllers_have_two_nodes(case: Case) -> Iterator[Finding]:
    """Karpenter runs twice, on two nodes; with one node its second pod waits for ever."""
    place = case.config.at("clusterComponents", "desiredCount")
    if place.whole() == 1:
        yield Finding(
            place, "Karpenter's second pod will find no node, and one node is no spare", "set 2 or more"
        )


@rule("SD512", WARNING)
def controllers_need_no_gpu(case: Case) -> Iterator[Finding]:
    """A GPU on the controllers' nodes is paid for and never used."""
    place = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(place.text() or "")
    if kind and kind.gpu_name:
        yield Finding(
            place, f"the GPU of {kind.name} is paid for and never used here", "use m7g.large or m7i.large"
        )


@rule("SD513", WARNING)
def instance_types_are_named(case: Case) -> Iterator[Finding]:
    """With an empty instanceType the choice is Karpenter's, and no plan can say what it needs and costs."""
    for runtime in case.runtimes:
        place = provisioner(runtime).at("instanceType")
        if place.given and place.value == []:
            what = "Karpenter may take any GPU type: fit, quotas and cost of the nodes cannot be foretold"
            yield Finding(place, what, "name the types that you want")
