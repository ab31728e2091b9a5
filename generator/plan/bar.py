"""Stacked bars of stages, as text: a letter for each stage, so that they need no color."""

from collections.abc import Iterable, Iterator, Sequence

from generator.plan.model import ColdStart, Stage, StageName

WIDTH = 60
LETTERS: dict[StageName, str] = {
    "keda": "K",
    "node": "N",
    "image": "I",
    "start": "S",
    "model": "M",
    "picture": "P",
}


def segments(stages: Iterable[Stage], longest: float) -> Iterator[tuple[StageName, int]]:
    """The columns of each stage, where `longest` seconds have WIDTH columns; what is unknown has none.

    The ends of the stages are rounded, not their lengths, so that bars of the same length end in one column.
    """
    at, column = 0.0, 0
    for stage in stages:
        at += stage.seconds or 0.0
        end = round(at / longest * WIDTH) if longest else 0
        # A stage that is shown at all can be seen.
        width = max(end - column, 1 if stage.seconds else 0)
        column += width
        yield stage.name, width


def longest(cold_starts: Sequence[ColdStart]) -> float:
    """The seconds of the longest bar."""
    sums = [sum(one.seconds or 0.0 for one in start.stages) for cold in cold_starts for start in cold.starts]
    return max(sums, default=0.0)


def plain(stages: Sequence[Stage], most: float) -> str:
    """One bar: `KKNNNNNNIISSSSMP`."""
    return "".join(LETTERS[name] * width for name, width in segments(stages, most))


def seconds(value: float | None) -> str:
    """`12 s`, or `unknown`."""
    return "unknown" if value is None else f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
