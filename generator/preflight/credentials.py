"""Whose credentials these are, and whether they fit the config."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from generator.aws.asker import Asker
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Solution

THEME = "credentials"


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One question: who am I?"""
    yield Check(THEME, "account", identity, partial(judge, subject.solution))


def identity(asker: Asker) -> str:
    """The ARN of whoever asks."""
    return asker.once("identity", lambda a: str(a.client("sts").get_caller_identity()["Arn"]))


def judge(solution: Solution, arn: str) -> Iterator[Result]:
    """Account and partition must be the config's."""
    partition, account = arn.split(":")[1], arn.split(":")[4]
    said = f"{arn}"
    if account != solution.account:
        help = f"use credentials of {solution.account} (AWS_PROFILE), or set `accountId` to {account!r}"
        yield Result(THEME, "account", CheckStatus.FAILED, f"{said}: not account {solution.account}", help)
    elif partition != solution.partition.name:
        help = f"a region of {partition} goes with these credentials"
        yield Result(
            THEME, "account", CheckStatus.FAILED, f"{said}: not partition {solution.partition.name}", help
        )
    else:
        yield Result(THEME, "account", CheckStatus.PASSED, said)
