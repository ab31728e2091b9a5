"""Results as a table for people and as data for programs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from generator.preflight.result import CheckStatus, Result

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {
    CheckStatus.PASSED: "green",
    CheckStatus.WARNING: "yellow",
    CheckStatus.FAILED: "bold red",
    CheckStatus.UNKNOWN: "magenta",
    CheckStatus.NOT_ASKED: "dim",
}


def table(results: Iterable[Result]) -> "Table":
    """One row for each result; what to do stands below what is so."""
    from rich.table import Table  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    shown = Table(show_edge=False, pad_edge=False)
    for column in ("status", "about", "what", "found, and what to do"):
        shown.add_column(column, overflow="fold")
    for result in results:
        said = Text(result.said)
        for more in filter(None, (result.help, result.link)):
            said.append(f"\n→ {more}", style="bold" if more is result.help else "")
        status = Text(result.status.value, style=STYLES[result.status])
        shown.add_row(status, result.theme, Text(result.what), said)
    return shown


def summary(results: Sequence[Result]) -> str:
    """One line with the number of each."""
    counts = Counter(result.status for result in results)
    return ", ".join(f"{counts[status]} {status.value}" for status in CheckStatus if counts[status])


def as_data(results: Iterable[Result]) -> list[dict[str, Any]]:
    """For programs; `status` as the table says it."""
    return [
        {
            "theme": result.theme,
            "what": result.what,
            "status": result.status.value,
            "said": result.said,
            "help": result.help,
            "link": result.link,
            "increase": vars(result.increase) if result.increase else None,
        }
        for result in results
    ]
