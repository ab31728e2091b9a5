"""Instance types: whether they exist, have GPUs, and have room for the pods."""

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

# What the DaemonSets of every node request: vpc-cni 50m, kube-proxy 100m, S3 CSI driver 30m and 120 MiB.
DAEMON_CORES = Decimal("0.18")
DAEMON_BYTES = Decimal(120 * MIB)
# What the trace collector's container requests.
COLLECTOR_CORES = Decimal("0.05")
COLLECTOR_BYTES = Decimal(64 * MIB)
# What a node for the controllers needs at least: it runs one of Karpenter's two pods.
CONTROLLER_CORES = 2
CONTROLLER_MIB = 4096


def allocatable(kind: InstanceType) -> tuple[Decimal, Decimal]:
    """Cores and bytes that are allocatable to pods on a node, by Karpenter's formula.

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
    """Cores and bytes that one pod of a runtime and the DaemonSets of its node request."""
    cores, memory = DAEMON_CORES, DAEMON_BYTES
    for container in (inference(runtime), agent(runtime)):
        cores += request(container, "cpu")
        memory += request(container, "memory")
    if agent(runtime).at("xray", "enabled").flag() or agent(runtime).at("XRay", "enabled").flag():
        cores, memory = cores + COLLECTOR_CORES, memory + COLLECTOR_BYTES
    return cores, memory


def request(container: ConfigNode, resource: str) -> Decimal:
    """The request of a container; Kubernetes uses the limit where no request is set."""
    amounts = [parse(container.at("resources", side, resource).value) for side in ("requests", "limits")]
    return next((amount for amount in amounts if amount is not None), Decimal(0))


def gpus(runtime: ConfigNode) -> int:
    """GPUs per pod."""
    return int(parse(inference(runtime).at("resources", "limits", "nvidia.com/gpu").value) or 1)


def uses_nvme(runtime: ConfigNode) -> bool:
    """Whether the nodes must have NVMe disks. With a snapshot of images the chart uses the data volume."""
    policy, snapshot = (
        node_template(runtime).at("instanceStorePolicy"),
        node_template(runtime).at("dataVolume"),
    )
    return policy.text() == "RAID0" and not snapshot.at("snapshotID").text()


def listed(runtime: ConfigNode, case: Case) -> list[tuple[ConfigNode, InstanceType]]:
    """The known instance types that the config itself lists, each with its node of the config."""
    kinds = provisioner(runtime).at("instanceType")
    rows = [(item, case.facts.instance_type(item.text() or "")) for item in kinds.items() if kinds.given]
    return [(item, kind) for item, kind in rows if kind is not None]


@rule("SD501")
def some_capacity_type_is_on(case: Case) -> Iterator[Finding]:
    """One of capacityType.onDemand and capacityType.spot must be true."""
    for runtime in case.runtimes:
        node = provisioner(runtime).at("capacityType")
        if node.at("onDemand").flag() is False and node.at("spot").flag() is False:
            yield Finding(
                node, "with both capacity types off, no node can start", "turn one of them on", True
            )


@rule("SD502")
def instance_types_exist(case: Case) -> Iterator[Finding]:
    """Instance types must exist in EC2."""
    nodes = [item for runtime in case.runtimes for item in provisioner(runtime).at("instanceType").items()]
    for node in [*nodes, case.config.at("clusterComponents", "instanceType")]:
        name = node.text()
        if node.given and name and case.facts.instance_type(name) is None:
            close = nearest(name, case.facts.instance_types())
            help = f"did you mean {close!r}?" if close else "use a type such as g5.xlarge"
            yield Finding(node, f"EC2 has no instance type {name!r}", help)


@rule("SD503")
def instance_types_have_gpus(case: Case) -> Iterator[Finding]:
    """A runtime's instance types must have at least one whole NVIDIA GPU."""
    for runtime in case.runtimes:
        for node, kind in listed(runtime, case):
            if kind.gpu_name and not kind.gpus:
                message = f"{kind.name} has a fraction of a GPU, which Kubernetes cannot schedule"
                yield Finding(node, message, "use a type with a whole GPU, such as g6.xlarge")
            elif not kind.gpus:
                yield Finding(
                    node, f"{kind.name} has no GPU", "use a type with a GPU, such as g5.xlarge or g6.xlarge"
                )


@rule("SD504")
def instance_types_have_nvme(case: Case) -> Iterator[Finding]:
    """instanceStorePolicy RAID0, the default, needs instance types with NVMe disks."""
    for runtime in case.runtimes:
        for node, kind in listed(runtime, case) if uses_nvme(runtime) else []:
            if kind.gpus and not kind.nvme_gb:
                message = f"{kind.name} has no NVMe disks, and instanceStorePolicy is RAID0"
                yield Finding(node, message, "use another type, or set instanceStorePolicy: None")


