"""The region, its zones and which instance types they offer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws.asker import Asker
from generator.facts.facts import ZONES_WITHOUT_EKS
from generator.plan.model import RuntimePlan
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Solution

THEME = "region"


@dataclass(frozen=True)
class Zone:
    """A zone as this account sees it: names differ between accounts, ids do not."""

    name: str
    id: str
    available: bool


Offers = Mapping[str, frozenset[str]]


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """Region, zones, and the instance types of each runtime's nodes."""
    solution = subject.solution
    yield Check(
        THEME, "region", partial(region_status, solution.region), partial(judge_region, solution.region)
    )
    if solution.existing_cluster is None:
        yield Check(THEME, "zones", zones, partial(judge_zones, solution.zones))
    offered = partial(offers, types=_types(subject))
    zones_of = tuple(subject.zones_of(runtime.nodes) for runtime in solution.runtimes)
    judge = partial(judge_offers, solution, subject.plan.runtimes, zones_of)
    yield Check(THEME, "instance types", offered, judge)


def _types(subject: Subject) -> tuple[str, ...]:
    gpu = {option.instance_type for runtime in subject.plan.runtimes for option in runtime.options}
    controllers = [] if subject.solution.existing_cluster else [subject.solution.components.instance_type]
    return (*sorted(gpu), *controllers)


def region_status(region: str, asker: Asker) -> str:
    """`opt-in-not-required`, `opted-in` or `not-opted-in`; empty for a region that AWS does not know."""
    regions = asker.client("ec2").describe_regions(AllRegions=True)["Regions"]
    return next((str(row.get("OptInStatus", "")) for row in regions if row["RegionName"] == region), "")


def zones(asker: Asker) -> list[Zone]:
    """The region's availability zones, without local and wavelength zones."""
    rows = asker.client("ec2").describe_availability_zones()["AvailabilityZones"]
    return [
        Zone(row["ZoneName"], row["ZoneId"], row["State"] == "available")
        for row in rows
        if row.get("ZoneType", "availability-zone") == "availability-zone"
    ]


def offers(asker: Asker, types: Sequence[str]) -> Offers:
    """Which zones offer each type, by the zone's name."""
    pages = (
        asker.client("ec2")
        .get_paginator("describe_instance_type_offerings")
        .paginate(
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": sorted(set(types))}],
        )
    )
    zones_by_type: dict[str, set[str]] = {name: set() for name in types}
    for page in pages:
        for row in page["InstanceTypeOfferings"]:
            zones_by_type[row["InstanceType"]].add(row["Location"])
    return {name: frozenset(places) for name, places in zones_by_type.items()}


def judge_region(region: str, status: str) -> Iterator[Result]:
    """Regions that came after March 2019 must be enabled for each account."""
    if not status:
        yield Result(
            THEME, "region", CheckStatus.FAILED, f"{region} is not a region of AWS", "check `region`"
        )
    elif status == "not-opted-in":
        help = f"enable it: aws account enable-region --region-name {region} (takes minutes to hours)"
        yield Result(THEME, "region", CheckStatus.FAILED, f"{region} is disabled in this account", help)
    else:
        yield Result(THEME, "region", CheckStatus.PASSED, f"{region} is enabled")


def judge_zones(names: Sequence[str], zones: Sequence[Zone]) -> Iterator[Result]:
    """The three zones of cluster.yaml must be there, and EKS must support them."""
    by_name = {zone.name: zone for zone in zones}
    bad = []
    for name in names:
        zone = by_name.get(name)
        if zone is None:
            bad.append(f"{name} is not in this account")
        elif not zone.available:
            bad.append(f"{name} is not available")
        elif zone.id in ZONES_WITHOUT_EKS:
            bad.append(f"{name} is {zone.id} in this account, where EKS has no control plane")
    if not bad:
        yield Result(THEME, "zones", CheckStatus.PASSED, ", ".join(names))
        return
    usable = [zone.name for zone in zones if zone.available and zone.id not in ZONES_WITHOUT_EKS]
    help = f"deploy with --zones and three of {', '.join(usable)}"
    if len(usable) < 3:
        help = f"choose another region: only {len(usable)} zones of this one can be used"
    yield Result(THEME, "zones", CheckStatus.FAILED, "; ".join(bad), help)


def judge_offers(
    solution: Solution, runtimes: Sequence[RuntimePlan], zones: Sequence[Sequence[str]], offered: Offers
) -> Iterator[Result]:
    """Each runtime needs one type in one of its zones (none: any); the controllers need theirs."""
    for runtime, names in zip(runtimes, zones, strict=True):
        yield _judge_runtime(runtime, names, offered)
    if solution.existing_cluster:
        return
    kind = solution.components.instance_type
    places = sorted(offered[kind] & set(solution.zones))
    check_name = f"{kind} for the controllers"
    if not places:
        help = "choose another `clusterComponents.instanceType`"
        yield Result(
            THEME, check_name, CheckStatus.FAILED, f"not offered in {', '.join(solution.zones)}", help
        )
    else:
        yield Result(THEME, check_name, CheckStatus.PASSED, f"offered in {', '.join(places)}")


def _judge_runtime(runtime: RuntimePlan, zones: Sequence[str], offered: Offers) -> Result:
    check_name = f"instance types of {runtime.name}"
    names = [option.instance_type for option in runtime.options]
    have = {name: sorted(offered[name] & set(zones) if zones else offered[name]) for name in names}
    missing = [name for name, places in have.items() if not places]
    help = "change extraValues.karpenter.provisioner.instanceType of this runtime"
    if len(missing) == len(have):
        return Result(
            THEME,
            check_name,
            CheckStatus.FAILED,
            f"none of {', '.join(missing)} is offered in {', '.join(zones)}",
            help,
        )
    if missing:
        return Result(
            THEME,
            check_name,
            CheckStatus.WARNING,
            f"{', '.join(missing)} not offered here; the others are",
            help,
        )
    message = "; ".join(f"{name} in {', '.join(places)}" for name, places in have.items())
    return Result(THEME, check_name, CheckStatus.PASSED, message)
