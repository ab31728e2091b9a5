"""The identity of the credentials, and whether it fits the config."""

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
    """The ARN of the credentials' identity."""
    return asker.once("identity", lambda a: str(a.client("sts").get_caller_identity()["Arn"]))


def judge(solution: Solution, arn: str) -> Iterator[Result]:
    """Account and partition must be those of the config."""
    partition, account = arn.split(":")[1], arn.split(":")[4]
    if account != solution.account:
        help = f"use credentials of {solution.account} (AWS_PROFILE), or set `accountId` to {account!r}"
        yield Result(THEME, "account", CheckStatus.FAILED, f"{arn}: not account {solution.account}", help)
    elif partition != solution.partition.name:
        help = f"use a region of {partition}, or credentials of the other partition"
        yield Result(
            THEME, "account", CheckStatus.FAILED, f"{arn}: not partition {solution.partition.name}", help
        )
    else:
        yield Result(THEME, "account", CheckStatus.PASSED, arn)
