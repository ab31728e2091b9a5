"""Facts about AWS that ship with the generator: partitions, regions, instance types, versions.

Made by `make data` (tools/refresh_data.py); each file names its source and date. A file is read on first use.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from generator import paths
from generator.facts import (
    agent_settings,
    auto_mode,
    bottlerocket,
    cold_start,
    karpenter,
    mount_options,
    prices,
    reserved,
    runtimes,
    versions,
)
from generator.facts.agent_settings import AgentSettings
from generator.facts.auto_mode import AutoMode
from generator.facts.bottlerocket import Bottlerocket
from generator.facts.cold_start import ColdStartFacts
from generator.facts.instance_types import InstanceType
from generator.facts.karpenter import NodePoolRules
from generator.facts.mount_options import MountOptions
from generator.facts.prices import ControlPlanePrice, Prices
from generator.facts.reserved import Reserved
from generator.facts.runtimes import RuntimeProfile
from generator.facts.versions import ChartDigests, Release, Support, Versions

# The data files with one source and one date.
DATED = tuple(
    f"{name}.json"
    for name in ("instance_types", "other_types", "regions", "versions", "time_zones", "cold_start")
)
VERIFIED_REGIONS = ("us-east-1", "us-west-2")

# Zones in which EKS cannot place the network interfaces of a control plane.
# https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html (subnet requirements)
ZONES_WITHOUT_EKS = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})


# The GPU families to suggest.
USUAL_GPUS = ("g4dn", "g5", "g6", "g6e", "g7e")


@dataclass(frozen=True)
class Partition:
    """An AWS partition (`aws`, `aws-cn`), its DNS suffix and the principal host of EC2."""

    name: str
    dns_suffix: str
    ec2_principal: str


@dataclass(frozen=True)
class Region:
    """One region: its zones (name -> id), what it offers, and whether this product was tested there."""

    name: str
    partition: str
    verified: bool
    zones: Mapping[str, str]
    families: frozenset[str]
    # GPU type -> ids of the zones that offer it; no ids where the source has no data by zone.
    gpu_types: Mapping[str, tuple[str, ...]]

    def offers(self, instance_type: str) -> bool:
        """Whether a type is available: GPU types are known one by one, others by their family."""
        return instance_type in self.gpu_types or instance_type.partition(".")[0] in self.families


@dataclass(frozen=True)
class DataDate:
    """The date of some data, and the command that updates it in a clone; empty where nothing does."""

    name: str
    date: date
    update: str


class Facts:
    """Every fact, from the JSON files of one folder, and what the charts know of Karpenter."""

    def __init__(self, folder: Path, charts: Path | None = None) -> None:
        self._folder = folder
        self._charts = charts or paths.root() / "charts"

    def partition(self, region: str) -> Partition:
        """The partition of a region. Raises KeyError for an unknown region."""
        row = self._regions["partitions"][self._regions["regions"][region]["partition"]]
        return Partition(**row)

    def region(self, name: str) -> Region | None:
        """A region, if it is known."""
        row = self._regions["regions"].get(name)
        if row is None:
            return None
        gpu_types = {kind: tuple(zones.split()) for kind, zones in row["gpu"].items()}
        verified = name in VERIFIED_REGIONS
        families = frozenset(row["families"].split())
        return Region(name, row["partition"], verified, row["zones"], families, gpu_types)

    def regions(self) -> list[str]:
        """The names of all regions."""
        return list(self._regions["regions"])

    def zones(self, region: str, instance_types: Sequence[str]) -> tuple[str, str, str]:
        """Three zones that EKS accepts: those that offer most of the types.

        AWS maps zone names to zones per account, so this is an order of preference, not a guarantee.
        """
        row = self.region(region)
        if row is None or len(usable := eks_zones(row)) < 3:
            raise ValueError(f"region {region} has fewer than three zones for EKS")
        offered = {
            name: sum(row.zones[name] in row.gpu_types.get(kind, ()) for kind in instance_types)
            for name in usable
        }
        first, second, third = sorted(sorted(usable, key=lambda name: -offered[name])[:3])
        return first, second, third

    def instance_type(self, name: str) -> InstanceType | None:
        """An instance type, if it is known."""
        row = self._types["types"].get(name)
        return InstanceType(name, *row) if row else None

    def lacks(self, instance_type: str) -> bool:
        """Whether EC2 has a type of which the table of types has no row."""
        family, _, size = instance_type.partition(".")
        return size in self._other_types["types"].get(family, ())

    def instance_types(self) -> list[str]:
        """The names of all instance types."""
        return list(self._types["types"])

    @cached_property
    def gpu_types(self) -> tuple[InstanceType, ...]:
        """Every instance type with whole NVIDIA GPUs, smallest first."""
        kinds = [kind for name in self.instance_types() if (kind := self.instance_type(name))]
        return tuple(sorted((kind for kind in kinds if kind.nvidia_gpus), key=InstanceType.size))

    def eks_versions(self) -> list[str]:
        """The EKS versions of the table, oldest first."""
        return list(self._versions["eks"])

    def versions(self, eks: str) -> Versions:
        """The row of one EKS version. Raises KeyError for one outside the table."""
        row = dict(zip(self._versions["columns"], self._versions["eks"][eks], strict=True))
        return Versions(eks, **{name: row[name] for name in row if not name.endswith("_support_ends")})

    def support(self, eks: str) -> Support:
        """Until when AWS supports one EKS version. Raises KeyError for one outside the table."""
        standard, extended = self._versions["eks"][eks][:2]
        return Support(date.fromisoformat(standard), date.fromisoformat(extended))

    def creatable(self, today: date) -> list[str]:
        """The EKS versions of which AWS still creates clusters, oldest first."""
        return [eks for eks in self.eks_versions() if self.support(eks).can_be_created(today)]

    def untested(self, eks: str) -> tuple[str, ...]:
        """The components whose maintainers have not tested them with an EKS version, such as `KEDA`."""
        return tuple(self._versions["untested"].get(eks, ()))

    def bottlerocket_releases(self, eks: str) -> tuple[str, str | None]:
        """The first Bottlerocket release with an image for an EKS version, and the first one without."""
        first, end = self._versions["bottlerocket"][eks]
        return first, end

    def chart_digests(self) -> ChartDigests:
        """The digests of the charts that Helm downloads."""
        record = self._read("charts.json")
        return ChartDigests(record["sha256"], record["contents"]["sha256"])

    def recommended_eks(self, today: date) -> str | None:
        """The EKS version to advise for a new cluster; None when the table is out of date."""
        releases = [Release(eks, self.support(eks), self.untested(eks)) for eks in self.eks_versions()]
        return versions.recommended(releases, today)

    def node_pool_rules(self, eks: str) -> NodePoolRules:
        """What the Karpenter of an EKS version accepts. Raises KeyError for one outside the table."""
        return karpenter.of_version(self._node_pool_rules, self.versions(eks).karpenter)

    def control_plane_price(self, region: str) -> ControlPlanePrice | None:
        """What a control plane costs in a region; None for an unknown region and one without prices."""
        row = self.region(region)
        listed = self.prices.region_list(region, row.partition) if row else None
        return listed.control_plane() if listed else None

    @property
    def as_of(self) -> date:
        """The day for which the table of EKS versions was checked: what a build is dated by."""
        return date.fromisoformat(self._versions["date"])

    def dates(self, region: str) -> list[DataDate]:
        """How old the data is that a plan for a region uses."""
        row = self.region(region)
        listed = self.prices.region_list(region, row.partition) if row else None
        dates = [
            DataDate("instance types", date.fromisoformat(self._types["date"]), "make data"),
            DataDate("regions", date.fromisoformat(self._regions["date"]), "make data"),
            DataDate("EKS versions", self.as_of, ""),
        ]
        return dates + (
            [DataDate(f"prices of {listed.region}", listed.oldest, "make prices")] if listed else []
        )

    def sources(self) -> dict[str, tuple[str, str]]:
        """For each data file its source and its date."""
        contents = {name: self._read(name) for name in DATED}
        return {name: (content["source"], content["date"]) for name, content in contents.items()}

    @cached_property
    def _other_types(self) -> dict[str, Any]:
        return self._read("other_types.json")

    @cached_property
    def _types(self) -> dict[str, Any]:
        return self._read("instance_types.json")

    @cached_property
    def _regions(self) -> dict[str, Any]:
        return self._read("regions.json")

    @cached_property
    def _versions(self) -> dict[str, Any]:
        return self._read("versions.json")

    @cached_property
    def time_zones(self) -> tuple[str, ...]:
        """The names of the IANA time zone database, such as `Europe/Berlin` and `UTC`."""
        areas = self._read("time_zones.json")["zones"].items()
        return tuple(f"{area}/{name}" if area else name for area, listed in areas for name in listed.split())

    @cached_property
    def prices(self) -> Prices:
        """The price lists."""
        return prices.load(self._folder)

    @cached_property
    def cold_start(self) -> ColdStartFacts:
        """How long the stages of a cold start take."""
        return cold_start.load(self._folder)

    @cached_property
    def bottlerocket(self) -> Bottlerocket:
        """What Bottlerocket accepts."""
        return bottlerocket.load(self._folder, self._charts)

    @cached_property
    def auto_mode(self) -> AutoMode:
        """What differs on nodes of EKS Auto Mode."""
        return auto_mode.load(self._charts)

    @cached_property
    def reserved(self) -> Reserved:
        """What the chart sets itself."""
        return reserved.load(self._charts)

    @cached_property
    def mount_options(self) -> MountOptions:
        """Which options of Mountpoint for S3 a config may set."""
        return mount_options.load(self._charts)

    @cached_property
    def runtime_profiles(self) -> Mapping[str, RuntimeProfile]:
        """What differs between the types of runtimes."""
        return runtimes.load(self._charts).profiles

    @cached_property
    def agent_settings(self) -> AgentSettings:
        """The variables of the queue agent, and its parsers."""
        return agent_settings.load(self._charts.parent)

    @cached_property
    def _node_pool_rules(self) -> tuple[NodePoolRules, ...]:
        return karpenter.load(self._charts)

    def _read(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self._folder / name).read_text("utf-8"))
        return content


def eks_zones(region: Region) -> list[str]:
    """The names of a region's zones that EKS accepts, in their order."""
    return [name for name, zone_id in region.zones.items() if zone_id not in ZONES_WITHOUT_EKS]
