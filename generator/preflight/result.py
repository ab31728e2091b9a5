"""The result of a check, and the exit code of a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from generator.errors import Exit


class CheckStatus(Enum):
    """`UNKNOWN`: AWS refused or did not answer. `NOT_ASKED`: AWS cannot be asked about it."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "could not check"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Increase:
    """A request to raise a quota."""

    service: str
    code: str
    value: int


@dataclass(frozen=True)
class Result:
    """One result: what was checked, what was found, what to do."""

    theme: str
    name: str
    status: CheckStatus
    message: str
    help: str = ""
    link: str = ""
    increase: Increase | None = None


def ending(results: Iterable[Result]) -> Exit:
    """2 when a check failed, 3 when none failed and something could not be checked, else 0."""
    statuses = {result.status for result in results}
    if CheckStatus.FAILED in statuses:
        return Exit.CONFIG
    return Exit.AWS if CheckStatus.UNKNOWN in statuses else Exit.DONE
