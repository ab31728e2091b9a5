"""Cron expressions as KEDA reads them, and how long pods and placeholders are kept warm."""

import pytest

from generator.solution import cron, warm
from generator.solution.warm import Repeated, WarmEntry, WarmLevel

WORKDAYS = ("0 8 * * 1-5", "0 18 * * 1-5")


def entry(pods: int, nodes: int, start: str | None = None, end: str | None = None) -> WarmEntry:
    return WarmEntry(pods, nodes, "UTC", start, end)


def times(text: str, count: int) -> list[str]:
    """The first times at which an expression fires, as day and time of the year, which begins on a Monday."""
    minutes = cron.parse(text).minutes()[:count]
    return [f"{minute // 1440} {minute // 60 % 24:02}:{minute % 60:02}" for minute in minutes]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("30 8 * * *", ["0 08:30", "1 08:30", "2 08:30"]),
        ("0 8 * * 0", ["6 08:00", "13 08:00"]),
        ("0 8 * * sun", ["6 08:00", "13 08:00"]),
        ("0 8 * * SAT", ["5 08:00", "12 08:00"]),
        ("0 8 1 feb *", ["28 08:00"]),
        ("50/5 8 * * ?", ["0 08:50", "0 08:55", "1 08:50"]),
        ("0 8-12/2,20 * * *", ["0 08:00", "0 10:00", "0 12:00", "0 20:00", "1 08:00"]),
        # Both days restrict: one of them is enough. `*/1` does not restrict, `*/2` does.
        ("0 0 6 * 1", ["0 00:00", "2 00:00", "7 00:00"]),
        ("0 0 6 * */1", ["2 00:00", "33 00:00"]),
        ("0 0 6 2 */2", ["29 00:00", "31 00:00", "33 00:00", "34 00:00"]),
    ],
)
def test_an_expression_fires_as_in_the_library_of_keda(text: str, first: list[str]) -> None:
    assert times(text, len(first)) == first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 8 * *", "it has 4 fields instead of 5"),
        ("", "it has 0 fields"),
        ("0 8 * * 7", "Sunday is 0"),
        ("0 8 * * 6-7", "Sunday is 0"),
        ("60 8 * * *", "'60' is not a valid minute, from 0 to 59"),
        ("0 8 0 * *", "'0' is not a valid day of month, from 1 to 31"),
        ("0 8 * * fri-mon", "'fri-mon' is not a valid day of week"),
        ("0 8 * MON *", "'MON' is not a valid month"),
        ("0 8 * * 1,", "'' is not a valid day of week"),
        ("*/0 8 * * *", "'*/0' is not a valid minute"),
        ("@daily", "it has 1 field instead"),
    ],
)
def test_what_keda_cannot_read_is_refused_with_the_field(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("*", r"\*")):
        cron.parse(text)


@pytest.mark.parametrize(
    ("entries", "levels"),
    [
        ([entry(1, 0, *WORKDAYS)], [WarmLevel(1, 0, 50)]),
        ([entry(1, 0, "0 22 * * *", "0 6 * * *")], [WarmLevel(1, 0, 56)]),
        ([entry(0, 2)], [WarmLevel(0, 2, 168)]),
        # From Monday to Friday, and over the turn of the year.
        ([entry(1, 0, "0 8 * * 1", "0 8 * * 5")], [WarmLevel(1, 0, 96)]),
        ([entry(1, 0, "0 20 * * 0", "0 8 * * 1")], [WarmLevel(1, 0, 12)]),
        (
            [entry(2, 0, *WORKDAYS), entry(1, 1, "0 12 * * *", "0 20 * * *")],
            [WarmLevel(2, 1, 30), WarmLevel(2, 0, 20), WarmLevel(1, 1, 26)],
        ),
        # KEDA begins at the last start before an end, and ends at the last end before a start.
        ([entry(1, 0, "0 8,9 * * *", "0 10 * * *")], [WarmLevel(1, 0, 7)]),
        ([entry(1, 0, "0 8 * * *", "0 9,10 * * *")], [WarmLevel(1, 0, 14)]),
        ([], []),
    ],
)
def test_hours_a_week_are_counted_as_keda_counts_them(
    entries: list[WarmEntry], levels: list[WarmLevel]
) -> None:
    assert list(warm.levels(entries)) == levels


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (*WORKDAYS, None),
        ("0 22 * * *", "0 6 * * *", None),
        ("0 8 * * *", "0 18 * * 1-5", Repeated(5 * 1440 + 480, 6 * 1440 + 480, starts=True)),
        ("0 8 * * 1-5", "0 18 * * *", Repeated(4 * 1440 + 1080, 5 * 1440 + 1080, starts=False)),
        ("0 8 1 1 *", "0 18 1 1,7 *", Repeated(362 * 1440 + 1080, 542 * 1440 + 1080, starts=False)),
    ],
)
def test_starts_without_an_end_between_them_are_found(start: str, end: str, found: Repeated | None) -> None:
    assert warm.repeated(cron.parse(start), cron.parse(end)) == found
