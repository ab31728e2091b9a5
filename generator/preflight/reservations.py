"""Capacity reservations and Capacity Blocks: whether those that a runtime selects can hold its nodes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.facts.instance_types import KARPENTER_PREFIX
from generator.plan.model import RuntimePlan
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution import requirements
from generator.solution.nodes import Nodes, ReservationTerm

THEME = "reserved capacity"
# States of a reservation that will be active later, such as a Capacity Block that was bought for next week.
LATER = ("scheduled", "pending", "payment-pending", "assessing", "delayed")
PLATFORM = "Linux/UNIX"
TENANCY, TENANCIES = f"{KARPENTER_PREFIX}instance-tenancy", ("default", "dedicated")


@dataclass(frozen=True)
class Place:
    """Where the nodes of a pool run: zones, none where the user selects the subnets, and tenancy."""

    zones: Sequence[str]
    tenancy: str


@dataclass(frozen=True)
class Reservation:
    """What EC2 says of a capacity reservation.

    `placement`: the cluster placement group or the Outpost that it is in, otherwise empty. `starts` is empty
    for one that has begun, `ends` for one without an end.
    """

    id: str
    instance_type: str
    zone: str
    state: str
    platform: str
    total: int
    available: int
    tenancy: str
    placement: str
    starts: str = ""
    ends: str = ""


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each node pool that selects reservations."""
    solution = subject.solution
    for pool, plan in zip(solution.node_pools, subject.plan.node_pools, strict=True):
        if terms := pool.nodes.reservations:
            zones = subject.zones_of(pool.nodes)
            name = f"reservations of {pool}"
            plans = [one for one in subject.plan.runtimes if one.name in plan.runtimes]
            place = Place(zones, _tenancy(pool.nodes))
            judged = partial(judge, name, plan.pods, plans, place)
            yield Check(THEME, name, partial(selected, terms), judged)


def _tenancy(nodes: Nodes) -> str:
    """The tenancy of the nodes: `dedicated` only where the requirements exclude `default`.

    Source: https://github.com/aws/karpenter-provider-aws/pull/8218, read on 2026-11-26.
    """
    left: Sequence[str] = TENANCIES
    for requirement in nodes.requirements:
        if requirements.label(requirement.key) == TENANCY:
            left = requirements.accepts(requirement, left) or left
    return left[0]


def selected(terms: Sequence[ReservationTerm], asker: Asker) -> list[Reservation]:
    """The reservations that the terms select, each once; also those that are not active yet."""
    rows = [row for term in terms for row in _described(term, asker)]
    reservations = {row["CapacityReservationId"]: _reservation(row) for row in rows}
    return list(reservations.values())


def _described(term: ReservationTerm, asker: Asker) -> list[dict[str, Any]]:
    """What EC2 answers to the question that Karpenter asks, except that Karpenter asks for active ones only.

    Source: pkg/providers/capacityreservation/types.go of aws/karpenter-provider-aws, v1.14.1.
    """
    request = {"CapacityReservationIds": [term.id]} if term.id else {"Filters": list(_filters(term))}
    pages = asker.client("ec2").get_paginator("describe_capacity_reservations").paginate(**request)
    try:
        return [row for page in pages for row in page["CapacityReservations"]]
    except errors.refusals() as error:
        if not errors.code(error).startswith("InvalidCapacityReservationId"):
            raise
        return []


def _filters(term: ReservationTerm) -> Iterator[dict[str, Any]]:
    if term.owner:
        yield {"Name": "owner-id", "Values": [term.owner]}
    if term.match_criteria:
        yield {"Name": "instance-match-criteria", "Values": [term.match_criteria]}
    for key, value in term.tags.items():
        yield (
            {"Name": "tag-key", "Values": [key]}
            if value == "*"
            else {"Name": f"tag:{key}", "Values": [value]}
        )


