"""Shows the progress of a run: a live table on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from local.progress import RuntimeProgress

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR_CELLS = 24


class Display(Protocol):
    """Shows the progress of all runtimes."""

    def show(self, rows: Sequence[RuntimeProgress]) -> None:
        """Show the current progress."""


@contextmanager
def display() -> Iterator[Display]:
    """A display for standard output: a table on a terminal, else lines."""
    if not sys.stdout.isatty():
        yield LineDisplay()
        return
    from rich.live import Live  # noqa: PLC0415 (slow to import, and only a terminal needs it)

    with Live(refresh_per_second=8) as live:
        yield TableDisplay(live.update)


@dataclass
class LineDisplay:
    """Prints a line for a runtime whenever one of its tasks has ended."""

    ended: dict[str, int] = field(default_factory=dict)

    def show(self, rows: Sequence[RuntimeProgress]) -> None:
        """Print the rows that have changed."""
        for row in rows:
            ended = row.done + row.failed
            if ended > self.ended.get(row.runtime, 0):
                failed = f", {row.failed} failed" if row.failed else ""
                print(f"  {row.runtime:<14} {ended:>3} of {row.total}{failed}   {row.latest}", flush=True)
            self.ended[row.runtime] = ended


@dataclass(frozen=True)
class TableDisplay:
    """Shows a table and updates it in place."""

    update: "Update"

    def show(self, rows: Sequence[RuntimeProgress]) -> None:
        """Show all rows."""
        self.update(_table(rows))


class Update(Protocol):
    """Replaces the content of the terminal."""

    def __call__(self, renderable: "RenderableType", /) -> None:
        """Show `renderable`."""


def _table(rows: Sequence[RuntimeProgress]) -> "RenderableType":
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


def _bar(row: RuntimeProgress) -> "RenderableType":
    """A bar whose cells show the shares of tasks that are done, failed, running and waiting."""
    from rich.text import Text  # noqa: PLC0415 (see `display`)

    parts = ((row.done, "━", "green"), (row.failed, "━", "red"), (row.running, "━", "yellow"))
    bar, used = Text(), 0
    for count, cell, style in parts:
        cells = round(BAR_CELLS * count / row.total) if row.total else 0
        bar.append(cell * min(cells, BAR_CELLS - used), style)
        used += cells
    return bar.append("─" * max(0, BAR_CELLS - used), "dim")
