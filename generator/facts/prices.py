"""Prices of AWS and seconds per image of each GPU, from dated lists.

A region without its own list is shown with that of the reference region: see `region_list`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The one region of the partition `aws` whose list ships.
REFERENCE_REGION = "us-east-1"


@dataclass(frozen=True)
class PriceList:
    """Prices of one region at one date: on-demand instances per hour, services per unit (see prices.json)."""

    region: str
    currency: str
    date: str
    source: str
    hourly: Mapping[str, float]
    services: Mapping[str, float]

    def instance(self, name: str) -> float | None:
        """The price of an instance per hour; None when it is unknown."""
        return self.hourly.get(name)

    def service(self, name: str) -> float | None:
        """The price of one unit of a service; None when it is unknown."""
        return self.services.get(name)


@dataclass(frozen=True)
class Prices:
    """All price lists, and the assumed seconds per image by GPU."""

    lists: Mapping[str, PriceList]
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
    services = data["services"]
    lists = {
        region: PriceList(
            region=region,
            currency=row["currency"],
            date=row["date"],
            source=row["source"],
            hourly=row["hourly"],
            services={
                name: item["price"] for name, item in services.get(region, {"prices": {}})["prices"].items()
            },
        )
        for region, row in data["instances"].items()
    }
    seconds = data["seconds_per_image"]
    return Prices(lists, seconds["gpus"], seconds["about"])
