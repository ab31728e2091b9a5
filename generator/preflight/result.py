"""What a check found, and how a whole run ends."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from generator.errors import Exit


class CheckStatus(Enum):
    """`UNKNOWN`: AWS refused or did not answer. `NOT_ASKED`: outside of what AWS can be asked."""

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
    wanted: int


@dataclass(frozen=True)
class Result:
    """One finding: what was looked at, what is so, what to do."""

    theme: str
    what: str
    status: CheckStatus
    said: str
    help: str = ""
    link: str = ""
    increase: Increase | None = None


def ending(results: Iterable[Result]) -> Exit:
    """2 when a check failed, 3 when none failed and something could not be checked, else 0."""
    found = {result.status for result in results}
    if CheckStatus.FAILED in found:
        return Exit.CONFIG
    return Exit.AWS if CheckStatus.UNKNOWN in found else Exit.DONE
