"""What AWS charges and how long a GPU takes for a picture: dated lists, never a guess.

A region without a list of its own has no price here: `region_list` then says whose list is shown instead.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of every region in the partition `aws`, this is the one whose list ships.
REFERENCE_REGION = "us-east-1"


@dataclass(frozen=True)
class PriceList:
    """On-demand instances by the hour and the services' own units, of one region at one date."""

    region: str
    currency: str
    date: str
    source: str
    hourly: Mapping[str, float]
    services: Mapping[str, float]

    def instance(self, name: str) -> float | None:
        """An instance-hour, if its price is known."""
        return self.hourly.get(name)

    def service(self, name: str) -> float | None:
        """The price of one unit of a service (see prices.json), if it is known."""
        return self.services.get(name)


@dataclass(frozen=True)
class Prices:
    """Every list, and the seconds that one picture takes on a GPU when nobody measured them."""

    lists: Mapping[str, PriceList]
    seconds_per_image: Mapping[str, float]
    seconds_about: str

    def region_list(self, region: str, partition: str) -> PriceList | None:
        """The list to show for a region: its own, or in partition `aws` the reference region's."""
        if region in self.lists:
            return self.lists[region]
        return self.lists[REFERENCE_REGION] if partition == "aws" else None


def load(folder: Path) -> Prices:
    """The prices of `folder`/prices.json."""
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
