"""Shows how a run goes: a live table on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from local.progress import Row

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR_CELLS = 24


class Display(Protocol):
    """Something that shows rows."""

    def show(self, rows: Sequence[Row]) -> None:
        """Show how the runtimes stand now."""


@contextmanager
def display() -> Iterator[Display]:
    """The display that fits standard output."""
    if not sys.stdout.isatty():
        yield Lines()
        return
    from rich.live import Live  # noqa: PLC0415 (slow to import, and only a terminal needs it)

    with Live(refresh_per_second=8) as live:
        yield _Table(live.update)


@dataclass
class Lines:
    """A line for each runtime whenever another of its tasks has ended."""

    ended: dict[str, int] = field(default_factory=dict)

    def show(self, rows: Sequence[Row]) -> None:
        """Print the rows with news."""
        for row in rows:
            ended = row.done + row.failed
            if ended > self.ended.get(row.runtime, 0):
                failed = f", {row.failed} failed" if row.failed else ""
                print(f"  {row.runtime:<14} {ended:>3} of {row.total}{failed}   {row.latest}", flush=True)
            self.ended[row.runtime] = ended


@dataclass(frozen=True)
class _Table:
    """A table that is drawn anew in its place."""

    update: "Update"

    def show(self, rows: Sequence[Row]) -> None:
        """Draw all rows."""
        self.update(_table(rows))


class Update(Protocol):
    """What redraws the terminal."""

    def __call__(self, renderable: "RenderableType", /) -> None:
        """Draw this."""


def _table(rows: Sequence[Row]) -> "RenderableType":
    from rich.table import Table  # noqa: PLC0415 (see `display`)
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for name in ("runtime", "type"):
        table.add_column(name, no_wrap=True)
    for name in ("waiting", "running", "done", "failed"):
        table.add_column(name, justify="right")
    table.add_column("", width=BAR_CELLS)
    table.add_column("last", ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        failed = Text(str(row.failed), style="bold red" if row.failed else "dim")
        counts = (str(row.waiting), str(row.running), str(row.done), failed)
        runtime = Text(row.runtime, style="bold")
        table.add_row(
            runtime, Text(row.type, style="dim"), *counts, _bar(row), Text(row.latest, style="italic")
        )
    return table


def _bar(row: Row) -> "RenderableType":
    """Done, failed, running and the rest, as cells of one bar."""
    from rich.text import Text  # noqa: PLC0415 (see `display`)

    parts = ((row.done, "━", "green"), (row.failed, "━", "red"), (row.running, "━", "yellow"))
    bar, used = Text(), 0
    for count, cell, style in parts:
        cells = round(BAR_CELLS * count / row.total) if row.total else 0
        bar.append(cell * min(cells, BAR_CELLS - used), style)
        used += cells
    return bar.append("─" * max(0, BAR_CELLS - used), "dim")
