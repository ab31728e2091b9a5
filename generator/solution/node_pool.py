"""Reads from a runtime's values which nodes Karpenter may start for it, and what one of its pods requests."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from generator.facts import footprint
from generator.facts.instance_types import AUTO_MODE_PREFIX, KARPENTER_PREFIX, Resources
from generator.facts.quantity import parse
from generator.solution.nodes import Nodes, Requirement, ReservationTerm, Volume

Data = Mapping[str, Any]

# Where the values say it, below an entry of modelsRuntime.
PROVISIONER = ("extraValues", "karpenter", "provisioner")
NODE_TEMPLATE = ("extraValues", "karpenter", "nodeTemplate")


# The value of `karpenter.nodePool` of a runtime that shares its node pool with no other.
OWN = "own"


def pool(karpenter: Data, runtime: str) -> str:
    """The node pool of a runtime: its own, which has its name, or the shared one that the values name."""
    named = karpenter.get("nodePool") or OWN
    return runtime if named == OWN else str(named)


def nodes(
    provisioner: Data, template: Data, daemons: Resources = footprint.DAEMONS, *, auto_mode: bool = False
) -> Nodes:
    """The nodes that a NodePool and its EC2NodeClass, or NodeClass of EKS Auto Mode, describe.

    Both have their defaults.
    """
    limits = {name: parse(amount) for name, amount in provisioner["resourceLimits"].items()}
    data_volume = _volume(template["dataVolume"])
    return Nodes(
        instance_types=tuple(provisioner["instanceType"]),
        spot=provisioner["capacityType"]["spot"],
        on_demand=provisioner["capacityType"]["onDemand"],
        reservations=tuple(map(_reservation_term, template["capacityReservationSelectorTerms"])),
        requirements=tuple(_requirements(provisioner, AUTO_MODE_PREFIX if auto_mode else KARPENTER_PREFIX)),
        limits={name: amount for name, amount in limits.items() if amount is not None},
        # A snapshot of images is on the data volume, which local disks would hide.
        local_disks=template["instanceStorePolicy"] == "RAID0" and not data_volume.snapshot_id,
        own_subnets=bool(template["subnetSelector"]),
        iam_role=template.get("iamRole") or None,
        os_volume=_volume(template["osVolume"]),
        data_volume=data_volume,
        daemons=daemons,
    )


def instance_types(pools: Iterable[Nodes]) -> list[str]:
    """The instance types that any of the node pools lists. The zones of the cluster follow from them."""
    return sorted({name for nodes in pools for name in nodes.instance_types})


def _volume(volume: Data) -> Volume:
    return Volume(
        size=volume["volumeSize"],
        snapshot_id=volume.get("snapshotID") or None,
        initialization_rate=volume.get("volumeInitializationRate"),
        throughput=volume.get("throughput"),
    )


def _reservation_term(term: Data) -> ReservationTerm:
    return ReservationTerm(
        id=term.get("id", ""),
        tags=term.get("tags", {}),
        owner=term.get("ownerID", ""),
        match_criteria=term.get("instanceMatchCriteria", ""),
    )


def _requirements(provisioner: Data, prefix: str) -> Iterator[Requirement]:
    """extraRequirements, and the labels of the nodes, which Karpenter treats as requirements too.

    Labels of instance types, which have this prefix, get Karpenter's, under which the facts have them.
    """

    def label(key: str) -> str:
        return KARPENTER_PREFIX + key.removeprefix(prefix) if key.startswith(prefix) else key

    for index, entry in enumerate(provisioner["extraRequirements"]):
        yield Requirement(
            key=label(entry.get("key", "")),
            operator=entry.get("operator", ""),
            values=tuple(map(str, entry.get("values") or ())),
            min_values=entry.get("minValues"),
            path=(*PROVISIONER, "extraRequirements", index),
        )
    for key, value in provisioner["labels"].items():
        yield Requirement(label(key), "In", (str(value),), None, (*PROVISIONER, "labels", key))


def pod_requests(
    runtime: Data, agent: Data, *, collector: bool, downloads: Decimal | None, cache: Decimal | None = None
) -> Resources:
    """What one pod requests, from the `resources` of its containers, with its collector and its model loader.

    `downloads`: bytes of the volume for downloaded models; 0 or None in a pod without a model loader.
    `cache`: bytes of the cache of the mount.
    """
    total = container_requests(runtime) + container_requests(agent)
    total = total + Resources(storage=cache) if cache else total
    total = total + footprint.COLLECTOR if collector else total
    return total + footprint.MODEL_LOADER + Resources(storage=downloads) if downloads else total


def container_requests(resources: Data) -> Resources:
    """What a container requests: Kubernetes uses the limit where no request is set."""
    amounts = {**resources["limits"], **resources["requests"]}

    def amount(name: str) -> Decimal:
        return parse(amounts.get(name)) or Decimal(0)

    # Kubernetes takes the number of GPUs from the limits.
    gpus = parse(resources["limits"].get("nvidia.com/gpu"))
    return Resources(amount("cpu"), amount("memory"), amount("ephemeral-storage"), int(gpus or 0))
