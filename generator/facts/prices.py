"""Prices of AWS and seconds per image of each GPU, from dated lists.

A region without its own list is shown with that of the reference region: see `region_list`.
"""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The one region of the partition `aws` whose list ships.
REFERENCE_REGION = "us-east-1"
HOURS_A_MONTH = 730
DAYS_A_MONTH = 30


@dataclass(frozen=True)
class ControlPlanePrice:
    """The price of an EKS control plane per hour, in standard and in extended support."""

    standard: float
    extended: float
    currency: str

    def __str__(self) -> str:
        return (
            f"{self.extended:.2f} {self.currency} an hour instead of {self.standard:.2f}"
            f" ({HOURS_A_MONTH * self.extended:.0f} instead of {HOURS_A_MONTH * self.standard:.0f} a month)"
        )


@dataclass(frozen=True)
class PriceList:
    """Prices of one region: on-demand instances per hour, services per unit (see prices.json).

    `date` is that of the instance prices, `oldest` that of the older of both parts.
    """

    region: str
    currency: str
    date: str
    oldest: datetime.date
    source: str
    hourly: Mapping[str, float]
    services: Mapping[str, float]

    def instance(self, name: str) -> float | None:
        """The price of an instance per hour; None when it is unknown."""
        return self.hourly.get(name)

    def service(self, name: str) -> float | None:
        """The price of one unit of a service; None when it is unknown."""
        return self.services.get(name)

    def control_plane(self) -> ControlPlanePrice | None:
        """The price of an EKS control plane; None when it is unknown."""
        standard = self.service("eks_cluster_hour")
        extended = self.service("eks_cluster_hour_extended")
        if standard is None or extended is None:
            return None
        return ControlPlanePrice(standard, extended, self.currency)


@dataclass(frozen=True)
class SpotFacts:
    """How much cheaper spot is than on-demand, and how many nodes AWS interrupts in a month, in percent."""

    savings: int
    interruptions: int


@dataclass(frozen=True)
class SpotList:
    """Spot by region and instance type, from AWS's Spot Instance Advisor on a day."""

    date: datetime.date
    source: str
    regions: Mapping[str, Mapping[str, SpotFacts]]

    def of(self, region: str, partition: str, instance_type: str) -> SpotFacts | None:
        """The facts of a type, in partition `aws` if need be of the reference region; None if unknown."""
        types = self.regions.get(region) or (self.regions[REFERENCE_REGION] if partition == "aws" else {})
        return types.get(instance_type)


@dataclass(frozen=True)
class Prices:
    """All price lists, spot, and the assumed seconds per image by GPU."""

    lists: Mapping[str, PriceList]
    spot: SpotList
    seconds_per_image: Mapping[str, float]
    seconds_about: str

    def region_list(self, region: str, partition: str) -> PriceList | None:
        """The list for a region: its own, or in partition `aws` that of the reference region."""
        if region in self.lists:
            return self.lists[region]
        return self.lists[REFERENCE_REGION] if partition == "aws" else None


def load(folder: Path) -> Prices:
    """Read `folder`/prices.json."""
    data: dict[str, Any] = json.loads((folder / "prices.json").read_text("utf-8"))
    lists = {
        region: _price_list(region, row, data["services"].get(region))
        for region, row in data["instances"].items()
    }
    seconds = data["seconds_per_image"]
    return Prices(lists, _spot(data["spot"]), seconds["gpus"], seconds["about"])


def _spot(data: dict[str, Any]) -> SpotList:
    regions = {
        region: {name: SpotFacts(*row) for name, row in types.items()}
        for region, types in data["regions"].items()
    }
    return SpotList(datetime.date.fromisoformat(data["date"]), data["source"], regions)


def _price_list(region: str, instances: dict[str, Any], services: dict[str, Any] | None) -> PriceList:
    days = [row["date"] for row in (instances, services) if row]
    return PriceList(
        region=region,
        currency=instances["currency"],
        date=instances["date"],
        oldest=datetime.date.fromisoformat(min(days)),
        source=instances["source"],
        hourly=instances["hourly"],
        services={name: item["price"] for name, item in services["prices"].items()} if services else {},
    )
