"""The EKS version: whether AWS still creates clusters with it."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

from generator import aws
from generator.facts import Facts
from generator.preflight.check import Asker, Check, Subject
from generator.preflight.result import Result, Status

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


def asked(stack: str, eks: str, asker: Asker) -> tuple[str | None, str | None]:
    """The version of the cluster, if it exists; else AWS's word on the wanted version (None: no word)."""
    existing = asker.once("cluster", lambda a: cluster_version(a.client("eks"), stack))
    return (existing, None) if existing else (None, version_status(asker.client("eks"), eks))


def cluster_version(client: Any, stack: str) -> str | None:
    """The version that the cluster runs, if there is one."""
    try:
        return str(client.describe_cluster(name=stack)["cluster"]["version"])
    except aws.refusals() as error:
        if aws.code(error) != "ResourceNotFoundException":
            raise
        return None


def version_status(client: Any, eks: str) -> str | None:
    """`STANDARD_SUPPORT`, `EXTENDED_SUPPORT` or `UNSUPPORTED`; None for a version that AWS does not list."""
    found = client.describe_cluster_versions(clusterVersions=[eks], includeAll=True)["clusterVersions"]
    row = next((row for row in found if row["clusterVersion"] == eks), None)
    return str(row.get("versionStatus") or row.get("status", "")).upper().replace("-", "_") if row else None


def judge(facts: Facts, today: date, eks: str, answer: tuple[str | None, str | None]) -> Iterator[Result]:
    """A cluster that exists may stay as it is; a new one needs a version that AWS still supports."""
    existing, status = answer
    if existing is not None:
        yield _judge_existing(eks, existing)
    elif status in ("STANDARD_SUPPORT", "EXTENDED_SUPPORT"):
        until = facts.support(eks).standard_ends
        said = f"AWS creates clusters with it ({status.lower().replace('_', ' ')})"
        warn = status == "EXTENDED_SUPPORT"
        mend = (
            f"its standard support ended on {until}: the control plane costs six times as much"
            if warn
            else ""
        )
        yield Result(THEME, eks, Status.WARNING if warn else Status.PASSED, said, mend)
    else:
        yield Result(THEME, eks, Status.FAILED, "AWS creates no new cluster with it", cure(facts, today))


def _judge_existing(eks: str, existing: str) -> Result:
    if existing == eks:
        return Result(THEME, eks, Status.PASSED, "the cluster runs it already")
    steps = int(eks.split(".")[1]) - int(existing.split(".")[1])
    said = f"the cluster runs {existing}"
    if steps == 1:
        return Result(THEME, eks, Status.PASSED, f"{said}: it will be upgraded")
    if steps > 1:
        major, _, minor = existing.partition(".")
        after = f"{major}.{int(minor) + 1}"
        return Result(
            THEME, eks, Status.FAILED, said, f'EKS goes up one version at a time: set eksVersion: "{after}"'
        )
    return Result(THEME, eks, Status.FAILED, said, f'EKS never goes back: set eksVersion: "{existing}"')


def cure(facts: Facts, today: date) -> str:
    """The one line to set: the version before the newest, which everything else was tried with."""
    return f'set eksVersion: "{facts.creatable(today)[-2:][0]}"'
