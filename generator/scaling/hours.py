"""What may be kept warm for a runtime: pods or placeholders, at all times or in its busiest hours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from generator.scaling.policy import Arrival, Policy
from generator.solution.warm import WarmEntry

PODS, PODS_OF_HOURS, PLACEHOLDERS = (0, 1, 2, 4, 8), (1, 2, 4), (1, 2)
# The lengths of the windows of a day that are tried.
LENGTHS = (8, 12)
# With fewer tasks than this share at weekends, hours are those of working days.
WEEKEND_SHARE = 0.05
DAY = 86_400


@dataclass(frozen=True)
class Clock:
    """When a trace starts, in seconds since 1970 (None without dates), and the time zone of new hours."""

    start: float | None = None
    timezone: str = "UTC"


# minReplicaCount, and the entries of scaling.warm.
Warm = tuple[int, tuple[WarmEntry, ...]]


def options(current: Policy, arrivals: Sequence[Arrival], clock: Clock) -> list[Warm]:
    """Everything that is tried, the present setting first."""
    most = current.maximum
    found: list[Warm] = [(current.warm, current.kept)]
    found += [(pods, ()) for pods in PODS if pods <= most]
    found += [(0, (WarmEntry(0, nodes, "UTC", None, None),)) for nodes in PLACEHOLDERS]
    for start, end in _windows(arrivals, clock):
        kept = [(pods, 0) for pods in PODS_OF_HOURS if pods <= most] + [(0, 1)]
        found += [(0, (WarmEntry(pods, nodes, clock.timezone, start, end),)) for pods, nodes in kept]
    return list(dict.fromkeys(found))


def _windows(arrivals: Sequence[Arrival], clock: Clock) -> Iterator[tuple[str, str]]:
    """Start and end of the busiest hours, for each length; none for less than a day, or without dates."""
    if clock.start is None or not arrivals or arrivals[-1].at < DAY:
        return
    zone, start = ZoneInfo(clock.timezone), clock.start
    by_hour, weekend = [0] * 24, 0
    for arrival in arrivals:
        moment = datetime.fromtimestamp(start + arrival.at, UTC).astimezone(zone)
        by_hour[moment.hour] += 1
        weekend += moment.weekday() >= 5
    weekdays = arrivals[-1].at >= 7 * DAY and weekend < WEEKEND_SHARE * len(arrivals)
    for length in LENGTHS:
        sums = [sum(by_hour[(hour + more) % 24] for more in range(length)) for hour in range(24)]
        first = sums.index(max(sums))
        last = (first + length) % 24
        days = ("1-5", "1-5" if last > first else "2-6") if weekdays else ("*", "*")
        yield f"0 {first} * * {days[0]}", f"0 {last} * * {days[1]}"
