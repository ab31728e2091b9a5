"""EKS versions: what belongs to each, until when AWS supports it, and the order of upgrades."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Versions:
    """One row of the table of EKS versions: the releases that work together."""

    eks: str
    karpenter: str
    keda_chart: str
    keda_app: str
    s3_csi: str
    bottlerocket: str


@dataclass(frozen=True)
class Support:
    """Until when AWS supports one EKS version."""

    standard_ends: date
    extended_ends: date

    def can_be_created(self, today: date) -> bool:
        """AWS creates no new cluster after the end of extended support."""
        return today <= self.extended_ends


def recommended(versions: Sequence[str]) -> str | None:
    """Of the versions that can be created (oldest first), the one before the newest; None without any.

    Add-ons and tools support the newest version some months after EKS does.
    """
    return versions[-2:][0] if versions else None


def upgrade_help(current: str, wanted: str) -> str | None:
    """How to set `eksVersion` when EKS does not upgrade from `current` to `wanted`; None when it does.

    A control plane moves up one minor version at a time, and never down.
    https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html
    """
    steps = minor(wanted) - minor(current)
    if steps in (0, 1):
        return None
    if steps < 0:
        return f'EKS does not downgrade a cluster: set eksVersion: "{current}"'
    major = current.partition(".")[0]
    return f'EKS upgrades one minor version at a time: set eksVersion: "{major}.{minor(current) + 1}"'


def minor(version: str) -> int:
    """The second number of a version: 34 of `1.34`, 8 of `1.8.8`."""
    return int(version.split(".")[1])


def parse(version: str) -> tuple[int, ...]:
    """A version such as 1.8.8 as numbers, which compare in the order of versions."""
    return tuple(int(number) for number in version.split("."))