@rule("SD505")
def pods_fit(case: Case) -> Iterator[Finding]:
    """The pod must fit each instance type, next to what Kubernetes reserves."""
    for runtime in case.runtimes:
        cores, memory = needed(runtime)
        for node, kind in listed(runtime, case):
            has_cores, has_memory = allocatable(kind)
            if cores > has_cores:
                offer = f"{kind.name} has {has_cores:f}"
                message = f"the pod and the DaemonSets request {cores.normalize():f} cores; {offer}"
                yield Finding(node, message, "use a larger type, or lower resources.requests.cpu")
            if memory > has_memory:
                offer = f"{kind.name} has {gib(has_memory)}"
                message = f"the pod and the DaemonSets request {gib(memory)}; {offer}"
                yield Finding(node, message, "use a larger type, or lower resources.requests.memory")


@rule("SD506")
def instance_types_have_enough_gpus(case: Case) -> Iterator[Finding]:
    """A pod that requests several GPUs needs instance types with at least as many."""
    for runtime in case.runtimes:
        for node, kind in listed(runtime, case):
            if 0 < kind.gpus < gpus(runtime):
                message = f"the pod requests {gpus(runtime)} GPUs; {kind.name} has {kind.gpus}"
                yield Finding(node, message, "use a larger type, or lower resources.limits")


@rule("SD507")
def instance_types_are_x86(case: Case) -> Iterator[Finding]:
    """The runtimes' images are built for x86, so ARM instance types cannot run them."""
    for runtime in case.runtimes:
        for node, kind in listed(runtime, case):
            if kind.gpus and kind.arch != "amd64":
                message = f"{kind.name} has ARM processors; the images are for x86"
                yield Finding(node, message, "use g5 instead of g5g, or another x86 type")


@rule("SD508")
def some_default_type_fits(case: Case) -> Iterator[Finding]:
    """Without instanceType, the pod must fit one of the default types."""
    for runtime in case.runtimes:
        node = provisioner(runtime).at("instanceType")
        kinds = [case.facts.instance_type(name) for name in node.words()]
        if not node.given and kinds and not any(kind and _fits(runtime, kind) for kind in kinds):
            cores, memory = needed(runtime)
            size = f"{cores.normalize():f} cores, {gib(memory)}, GPUs: {gpus(runtime)}"
            message = f"none of the default types ({', '.join(node.words())}) has {size}"
            yield Finding(node, message, "set larger types in karpenter.provisioner.instanceType")


def _fits(runtime: ConfigNode, kind: InstanceType) -> bool:
    cores, memory = needed(runtime)
    has_cores, has_memory = allocatable(kind)
    return cores <= has_cores and memory <= has_memory and gpus(runtime) <= kind.gpus


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


@rule("SD510")
def controllers_have_room(case: Case) -> Iterator[Finding]:
    """The controllers' nodes need 2 vCPUs and 4 GiB each."""
    node = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(node.text() or "")
    if kind and (kind.vcpu < CONTROLLER_CORES or kind.memory_mib < CONTROLLER_MIB):
        size = f"{kind.vcpu} vCPUs and {kind.memory_mib / 1024:g} GiB"
        message = f"{kind.name} has {size}, which is not enough for the controllers"
        yield Finding(node, message, "use a larger type, such as m7g.large")


@rule("SD511", WARNING)
def controllers_have_two_nodes(case: Case) -> Iterator[Finding]:
    """Karpenter runs two pods on different nodes; with one node the second pod stays pending."""
    node = case.config.at("clusterComponents", "desiredCount")
    if node.whole() == 1:
        yield Finding(
            node, "Karpenter's second pod stays pending, and a single node has no spare", "set 2 or more"
        )


@rule("SD512", WARNING)
def controllers_need_no_gpu(case: Case) -> Iterator[Finding]:
    """A GPU on the controllers' nodes is paid for but never used."""
    node = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(node.text() or "")
    if kind and kind.gpu_name:
        yield Finding(
            node, f"the GPU of {kind.name} is paid for but never used here", "use m7g.large or m7i.large"
        )


@rule("SD513", WARNING)
def instance_types_are_set(case: Case) -> Iterator[Finding]:
    """With an empty instanceType Karpenter may choose any type, so its cost cannot be estimated."""
    for runtime in case.runtimes:
        node = provisioner(runtime).at("instanceType")
        if node.given and node.value == []:
            message = "Karpenter may choose any GPU type: fit, quotas and cost cannot be checked"
            yield Finding(node, message, "list the types to use")
