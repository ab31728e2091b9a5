"""Which instance types Karpenter can start for a runtime, and what excludes the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from generator.facts.facts import Facts, Region
from generator.facts.instance_types import KARPENTER_PREFIX, InstanceType, Resources
from generator.facts.quantity import gib, parse
from generator.solution import requirements
from generator.solution.node_pool import PROVISIONER
from generator.solution.nodes import Nodes, Path, Requirement

ARCH, OS = "kubernetes.io/arch", "kubernetes.io/os"
CAPACITY, REGION = "karpenter.sh/capacity-type", "topology.kubernetes.io/region"
RESERVED = "reserved"
# Labels that only nodes in a capacity reservation have.
RESERVATION_LABELS = tuple(
    f"{KARPENTER_PREFIX}capacity-reservation-{name}" for name in ("id", "type", "interruptible")
)
ZONE, ZONE_ID = "topology.kubernetes.io/zone", "topology.k8s.aws/zone-id"


Cause = Literal["type", "region", "requirement", "capacity type", "size", "storage", "limit", "minValues"]


@dataclass(frozen=True)
class Place:
    """Where the nodes are: the region, if it is known, and the zones of the cluster."""

    region: Region | None
    zones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exclusion:
    """A part of the values that excludes instance types: its path, and in words."""

    cause: Cause
    reason: str
    path: Path
    instance_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """The instance types that Karpenter can start, and the exclusions of all others."""

    left: tuple[InstanceType, ...]
    exclusions: tuple[Exclusion, ...]


def select(nodes: Nodes, pod: Resources, place: Place, facts: Facts) -> Selection:
    """The types of `nodes.instance_types`, or all GPU types, that Karpenter can start for such a pod."""
    if nodes.instance_types:
        candidates = [kind for name in nodes.instance_types if (kind := facts.instance_type(name))]
    else:
        candidates = [kind for kind in facts.gpu_types if kind.arch == "amd64"]
    shared, conflicts = _shared_labels(nodes, place)
    if conflicts:
        names = tuple(kind.name for kind in candidates)
        return Selection((), tuple(replace(conflict, instance_types=names) for conflict in conflicts))
    left, excluded = [], dict[Exclusion, list[str]]()
    for kind in candidates:
        exclusion = next(_exclusions(kind, nodes, pod, place, shared), None)
        if exclusion is None:
            left.append(kind)
        else:
            excluded.setdefault(exclusion, []).append(kind.name)
    exclusions = tuple(replace(one, instance_types=tuple(names)) for one, names in excluded.items())
    if scarce := tuple(_scarce(nodes, left, place)):
        return Selection((), (*exclusions, *scarce))
    return Selection(tuple(left), exclusions)


def capacity_types(nodes: Nodes, place: Place) -> tuple[str, ...]:
    """The capacity types that the values and the requirements leave: reserved, spot, on-demand."""
    return _shared_labels(nodes, place)[0][CAPACITY]


def zones(nodes: Nodes, place: Place) -> tuple[str, ...]:
    """The names of the zones in which nodes may be, after all requirements; none for an unknown region."""
    return _shared_labels(nodes, place)[0].get(ZONE, ())


def _shared_labels(nodes: Nodes, place: Place) -> tuple[Mapping[str, tuple[str, ...]], list[Exclusion]]:
    """The labels whose values do not depend on the type, after all requirements, and what leaves no value."""
    capacity = [(RESERVED, bool(nodes.reservations)), ("spot", nodes.spot), ("on-demand", nodes.on_demand)]
    values = {ARCH: ("amd64",), OS: ("linux",), CAPACITY: tuple(name for name, on in capacity if on)}
    if place.region:
        zones = tuple(place.region.zones) if nodes.own_subnets or not place.zones else place.zones
        ids = tuple(place.region.zones.values())
        values |= {REGION: (place.region.name,), ZONE: zones, ZONE_ID: ids}
    conflicts = []
    for requirement in nodes.requirements:
        key = requirements.label(requirement.key)
        if key in RESERVATION_LABELS:
            key, accepted = CAPACITY, _with_reservation_label(requirement, values[CAPACITY])
        elif key not in values or not values[key]:
            continue
        else:
            accepted = requirements.accepts(requirement, values[key])
        if accepted is None:
            reason = f"{requirement}, but {_PLACES[key]} {words(values[key])},"
            conflicts.append(Exclusion("requirement", reason, requirement.path))
        else:
            values[key] = accepted
    return values, conflicts


def _with_reservation_label(
    requirement: Requirement, capacity_types: Sequence[str]
) -> tuple[str, ...] | None:
    """The capacity types whose nodes meet a requirement on a label that only reserved nodes have."""
    without_label = requirements.accepts(requirement, ()) is not None
    with_label = requirement.operator != "DoesNotExist"
    accepted = (name for name in capacity_types if (with_label if name == RESERVED else without_label))
    return tuple(accepted) or None


_PLACES = {
    ARCH: "the images need",
    OS: "the images need",
    CAPACITY: "capacityType and the other requirements allow only",
    REGION: "the region is",
    ZONE: "the nodes are in",
    ZONE_ID: "the zones of the region are",
}


def words(names: Sequence[str]) -> str:
    """Several names as words of a sentence."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _exclusions(
    kind: InstanceType, nodes: Nodes, pod: Resources, place: Place, shared: Mapping[str, tuple[str, ...]]
) -> Iterator[Exclusion]:
    """Everything that excludes one type."""
    listed: Path = (*PROVISIONER, "instanceType")
    if not kind.nvidia_gpus or kind.arch != "amd64":
        yield Exclusion("type", "the need for an x86 processor and a whole NVIDIA GPU", listed)
    if nodes.local_disks and not kind.nvme_gb:
        yield Exclusion("type", "instanceStorePolicy RAID0", listed)
    if place.region and not place.region.offers(kind.name):
        yield Exclusion("region", f"region {place.region.name}", listed)
    labels = kind.labels()
    for requirement in nodes.requirements:
        key = requirements.label(requirement.key)
        if key in labels and requirements.accepts(requirement, labels[key]) is None:
            yield Exclusion("requirement", str(requirement), requirement.path)
        if key == ZONE_ID and place.region and not _is_offered(kind, place.region, shared[ZONE_ID]):
            yield Exclusion("requirement", str(requirement), requirement.path)
    if not kind.spot and shared[CAPACITY] == ("spot",):
        yield Exclusion("capacity type", "the capacity type spot", (*PROVISIONER, "capacityType"))
    yield from _without_room(kind, nodes, pod)


