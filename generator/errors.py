"""Problems of a solution config, and the exit codes of the generator."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    BUG = 1
    CONFIG = 2
    AWS = 3
    DIFFERENT = 4


class Severity(Enum):
    """An error stops the run; a warning is only printed."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a config: where it is (1-based line and column), what is wrong, how to fix it."""

    source: str
    line: int
    column: int
    path: str
    code: str
    message: str
    help: str
    severity: Severity = Severity.ERROR

    def __lt__(self, other: "Problem") -> bool:
        """In the order of the file."""
        return (self.line, self.column, self.path, self.code) < (
            other.line,
            other.column,
            other.path,
            other.code,
        )


class ConfigError(Exception):
    """The config cannot be used. Carries every problem of one file, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(f"{p.source}:{p.line}: {p.path}: {p.message}" for p in self.problems))


class AwsError(Exception):
    """AWS could not be reached, or refused a request."""


class CredentialsError(AwsError):
    """AWS cannot be asked with the current credentials and settings: the command did nothing."""

    def __init__(self, reason: str, help: str) -> None:
        self.reason, self.help = reason, help
        super().__init__(f"{reason}: {help}")
