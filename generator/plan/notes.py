"""What a plan says about its EKS version, the age of the data behind it, and what its cost leaves out."""

from collections.abc import Iterator
from datetime import date, timedelta

from generator.facts.facts import Facts
from generator.solution.model import Solution

OLD = timedelta(days=90)


def notes(solution: Solution, facts: Facts, today: date) -> Iterator[str]:
    """Support of the EKS version, what AWS bills in addition, and data that is older than 90 days."""
    yield _support(solution, facts, today)
    yield from _in_addition(solution)
    old = [source for source in facts.dates(solution.region) if today - source.date > OLD]
    if old:
        listed = ", ".join(
            f"{source.name} ({source.date}, {(today - source.date).days} days)" for source in old
        )
        commands = sorted({f"`{source.update}`" for source in old if source.update})
        clone = f", or run {' and '.join(commands)} in a clone of this project" if commands else ""
        yield f"Older than {OLD.days} days: {listed}. Install a newer version of the generator{clone}."


def _support(solution: Solution, facts: Facts, today: date) -> str:
    eks = solution.versions.eks
    support = facts.support(eks)
    if not support.can_be_created(today):
        ended = support.extended_ends
        return f"AWS creates no new clusters with EKS {eks}: its extended support ended on {ended}."
    price = facts.control_plane_price(solution.region)
    cost = f"costs {price}" if price else "costs more"
    if support.is_extended(today):
        return (
            f"EKS {eks} is in extended support until {support.extended_ends}: the control plane {cost}."
            f" Its standard support ended on {support.standard_ends}."
        )
    return (
        f"EKS {eks} is in standard support until {support.standard_ends}; in extended support, until"
        f" {support.extended_ends}, the control plane {cost}."
    )


def _in_addition(solution: Solution) -> Iterator[str]:
    """What the cluster, and the nodes of some runtimes, cost that the plan does not count."""
    if solution.existing_cluster:
        yield (
            f"The cluster {solution.cluster} exists already: this plan has neither its cost nor its quotas."
        )
    if solution.auto_mode:
        yield (
            "EKS Auto Mode charges a fee for each instance in addition to the price of EC2, which the cost"
            " below leaves out."
        )
    reserved = [runtime.name for runtime in solution.runtimes if runtime.nodes.reservations]
    if reserved:
        yield (
            f"Nodes of {', '.join(reserved)} use capacity reservations before other capacity. AWS bills a"
            " reservation whether nodes use it or not, and counts it against the quota when it is made: this"
            " plan has neither."
        )
    rated = [
        runtime.name
        for runtime in solution.runtimes
        if runtime.nodes.os_volume.initialization_rate or runtime.nodes.data_volume.initialization_rate
    ]
    if rated:
        yield (
            f"Each new node of {', '.join(rated)} loads its snapshot at volumeInitializationRate, for which"
            " AWS charges by the GiB of the snapshot; the cost below leaves it out."
        )