def _is_offered(kind: InstanceType, region: Region, zone_ids: Iterable[str]) -> bool:
    """Whether a zone of these has the type; also where the facts have no data by zone."""
    offered = region.gpu_types.get(kind.name, ())
    return not offered or any(zone in offered for zone in zone_ids)


def _without_room(kind: InstanceType, nodes: Nodes, pod: Resources) -> Iterator[Exclusion]:
    """What leaves a node of this type no room for a pod, or the limits of the pool no room for the node."""
    room, need = room_for_pods(kind, nodes), pod + nodes.daemons
    if need.gpus > room.gpus:
        yield Exclusion("size", f"the pod's request of {need.gpus} GPUs", (*PROVISIONER, "instanceType"))
    if need.cores > room.cores or need.memory > room.memory:
        size = f"{need.cores.normalize():f} cores and {gib(need.memory)} with the DaemonSets"
        yield Exclusion("size", f"the size of the pod ({size})", (*PROVISIONER, "instanceType"))
    if need.storage > room.storage:
        reason = f"the pod's request of {gib(need.storage)} of ephemeral-storage"
        yield Exclusion("storage", reason, (*PROVISIONER, "instanceType"))
    node = kind.capacity()
    amounts = {"cpu": node.cores, "memory": node.memory, "nvidia.com/gpu": Decimal(node.gpus)}
    for name, limit in nodes.limits.items():
        if amounts.get(name, Decimal(0)) > limit:
            amount = gib(limit) if name == "memory" else f"{limit.normalize():f}"
            reason = f"the limit of {amount} {_UNITS[name]}"
            yield Exclusion("limit", reason, (*PROVISIONER, "resourceLimits", name))