def _reservation(row: dict[str, Any]) -> Reservation:
    state = str(row["State"])
    return Reservation(
        id=str(row["CapacityReservationId"]),
        instance_type=str(row["InstanceType"]),
        zone=str(row.get("AvailabilityZone", "")),
        state=state,
        platform=str(row.get("InstancePlatform", PLATFORM)),
        total=int(row.get("TotalInstanceCount", 0)),
        available=int(row.get("AvailableInstanceCount", 0)),
        tenancy=str(row.get("Tenancy", "default")),
        placement=str(row.get("PlacementGroupArn") or row.get("OutpostArn") or ""),
        starts=str(row.get("StartDate", "")) if state in LATER else "",
        ends=str(row.get("EndDate", "")),
    )


def judge(
    name: str,
    pods: int,
    plans: Sequence[RuntimePlan],
    place: Place,
    reservations: Sequence[Reservation],
) -> Iterator[Result]:
    """Karpenter ignores a reservation that does not suit the nodes, and starts other nodes or none.

    `pods`: the most pods of the node pool. `plans`: those of its runtimes.
    """
    types = {option.instance_type for plan in plans for option in plan.options}
    faults = {one.id: fault for one in reservations if (fault := _fault(one, types, place))}
    usable = [one for one in reservations if one.id not in faults]
    excluded = "; ".join(f"{reservation} {fault}" for reservation, fault in faults.items())
    only_reserved = not any(plan.markets for plan in plans)
    if not usable:
        message = excluded or "none of this account and region is selected"
        help = "change capacityReservationSelectorTerms, or instanceType of the runtime"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
        return
    message = "; ".join(map(_described_in_words, usable))
    later = [one for one in usable if one.state != "active"]
    if excluded:
        help = "remove it from capacityReservationSelectorTerms, or add its type or zone"
        yield Result(THEME, name, CheckStatus.WARNING, f"{message}; not usable: {excluded}", help)
    elif only_reserved and len(later) == len(usable):
        help = "no node starts before then: allow on-demand or spot nodes too, or wait"
        yield Result(THEME, name, CheckStatus.WARNING, message, help)
    elif only_reserved and (missing := _missing(pods, plans, usable)):
        help = "lower maxReplicaCount, reserve more, or allow on-demand or spot nodes too"
        yield Result(THEME, name, CheckStatus.WARNING, f"{message}; {missing}", help)
    else:
        yield Result(THEME, name, CheckStatus.PASSED, message)


def _fault(reservation: Reservation, types: Iterable[str], place: Place) -> str | None:
    """Why the runtime's nodes cannot use a reservation; None when they can.

    EC2 puts an instance only into a reservation of its own tenancy, placement group and Outpost; the nodes
    are in no group and on no Outpost.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-capacity-reservations.html, read on 2026-11-26.
    """
    if reservation.state not in ("active", *LATER):
        return f"is {reservation.state}"
    if reservation.instance_type not in types:
        return f"holds {reservation.instance_type}, which the runtime does not use"
    if place.zones and reservation.zone not in place.zones:
        return f"is in {reservation.zone}; the nodes are in {', '.join(place.zones)}"
    if reservation.tenancy != place.tenancy:
        return f"has {reservation.tenancy} tenancy; the nodes have {place.tenancy} tenancy"
    if reservation.placement:
        return f"is in {reservation.placement}; the nodes are not"
    return None if reservation.platform == PLATFORM else f"is for {reservation.platform}"


def _described_in_words(reservation: Reservation) -> str:
    held = f"{reservation.id}: {reservation.total} × {reservation.instance_type} in {reservation.zone}"
    now = f"{reservation.available} free" if reservation.state == "active" else reservation.state
    times = (("starts", reservation.starts), ("ends", reservation.ends))
    return ", ".join([held, now, *(f"{verb} {time}" for verb, time in times if time)])


def _missing(pods: int, plans: Sequence[RuntimePlan], usable: Sequence[Reservation]) -> str | None:
    """What the reservations lack for the maximum of pods; None when all pods fit."""
    per_node: dict[str, int] = {}
    for option in (option for plan in plans for option in plan.options):
        # Of runtimes with pods of different sizes, the largest pods count.
        fewest = min(option.pods_per_node, per_node.get(option.instance_type, option.pods_per_node))
        per_node[option.instance_type] = fewest
    room = sum(one.total * per_node[one.instance_type] for one in usable)
    return None if room >= pods else f"{pods} pods at the maximum, room for {room}"
