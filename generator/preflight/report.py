"""Results as a table for people and as data for programs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from generator.preflight.result import CheckStatus, Result

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("status", "theme", "check", "result, and what to do")
STYLES = {
    CheckStatus.PASSED: "green",
    CheckStatus.WARNING: "yellow",
    CheckStatus.FAILED: "bold red",
    CheckStatus.UNKNOWN: "magenta",
    CheckStatus.NOT_ASKED: "dim",
}


def fill(table: "Table", results: Iterable[Result]) -> None:
    """Add a row for each result: what was found, and below it what to do."""
    from rich.text import Text  # noqa: PLC0415 - slow to import

    for result in results:
        text = Text(result.message)
        for line in filter(None, (result.help, result.link)):
            text.append(f"\n→ {line}", style="bold" if line is result.help else "")
        status = Text(result.status.value, style=STYLES[result.status])
        table.add_row(status, result.theme, Text(result.name), text)


def summary(results: Sequence[Result]) -> str:
    """One line with the number of each."""
    counts = Counter(result.status for result in results)
    return ", ".join(f"{counts[status]} {status.value}" for status in CheckStatus if counts[status])


def as_data(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Results as plain data, with the words of the table."""
    return [
        {
            "theme": result.theme,
            "name": result.name,
            "status": result.status.value,
            "message": result.message,
            "help": result.help,
            "link": result.link,
            "increase": vars(result.increase) if result.increase else None,
        }
        for result in results
    ]
