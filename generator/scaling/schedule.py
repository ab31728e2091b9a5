"""How many pods and placeholders entries of `scaling.warm` keep, second by second of a trace.

The rule is that of `generator.solution.warm`, on real days: in the time zone of the entry, with its summer
time. A time that a day does not have is left out, and one that it has twice comes twice, as in KEDA.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from generator.solution import cron
from generator.solution.warm import WarmEntry

# The longest pause between two events of an expression that every year has.
MARGIN = timedelta(days=366)


@dataclass(frozen=True)
class Level:
    """Pods and placeholders that are kept from `at` seconds after the first task."""

    at: float
    pods: int
    nodes: int


def levels(entries: Sequence[WarmEntry], start: float, seconds: float) -> list[Level]:
    """The levels of a trace that starts at `start` (since 1970) and takes so many seconds; the first at 0."""
    changes: dict[float, list[tuple[int, int]]] = {0.0: []}
    for index, entry in enumerate(entries):
        for begin, stop in _windows(entry, start, seconds):
            changes.setdefault(begin, []).append((index, 1))
            changes.setdefault(stop, []).append((index, -1))
    active = [0] * len(entries)
    found: list[Level] = []
    for at in sorted(changes):
        for index, change in changes[at]:
            active[index] += change
        now = [entry for entry, count in zip(entries, active, strict=True) if count > 0]
        pods, nodes = max((one.pods for one in now), default=0), max((one.nodes for one in now), default=0)
        changed = not found or (found[-1].pods, found[-1].nodes) != (pods, nodes)
        if changed and (at < seconds or at == 0.0):
            found.append(Level(at, pods, nodes))
    return found


def _windows(entry: WarmEntry, start: float, seconds: float) -> Iterator[tuple[float, float]]:
    """Begin and end of each time in which an entry is active, in seconds of the trace, from 0 on."""
    if entry.start is None or entry.end is None:
        yield 0.0, seconds + 1
        return
    first = datetime.fromtimestamp(start, UTC)
    starts, ends = (
        set(_times(text, entry.timezone, first, first + timedelta(seconds=seconds)))
        for text in (entry.start, entry.end)
    )
    for begin, stop in pairwise(sorted(starts | ends)):
        # An end with a start counts as an end, and what follows it is active if the next event is one.
        if stop in ends and stop > start and begin <= start + seconds:
            yield max(0.0, begin - start), stop - start


@lru_cache(maxsize=256)
def _times(text: str, timezone: str, first: datetime, last: datetime) -> tuple[float, ...]:
    """When an expression fires, since 1970: on the days of the trace, the last time before, the next."""
    expression, zone = cron.parse(text), ZoneInfo(timezone)
    day, end = (first - timedelta(days=1)).date(), (last + timedelta(days=1)).date()
    days = [day + timedelta(number) for number in range((end - day).days + 1)]
    before = (day - timedelta(number) for number in range(1, MARGIN.days))
    after = (end + timedelta(number) for number in range(1, MARGIN.days))
    for more in (before, after):
        days += [one for one in more if expression.matches(one)][:1]
    moments: set[float] = set()
    for one in days:
        if not expression.matches(one):
            continue
        for minute in expression.times():
            local = datetime(one.year, one.month, one.day, minute // 60, minute % 60, tzinfo=zone)
            for fold in (0, 1):
                moment = local.replace(fold=fold).timestamp()
                if datetime.fromtimestamp(moment, zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    moments.add(moment)
    return tuple(sorted(moments))
