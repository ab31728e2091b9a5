"""The nodes of a runtime: instance types, requirements, capacity reservations, volumes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from generator.facts.instance_types import KARPENTER_PREFIX, Resources

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Volume:
    """A volume of a node: its size (a Kubernetes quantity), and the snapshot that it is created from.

    `initialization_rate`: MiB per second at which EBS loads the snapshot, where the user pays for a rate.
    `throughput`: MiB per second of gp3; None for other types.
    """

    size: str
    snapshot_id: str | None
    initialization_rate: int | None
    throughput: int | None


@dataclass(frozen=True)
class Requirement:
    """A requirement of a NodePool. `path`: where the values state it, below an entry of modelsRuntime."""

    key: str
    operator: str
    values: tuple[str, ...]
    min_values: int | None
    path: Path

    def __str__(self) -> str:
        key = self.key.removeprefix(KARPENTER_PREFIX)
        return (
            f"{key} {self.operator} [{', '.join(self.values)}]" if self.values else f"{key} {self.operator}"
        )


@dataclass(frozen=True)
class ReservationTerm:
    """Selects capacity reservations: one by its ID, or all with these tags, of this owner, of this kind.

    Empty texts and no tags do not restrict the selection. `match_criteria`: `open` or `targeted`.
    """

    id: str
    tags: Mapping[str, str]
    owner: str
    match_criteria: str


@dataclass(frozen=True)
class Nodes:
    """The node pool of a runtime.

    `instance_types`: empty for any. `limits`: of all its nodes together, by resource: cores, bytes, GPUs.
    `local_disks`: images and containers are on the NVMe disks, not on the data volume. `own_subnets`: the
    user selects the subnets. `iam_role`: the name of the nodes' role where the user has one of their own.
    `daemons`: what the DaemonSets of each node request.
    """

    instance_types: tuple[str, ...]
    spot: bool
    on_demand: bool
    # Nodes may also use the capacity reservations that these select.
    reservations: tuple[ReservationTerm, ...]
    requirements: tuple[Requirement, ...]
    limits: Mapping[str, Decimal]
    local_disks: bool
    own_subnets: bool
    iam_role: str | None
    os_volume: Volume
    data_volume: Volume
    daemons: Resources
