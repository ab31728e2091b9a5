"""The EKS version: whether AWS still creates clusters with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from generator.aws import clients as aws
from generator.facts.facts import Facts
from generator.preflight.check import Asker, Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution import names

THEME = "EKS version"


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """What AWS says of the version, beside what the generator's own table says."""
    solution = subject.solution
    yield Check(
        THEME,
        solution.versions.eks,
        partial(asked, solution.stack, solution.versions.eks),
        partial(judge, subject.facts, subject.today, solution.versions.eks),
    )


@dataclass(frozen=True)
class Existing:
    """The cluster of the solution's name, and whether it was made for this solution."""

    version: str
    ours: bool


def asked(stack: str, eks: str, asker: Asker) -> tuple[Existing | None, str | None]:
    """The cluster, if it exists; else AWS's word on the wanted version (None: no word)."""
    existing = asker.once("cluster", lambda a: cluster(a.client("eks"), stack))
    return (existing, None) if existing else (None, version_status(asker.client("eks"), eks))


def cluster(client: Any, stack: str) -> Existing | None:
    """The cluster of that name, if there is one."""
    try:
        row = client.describe_cluster(name=stack)["cluster"]
    except aws.refusals() as error:
        if aws.code(error) != "ResourceNotFoundException":
            raise
        return None
    return Existing(str(row["version"]), row.get("tags", {}).get(names.STACK_TAG) == stack)


def version_status(client: Any, eks: str) -> str | None:
    """`STANDARD_SUPPORT`, `EXTENDED_SUPPORT` or `UNSUPPORTED`; None for a version that AWS does not list."""
    found = client.describe_cluster_versions(clusterVersions=[eks], includeAll=True)["clusterVersions"]
    row = next((row for row in found if row["clusterVersion"] == eks), None)
    return str(row.get("versionStatus") or row.get("status", "")).upper().replace("-", "_") if row else None


def judge(
    facts: Facts, today: date, eks: str, answer: tuple[Existing | None, str | None]
) -> Iterator[Result]:
    """A cluster that exists may stay as it is; a new one needs a version that AWS still supports."""
    existing, status = answer
    if existing is not None and not existing.ours:
        said = "a cluster of this name exists that was not made for this solution"
        yield Result(THEME, eks, CheckStatus.FAILED, said, "choose another `stackName`")
    elif existing is not None:
        yield _judge_existing(eks, existing.version)
    elif status in ("STANDARD_SUPPORT", "EXTENDED_SUPPORT"):
        until = facts.support(eks).standard_ends
        said = f"AWS creates clusters with it ({status.lower().replace('_', ' ')})"
        warn = status == "EXTENDED_SUPPORT"
        help = (
            f"its standard support ended on {until}: the control plane costs six times as much"
            if warn
            else ""
        )
        yield Result(THEME, eks, CheckStatus.WARNING if warn else CheckStatus.PASSED, said, help)
    else:
        yield Result(THEME, eks, CheckStatus.FAILED, "AWS creates no new cluster with it", cure(facts, today))


def _judge_existing(eks: str, existing: str) -> Result:
    if existing == eks:
        return Result(THEME, eks, CheckStatus.PASSED, "the cluster runs it already")
    steps = int(eks.split(".")[1]) - int(existing.split(".")[1])
    said = f"the cluster runs {existing}"
    if steps == 1:
        return Result(THEME, eks, CheckStatus.PASSED, f"{said}: it will be upgraded")
    if steps > 1:
        major, _, minor = existing.partition(".")
        after = f"{major}.{int(minor) + 1}"
        return Result(
            THEME,
            eks,
            CheckStatus.FAILED,
            said,
            f'EKS goes up one version at a time: set eksVersion: "{after}"',
        )
    return Result(THEME, eks, CheckStatus.FAILED, said, f'EKS never goes back: set eksVersion: "{existing}"')


def cure(facts: Facts, today: date) -> str:
    """The one line to set: the version before the newest, which everything else was tried with."""
    return f'set eksVersion: "{facts.creatable(today)[-2:][0]}"'
