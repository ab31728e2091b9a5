"""Whether Karpenter can start any node for a runtime: types, requirements, place and limits together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, Pool, agent, node_at, provisioner, rule
from generator.config.rules.quantities import size_fault
from generator.config.schema import nearest
from generator.facts.facts import USUAL_GPUS
from generator.facts.instance_types import InstanceType
from generator.facts.quantity import gib, parse
from generator.solution import capacity, requirements
from generator.solution.capacity import Exclusion, words
from generator.solution.nodes import Path, Requirement

_SHOWN = 5  # names of instance types in one message


@rule("SD508")
def some_instance_type_is_left(case: Case) -> Iterator[Finding]:
    """instanceType, requirements, region, zones, pod size and limits must leave an instance type."""
    for pool in case.pools:
        exclusions = pool.selection.exclusions
        if pool.selection.left or all(_is_shown(exclusion, pool) for exclusion in exclusions):
            continue
        blamed = next(one for one in exclusions if not _is_shown(one, pool))
        text = "; ".join(f"{one.reason} excludes {_names(one.instance_types)}" for one in exclusions)
        node = node_at(pool.runtime, blamed.path)
        yield Finding(node, f"{_subject(pool)} is left: {text}", _cure(blamed, pool, case))


def _is_shown(exclusion: Exclusion, pool: Pool) -> bool:
    """Whether another rule reports the same at its place."""
    listed = provisioner(pool.runtime).at("instanceType").given and bool(pool.nodes.instance_types)
    if exclusion.cause == "storage" and not pool.nodes.local_disks:
        return True
    if exclusion.cause == "region" and pool.nodes.instance_types:
        return listed or len(pool.selection.exclusions) == 1
    if exclusion.cause in ("type", "size", "storage"):
        return listed
    if exclusion.cause == "limit":
        limit = node_at(pool.runtime, exclusion.path)
        return parse(limit.value) == 0 or (limit.key == "memory" and size_fault(limit) is not None)
    requirement = _requirement(exclusion.path, pool)
    if requirement is None:
        return False
    too_few = requirement.operator == "In" and len(requirement.values) < (requirement.min_values or 0)
    return too_few or requirements.label(requirement.key) in (capacity.ARCH, capacity.OS)


def _requirement(path: Path, pool: Pool) -> Requirement | None:
    return next((one for one in pool.nodes.requirements if one.path == path[: len(one.path)]), None)


def _subject(pool: Pool) -> str:
    if not pool.nodes.instance_types:
        return "no GPU type"
    given = provisioner(pool.runtime).at("instanceType").given
    return "none of the types in instanceType" if given else "none of the default types"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return words(names) if more <= 1 else f"{', '.join(names[:_SHOWN])} and {more} others"


# By the cause, or by the label of the requirement.
_CURES = {
    "minValues": "lower or remove minValues, or allow more instance types",
    capacity.CAPACITY: (
        "remove the requirement, and set capacityType or capacityReservationSelectorTerms instead"
    ),
    **dict.fromkeys(
        capacity.RESERVATION_LABELS,
        "set nodeTemplate.capacityReservationSelectorTerms: only nodes in a reservation have this label",
    ),
    capacity.REGION: "remove the requirement",
    capacity.ZONE: "remove the requirement",
    capacity.ZONE_ID: "remove the requirement",
}


def _cure(blamed: Exclusion, pool: Pool, case: Case) -> str:
    """The fix: zones of the cluster, a higher limit, or types that meet everything."""
    requirement = _requirement(blamed.path, pool)
    key = requirements.label(requirement.key) if requirement else ""
    if blamed.cause == "limit":
        return _higher_limit(str(blamed.path[-1]), blamed.instance_types, case)
    if key == capacity.ZONE and pool.place.zones and not pool.nodes.own_subnets:
        return f"use a zone of the cluster: {words(pool.place.zones)}"
    if fixed := _CURES.get(blamed.cause) or _CURES.get(key):
        return fixed
    if requirement and (close := _similar_values(requirement, case)):
        return f"did you mean {words(close)}?"
    any_type = replace(pool.nodes, instance_types=())
    fitting = capacity.select(any_type, pool.pod, pool.place, case.facts).left
    if not fitting:
        return "change the requirements, the pod's requests or the limits: no GPU type meets all of them"
    return f"set instanceType to types that meet everything, such as {words(_examples(fitting))}"


def _similar_values(requirement: Requirement, case: Case) -> list[str]:
    """Values that GPU types have, for values of an In that none of them has."""
    key = requirements.label(requirement.key)
    present = {value for kind in case.facts.gpu_types for value in kind.labels().get(key, ())}
    if requirement.operator != "In" or present & set(requirement.values):
        return []
    return [close for value in requirement.values if (close := nearest(value, sorted(present)))]


def _higher_limit(resource: str, names: Sequence[str], case: Case) -> str:
    kinds = [kind for name in names if (kind := case.facts.instance_type(name))]
    smallest = min(kinds, key=InstanceType.size)
    node = smallest.capacity()
    amount = {"cpu": f"{node.cores} vCPUs", "memory": gib(node.memory), "nvidia.com/gpu": f"{node.gpus} GPUs"}
    return f"raise the limit: it counts whole nodes, and one {smallest.name} has {amount[resource]}"


def _examples(kinds: Sequence[InstanceType]) -> list[str]:
    """The smallest type of each usual family; of the others where no usual family is among them."""
    smallest: dict[str, str] = {}
    for kind in sorted(kinds, key=InstanceType.size):
        smallest.setdefault(kind.family, kind.name)
    usual = [smallest[family] for family in USUAL_GPUS if family in smallest]
    return (usual or list(smallest.values()))[:3]


@rule("SD513", WARNING)
def instance_types_are_set(case: Case) -> Iterator[Finding]:
    """With an empty instanceType Karpenter may choose any GPU type that the requirements leave."""
    for pool in case.pools:
        node = provisioner(pool.runtime).at("instanceType")
        left = sorted(pool.selection.left, key=InstanceType.size)
        if node.given and node.value == [] and left:
            message = (
                f"Karpenter may choose any of {len(left)} GPU types, from {left[0].name} to {left[-1].name}"
            )
            yield Finding(node, message, "list the types to use, or narrow them with extraRequirements")


@rule("SD514", WARNING)
def agent_needs_no_gpu(case: Case) -> Iterator[Finding]:
    """A GPU that the queue agent requests is taken from the runtime and never used."""
    for runtime in case.runtimes:
        for side in ("requests", "limits"):
            node = agent(runtime).at("resources", side, "nvidia.com/gpu")
            if node.given and parse(node.value):
                message = "the queue agent does not use a GPU; with this request each pod takes one more"
                yield Finding(node, message, "remove it", True)


@rule("SD515", WARNING)
def limits_leave_room_for_all_pods(case: Case) -> Iterator[Finding]:
    """resourceLimits.cpu and resourceLimits.memory should allow the nodes of maxReplicaCount pods."""
    for pool in case.pools:
        maximum = pool.runtime.at("extraValues", "runtime", "scaling", "maxReplicaCount").whole() or 0
        for resource in ("cpu", "memory"):
            limit = provisioner(pool.runtime).at("resourceLimits", resource)
            if resource not in pool.nodes.limits or not pool.selection.left:
                continue
            nodes = replace(pool.nodes, limits={resource: pool.nodes.limits[resource]})
            pods = max(capacity.most_pods(kind, nodes, pool.pod) or 0 for kind in pool.selection.left)
            if pods < maximum:
                message = (
                    f"the limit allows {pods} of {maximum} pods (maxReplicaCount); the others stay pending"
                )
                yield Finding(limit, message, "raise the limit or lower maxReplicaCount")


@rule("SD516", WARNING)
def zones_have_the_types(case: Case) -> Iterator[Finding]:
    """Required zones should offer the instance types; which zone has which name depends on the account."""
    for pool in case.pools:
        region = pool.place.region
        for requirement in pool.nodes.requirements if region and pool.selection.left else ():
            if region is None or requirements.label(requirement.key) != capacity.ZONE:
                continue
            zones = requirements.accepts(requirement, tuple(region.zones)) or ()
            offered = {zone for kind in pool.selection.left for zone in region.gpu_types.get(kind.name, ())}
            if zones and offered and not offered & {region.zones[zone] for zone in zones}:
                message = f"in most accounts, {words(zones)} offers none of the instance types that are left"
                help = "add other zones, or ask your account with `generator preflight`"
                yield Finding(node_at(pool.runtime, requirement.path), message, help)


@rule("SD521", WARNING)
def empty_nodes_are_removed(case: Case) -> Iterator[Finding]:
    """With consolidateAfter: Never, GPU nodes without pods stay, and cost money, until they expire."""
    for pool in case.pools:
        node = provisioner(pool.runtime).at("disruption", "consolidateAfter")
        expiry = provisioner(pool.runtime).at("disruption", "expireAfter").text()
        if node.text() == "Never":
            until = "until you delete them" if expiry == "Never" else f"until they expire ({expiry})"
            message = f"GPU nodes without pods are never removed: you pay for them {until}"
            yield Finding(node, f"{message}{_price(pool, case)}", "set a duration, such as 0s or 5m")


def _price(pool: Pool, case: Case) -> str:
    """What one such node costs, where its price is known."""
    region = pool.place.region
    prices = case.facts.prices.region_list(region.name, region.partition) if region else None
    known = {kind.name: prices.instance(kind.name) for kind in pool.selection.left} if prices else {}
    hourly = min(((price, name) for name, price in known.items() if price), default=None)
    if prices is None or hourly is None:
        return ""
    price, name = hourly
    return f". One {name} costs {price * 24:.0f} {prices.currency} a day on demand"


@rule("SD916")
def nodes_are_x86_linux(case: Case) -> Iterator[Finding]:
    """The chart requires x86 nodes with Linux, so requirements and labels must not exclude them."""
    for pool in case.pools:
        for requirement in pool.nodes.requirements:
            key = requirements.label(requirement.key)
            value = {capacity.ARCH: "amd64", capacity.OS: "linux"}.get(key)
            if value and requirements.accepts(requirement, (value,)) is None:
                node = _values(node_at(pool.runtime, requirement.path))
                needs = (
                    "the images are for x86 processors" if value == "amd64" else "the images are for Linux"
                )
                yield Finding(node, needs, f'remove it, or write values: ["{value}"]')


def _values(entry: ConfigNode) -> ConfigNode:
    """The values of a requirement; its operator where it has none; a label is its own value."""
    if not isinstance(entry.value, dict):
        return entry
    return entry.at("values") if entry.at("values").given else entry.at("operator")
