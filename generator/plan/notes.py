"""What a plan says about the support of its EKS version and the age of the data behind it."""

from collections.abc import Iterator
from datetime import date, timedelta

from generator.facts.facts import Facts
from generator.solution.model import Solution

OLD = timedelta(days=90)


def notes(solution: Solution, facts: Facts, today: date) -> Iterator[str]:
    """One sentence about the support of the EKS version, and one about data that is older than 90 days."""
    yield _support(solution, facts, today)
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
