"""What differs on nodes of EKS Auto Mode (charts/sd-runtimes/files/auto-mode.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator import yaml_loader
from generator.facts.instance_types import AUTO_MODE_PREFIX, KARPENTER_PREFIX


@dataclass(frozen=True)
class AutoMode:
    """What a NodePool and a NodeClass of EKS Auto Mode accept.

    `first_eks`: the first EKS version with it. `max_lifetime_hours`: of a node, with the time to drain.
    `expire_after`: what a build sets by default. `ranges`: key of a volume -> smallest and largest value.
    `absent`, `absent_of_volume`: keys of nodeTemplate and of its dataVolume that a NodeClass does not have.
    `labels`: what follows AUTO_MODE_PREFIX in the labels of nodes.
    `dns_servers`: addresses of the cluster's DNS, which is on each node, in the ranges that EKS chooses.
    `families`: the GPU families that AWS's pages name.
    """

    first_eks: str
    max_lifetime_hours: int
    expire_after: str
    ranges: Mapping[str, tuple[int, int]]
    absent: tuple[str, ...]
    absent_of_volume: tuple[str, ...]
    labels: frozenset[str]
    unsupported_labels: frozenset[str]
    forbidden_tags: frozenset[str]
    dns_servers: tuple[str, ...]
    families: frozenset[str]

    def has_label(self, key: str) -> bool:
        """Whether nodes may have a label with this key, as far as AWS and Karpenter define it."""
        if key.startswith(AUTO_MODE_PREFIX):
            return key.removeprefix(AUTO_MODE_PREFIX) in self.labels
        return not key.startswith(KARPENTER_PREFIX) and key not in self.unsupported_labels


def load(charts: Path) -> AutoMode:
    """Read the chart's file."""
    text = (charts / "sd-runtimes" / "files" / "auto-mode.yaml").read_text("utf-8")
    content: dict[str, Any] = yaml_loader.load(text)
    return AutoMode(
        first_eks=content["eks"],
        max_lifetime_hours=content["maxLifetimeHours"],
        expire_after=content["expireAfter"],
        ranges={key: (content[key]["minimum"], content[key]["maximum"]) for key in ("iops", "throughput")},
        absent=tuple(content["absent"]),
        absent_of_volume=tuple(content["absentOfVolume"]),
        labels=frozenset(content["labels"]),
        unsupported_labels=frozenset(content["unsupportedLabels"]),
        forbidden_tags=frozenset(content["forbiddenTags"]),
        dns_servers=tuple(content["dnsServers"]),
        families=frozenset(content["families"]),
    )
