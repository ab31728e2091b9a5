"""Service quotas against the plan: the value of each, its usage, and what the plan adds."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.facts import quotas
from generator.facts.quotas import Quota
from generator.plan.model import QuotaNeed
from generator.preflight import usage
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Increase, Result
from generator.solution.model import Solution

THEME = "quotas"
# Quotas of S3 are the account's; Service Quotas shows and raises them in one region of the partition.
S3_QUOTA_REGION: Mapping[str, str] = {"aws": "us-east-1", "aws-cn": "cn-north-1"}


@dataclass(frozen=True)
class Measure:
    """A quota's value and its usage without this solution; the same for the other market that may serve."""

    limit: float
    used: int
    other_limit: float = 0
    other_used: int = 0

    @property
    def free(self) -> float:
        """What is left."""
        return self.limit - self.used

    @property
    def other_free(self) -> float:
        """What is left of the other market."""
        return self.other_limit - self.other_used


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One check for each quota that the plan uses."""
    by_code = {need.quota.code: need.quota for need in subject.plan.needs}
    for need in subject.plan.needs:
        other = by_code.get(need.other_market or "")
        yield Check(
            THEME,
            need.quota.name,
            partial(
                read_measure, need.quota, other, _counter(need.quota, subject), _region(need.quota, subject)
            ),
            partial(judge, subject.solution, need),
        )


def read_measure(
    quota: Quota, other: Quota | None, count: Callable[[Asker, Quota], int], region: str, asker: Asker
) -> Measure:
    """Value and usage of one quota, and of the one that may serve instead."""
    if other is None:
        return Measure(value(asker, quota, region), count(asker, quota))
    return Measure(
        limit=value(asker, quota, region),
        used=count(asker, quota),
        other_limit=value(asker, other, region),
        other_used=count(asker, other),
    )


def value(asker: Asker, quota: Quota, region: str) -> float:
    """The value of a quota; AWS's default where the account has none of its own."""
    return asker.once(f"quota {quota.code}", lambda a: _value(a.client("service-quotas", region), quota))


def _value(client: Any, quota: Quota) -> float:
    key = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        return float(client.get_service_quota(**key)["Quota"]["Value"])
    except errors.refusals() as error:
        if errors.code(error) != "NoSuchResourceException":
            raise
        return float(client.get_aws_default_service_quota(**key)["Quota"]["Value"])


def _region(quota: Quota, subject: Subject) -> str:
    solution = subject.solution
    if quota is quotas.BUCKETS:
        return S3_QUOTA_REGION.get(solution.partition.name, solution.region)
    return solution.region


def _counter(quota: Quota, subject: Subject) -> Callable[[Asker, Quota], int]:
    """How to count the usage of a quota. SNS has none: its quota is a rate."""
    solution, stack = subject.solution, subject.solution.stack
    buckets = [runtime.output_bucket for runtime in solution.runtimes]
    counters: dict[Quota, Callable[[Asker, Quota], int]] = {
        quotas.ADDRESSES: lambda asker, _: usage.other_addresses(asker, stack),
        quotas.VPCS: lambda asker, _: usage.other_vpcs(asker, stack),
        quotas.NAT_GATEWAYS: lambda asker, _: usage.other_gateways(asker, stack, solution.zones),
        quotas.BUCKETS: lambda asker, _: usage.other_buckets(asker, buckets),
        quotas.PUBLISHES: lambda _asker, _quota: 0,
    }

    def vcpus(asker: Asker, of: Quota) -> int:
        running = asker.once("running instances", usage.running)
        return usage.vcpus(running, solution, subject.facts)[of.code]

    return counters.get(quota, vcpus)


def judge(solution: Solution, need: QuotaNeed, measure: Measure) -> Iterator[Result]:
    """Passed if the largest choice of nodes fits, a warning if the smallest does, else failed."""
    link = quotas.console_link(need.quota, solution.region, solution.partition.dns_suffix)
    used = f"{measure.used:,} in use by others"
    message = f"{measure.limit:,.0f} {need.quota.unit} allowed, {used}, {_needed(need)} needed"
    if measure.free >= need.most:
        yield Result(THEME, need.quota.name, CheckStatus.PASSED, message)
        return
    value_needed = math.ceil(measure.used + need.most)
    increase = Increase(need.quota.service, need.quota.code, value_needed)
    help = f"ask for {value_needed:,} ({need.quota.code}): --request-increase does, or the link"
    yield Result(THEME, need.quota.name, _short(need, measure), message, help, link, increase)


def _short(need: QuotaNeed, measure: Measure) -> CheckStatus:
    """A quota that is short fails the plan unless the smallest nodes, or the other market, still fit."""
    fits = measure.free >= need.least
    if need.other_market is not None:
        fits = fits or measure.free + measure.other_free >= need.least
    return CheckStatus.WARNING if fits else CheckStatus.FAILED


def _needed(need: QuotaNeed) -> str:
    return f"{need.least:,}" if need.least == need.most else f"{need.least:,} to {need.most:,}"
