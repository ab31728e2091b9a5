"""Stacked bars of starts on a terminal: a color and a letter for each stage."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from generator.plan import bar, text
from generator.plan.model import Plan, Stage, StageName

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

COLORS: dict[StageName, str] = {
    "keda": "black on bright_blue",
    "node": "black on bright_red",
    "image": "black on yellow",
    "start": "black on bright_cyan",
    "model": "black on bright_magenta",
    "picture": "black on bright_green",
}


def colored(stages: Sequence[Stage], most: float) -> "Text":
    """One bar."""
    from rich.text import Text  # noqa: PLC0415 - slow to import

    line = Text()
    for name, width in bar.segments(stages, most):
        line.append(bar.LETTERS[name] * width, style=COLORS[name])
    return line


def print_plan(console: "Console", plan: Plan) -> None:
    """The cold starts of a plan, and what shortens them."""
    if not plan.cold_starts:
        return
    most = bar.longest(plan.cold_starts)
    console.print("\nCold start: from a task to the first picture", style="bold", markup=False)
    for cold in plan.cold_starts:
        console.print(text.heading(cold), markup=False, highlight=False)
        for start in cold.starts:
            console.print(f"  {start.name:<11} ", end="", markup=False, highlight=False)
            console.print(colored(start.stages, most), end=" ")
            console.print(text.total(start), markup=False, highlight=False)
    console.print(text.legend(plan.cold_starts[0]), markup=False, highlight=False)
    for cold in plan.cold_starts:
        for line in text.advices(cold):
            console.print(line.replace("`", ""), markup=False, highlight=False)