_UNITS = {"cpu": "vCPUs", "memory": "of memory", "nvidia.com/gpu": "GPUs"}


def room_for_pods(kind: InstanceType, nodes: Nodes) -> Resources:
    """What pods can use on a node of this type; DaemonSets are pods too."""
    disk = kind.local_disks() if nodes.local_disks else parse(nodes.data_volume.size) or Decimal(0)
    return kind.allocatable(disk)


def pods_per_node(kind: InstanceType, nodes: Nodes, pod: Resources) -> int:
    """How many pods of a runtime a node of this type can run next to the DaemonSets."""
    room, daemons = room_for_pods(kind, nodes), nodes.daemons
    amounts = (
        (Decimal(room.gpus), Decimal(pod.gpus)),
        (room.cores - daemons.cores, pod.cores),
        (room.memory - daemons.memory, pod.memory),
        (room.storage, pod.storage),
    )
    return max(0, min((int(offer // need) for offer, need in amounts if need), default=0))


def nodes_within_limits(kind: InstanceType, nodes: Nodes) -> int | None:
    """How many nodes of this type the limits of the pool allow; None without a limit."""
    node = kind.capacity()
    amounts = {"cpu": node.cores, "memory": node.memory, "nvidia.com/gpu": Decimal(node.gpus)}
    counts = [int(limit // amounts[name]) for name, limit in nodes.limits.items() if amounts.get(name)]
    return min(counts, default=None)


def most_pods(kind: InstanceType, nodes: Nodes, pod: Resources) -> int | None:
    """How many pods the limits of the pool allow on nodes of this type; None without a limit."""
    count = nodes_within_limits(kind, nodes)
    return None if count is None else count * pods_per_node(kind, nodes, pod)


def _scarce(nodes: Nodes, left: Sequence[InstanceType], place: Place) -> Iterator[Exclusion]:
    """Requirements of several values (minValues) with too few left: Karpenter then starts nothing."""
    for requirement in nodes.requirements:
        values = _values(requirements.label(requirement.key), left, nodes, place)
        if left and values is not None and len(values) < (requirement.min_values or 0):
            names = tuple(kind.name for kind in left)
            reason = f"minValues {requirement.min_values} of {requirements.short(requirement.key)}"
            reason += f", which has {len(values)} {'value' if len(values) == 1 else 'values'} left,"
            yield Exclusion("minValues", reason, (*requirement.path, "minValues"), names)


def _values(key: str, left: Sequence[InstanceType], nodes: Nodes, place: Place) -> set[str] | None:
    """The values of a label that minValues counts; None where the facts do not know them.

    Karpenter counts the values of the instance types, not those that the requirements leave. A label of the
    user has none. Source: SatisfiesMinValues in pkg/cloudprovider/types.go of kubernetes-sigs/karpenter.
    """
    if key == CAPACITY:
        spot = {"spot"} if any(kind.spot for kind in left) else set()
        return {"on-demand", *spot, *({RESERVED} if nodes.reservations else ())}
    anywhere = replace(nodes, requirements=())
    shared = _shared_labels(anywhere, place)[0]
    if key in shared:
        return set(shared[key])
    if any(key in kind.labels() for kind in left):
        return {value for kind in left for value in kind.labels().get(key, ())}
    return None if key.startswith(_KARPENTERS) or key in (REGION, ZONE, ZONE_ID) else set()


# Labels below these domains that are not in the facts may have any number of values.
_KARPENTERS = (KARPENTER_PREFIX, "karpenter.sh/", "topology.k8s.aws/")
