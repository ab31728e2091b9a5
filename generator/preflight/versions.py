"""The EKS version: whether AWS still creates clusters with it."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

from generator.aws import eks as aws_eks
from generator.aws.asker import Asker
from generator.aws.eks import Cluster
from generator.facts import versions
from generator.facts.facts import Facts
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Solution

THEME = "EKS version"


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """Compare the config with the cluster that exists, or with the versions that AWS supports.

    A cluster that the config names has a theme of its own.
    """
    solution = subject.solution
    if solution.existing_cluster:
        return
    yield Check(
        THEME,
        solution.versions.eks,
        partial(asked, solution.stack, solution.versions.eks),
        partial(judge, subject.facts, subject.today, solution),
    )


def asked(stack: str, eks: str, asker: Asker) -> tuple[Cluster | None, str | None]:
    """The cluster, if it exists; else AWS's support status of the version (None if AWS does not list it)."""
    existing = asker.once("cluster", lambda a: aws_eks.cluster(a.client("eks"), stack))
    return (existing, None) if existing else (None, aws_eks.version_status(asker.client("eks"), eks))


def judge(
    facts: Facts, today: date, solution: Solution, answer: tuple[Cluster | None, str | None]
) -> Iterator[Result]:
    """A cluster that exists may stay as it is; a new one needs a version that AWS still supports."""
    existing, status = answer
    eks = solution.versions.eks
    if existing is not None and not existing.belongs_to(solution.stack):
        message = "a cluster of this name exists that was not created for this solution"
        yield Result(THEME, eks, CheckStatus.FAILED, message, "choose another `stackName`")
    elif existing is not None:
        yield _judge_existing(eks, existing.version)
    elif status in ("STANDARD_SUPPORT", "EXTENDED_SUPPORT"):
        yield _judge_new(facts, today, solution, status)
    else:
        help = f'set eksVersion: "{facts.recommended_eks(today)}"'
        yield Result(THEME, eks, CheckStatus.FAILED, "AWS does not create clusters with this version", help)


def _judge_new(facts: Facts, today: date, solution: Solution, status: str) -> Result:
    """AWS's status decides whether standard support is over; the table knows when it will be."""
    eks = solution.versions.eks
    support = facts.support(eks)
    message = f"AWS creates clusters with this version ({status.lower().replace('_', ' ')})"
    price = facts.control_plane_price(solution.region)
    cost = f"the control plane costs {price}" if price else "the control plane costs more"
    advice = f'{cost}; set eksVersion: "{facts.recommended_eks(today)}" for a new cluster'
    if status == "EXTENDED_SUPPORT":
        return Result(THEME, eks, CheckStatus.WARNING, message, advice)
    if not support.has_standard(today, versions.WARNING_MONTHS):
        return Result(THEME, eks, CheckStatus.WARNING, message, f"after {support.standard_ends} {advice}")
    return Result(THEME, eks, CheckStatus.PASSED, message)


def _judge_existing(eks: str, existing: str) -> Result:
    if existing == eks:
        return Result(THEME, eks, CheckStatus.PASSED, "the cluster runs this version already")
    help = versions.upgrade_help(existing, eks)
    if help is None:
        return Result(THEME, eks, CheckStatus.PASSED, f"the cluster runs {existing}: it will be upgraded")
    return Result(THEME, eks, CheckStatus.FAILED, f"the cluster runs {existing}", help)
