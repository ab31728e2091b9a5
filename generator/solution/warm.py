"""When pods and placeholders are kept warm, by the rule of KEDA's cron trigger, and for how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from generator.solution import cron
from generator.solution.cron import DAYS, MINUTES_A_DAY, Cron

WEEKS = DAYS // 7
YEAR = DAYS * MINUTES_A_DAY


@dataclass(frozen=True)
class WarmEntry:
    """Pods and placeholders that are kept from each `start` to the next `end`; without hours: all the time.

    `start` and `end` are cron expressions in the time zone.
    """

    pods: int
    nodes: int
    timezone: str
    start: str | None
    end: str | None


@dataclass(frozen=True)
class WarmLevel:
    """How many pods and placeholders are kept at the same time, and for how many hours a week."""

    pods: int
    nodes: int
    hours: float


@dataclass(frozen=True)
class Repeated:
    """A start after a start, or an end after an end, in minutes since the start of a week.

    KEDA's hours last from the last start before an end to the last end before a start. `starts`: whether
    these are two starts.
    """

    first: int
    second: int
    starts: bool


def windows(start: Cron, end: Cron) -> Iterator[tuple[int, int]]:
    """The times in which a cron trigger is active, as minutes of the year of `cron`.

    It is active until its next end, if that comes before its next start or with it.
    Source: GetMetricsAndActivity in pkg/scalers/cron_scaler.go of KEDA.
    """
    ends = set(end.minutes())
    events = sorted(ends | set(start.minutes()))
    if not events:
        return
    # The year repeats: what comes before its first event is what comes after its last.
    for begin, stop in pairwise([events[-1] - YEAR, *events]):
        if stop in ends:
            yield max(begin, 0), stop
    if events[0] in ends and events[-1] + 1 < YEAR:
        yield events[-1], YEAR


def repeated(start: Cron, end: Cron) -> Repeated | None:
    """The first two starts without an end between them, or ends without a start; None if there are none."""
    starts, ends = start.minutes(), end.minutes()
    events = sorted([*((minute, True) for minute in starts), *((minute, False) for minute in ends)])
    if not starts or not ends:
        return None
    for (first, was_start), (second, is_start) in pairwise([*events, (events[0][0] + YEAR, events[0][1])]):
        if was_start is is_start:
            return Repeated(first, second, is_start)
    return None


def levels(entries: Sequence[WarmEntry]) -> tuple[WarmLevel, ...]:
    """The hours a week of each combination of pods and placeholders above zero, the largest first.

    Entries of different time zones are counted on one clock: where they overlap, the hours are estimates.
    """
    changes: dict[int, list[tuple[int, int]]] = {0: []}
    for index, entry in enumerate(entries):
        for begin, stop in _windows_of(entry):
            changes.setdefault(begin, []).append((index, 1))
            changes.setdefault(stop, []).append((index, -1))
    active = [0] * len(entries)
    minutes: dict[tuple[int, int], int] = {}
    for begin, stop in pairwise(sorted({*changes, YEAR})):
        for index, change in changes.get(begin, ()):
            active[index] += change
        now = [entry for entry, count in zip(entries, active, strict=True) if count > 0]
        kept = max((entry.pods for entry in now), default=0), max((entry.nodes for entry in now), default=0)
        minutes[kept] = minutes.get(kept, 0) + stop - begin
    return tuple(
        WarmLevel(*kept, hours=round(count / 60 / WEEKS, 2))
        for kept, count in sorted(minutes.items(), reverse=True)
        if any(kept)
    )


def _windows_of(entry: WarmEntry) -> Iterator[tuple[int, int]]:
    if entry.start is None or entry.end is None:
        yield 0, YEAR
        return
    yield from windows(cron.parse(entry.start), cron.parse(entry.end))


def most_placeholders(entries: Sequence[WarmEntry]) -> int:
    """The largest number of placeholders at any time."""
    return max((entry.nodes for entry in entries), default=0)
