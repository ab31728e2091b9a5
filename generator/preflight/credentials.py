"""The identity of the credentials, and whether it fits the config. Without it nothing else is asked."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from generator.aws import identity as aws_identity
from generator.aws.asker import Asker
from generator.aws.identity import Identity
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Solution

THEME = "credentials"


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One question: who am I?"""
    yield Check(THEME, "account", identity, partial(judge, subject.solution), first=True)


def identity(asker: Asker) -> Identity:
    """Who the credentials belong to."""
    return asker.once("identity", lambda a: aws_identity.identity(a.clients))


def judge(solution: Solution, who: Identity) -> Iterator[Result]:
    """Account and partition must be those of the config."""
    wrong = aws_identity.mismatch(who, solution)
    if wrong is None:
        yield Result(THEME, "account", CheckStatus.PASSED, who.arn)
    else:
        yield Result(THEME, "account", CheckStatus.FAILED, wrong.reason, wrong.help)
