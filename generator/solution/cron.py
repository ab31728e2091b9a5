"""Cron expressions as KEDA reads them, and when they fire in a typical year.

Source: parser.go and spec.go of github.com/robfig/cron v3, which KEDA uses. Sunday is 0, never 7.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

MINUTES_A_DAY = 24 * 60
# The year in which expressions are tried: 52 whole weeks from a Monday, so that hours a week come out even.
FIRST_DAY, DAYS = date(2027, 1, 4), 364
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
# calendar begins the week on Monday, cron on Sunday.
_DAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(calendar.day_abbr)}
_RANGE = re.compile(r"(?:([*?])|([0-9]{1,2}|[A-Za-z]{3})(?:-([0-9]{1,2}|[A-Za-z]{3}))?)(?:/([0-9]{1,2}))?")


@dataclass(frozen=True)
class Field:
    """One field of an expression: its values, and whether it restricts nothing (`*`)."""

    values: frozenset[int]
    any: bool


@dataclass(frozen=True)
class Cron:
    """A cron expression of five fields."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    def minutes(self) -> list[int]:
        """When it fires, in minutes since the start of FIRST_DAY, in order."""
        times = self.times()
        days = (day for day in range(DAYS) if self.matches(FIRST_DAY + timedelta(day)))
        return [day * MINUTES_A_DAY + time for day in days for time in times]

    def times(self) -> list[int]:
        """The minutes of a day at which it fires, in order."""
        return sorted(hour * 60 + minute for hour in self.hour.values for minute in self.minute.values)

    def matches(self, day: date) -> bool:
        """Day of month and day of week: both must match, or if both are restricted, one of them."""
        if day.month not in self.month.values:
            return False
        of_month, of_week = day.day in self.day.values, day.isoweekday() % 7 in self.weekday.values
        if self.day.any or self.weekday.any:
            return of_month and of_week
        return of_month or of_week


def parse(text: str) -> Cron:
    """The expression in a text. Raises ValueError that says which field is wrong."""
    fields = text.split(" ")
    fields = [field for field in fields if field]
    if len(fields) != 5:
        raise ValueError(f"it has {len(fields)} {'field' if len(fields) == 1 else 'fields'} instead of 5")
    minute, hour, day, month, weekday = fields
    return Cron(
        _field("minute", minute, 0, 59),
        _field("hour", hour, 0, 23),
        _field("day of month", day, 1, 31),
        _field("month", month, 1, 12, _MONTHS),
        _field("day of week", weekday, 0, 6, _DAYS),
    )


def _field(what: str, text: str, low: int, high: int, names: dict[str, int] | None = None) -> Field:
    values: set[int] = set()
    any_value = False
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        step = int(match[4] or 1) if match else 0
        if match is None or step == 0:
            raise ValueError(f"{part!r} is not a valid {what}")
        first, last = _bounds(match, low, high, names or {})
        if first is None or last is None or not low <= first <= last <= high:
            hint = ": Sunday is 0" if what == "day of week" and "7" in part else ""
            raise ValueError(f"{part!r} is not a valid {what}, from {low} to {high}{hint}")
        values.update(range(first, last + 1, step))
        any_value = any_value or (bool(match[1]) and step == 1)
    return Field(frozenset(values), any_value)


def _bounds(
    match: re.Match[str], low: int, high: int, names: dict[str, int]
) -> tuple[int | None, int | None]:
    """The first and the last value of a range; None for a name that is not one. `5/10` is `5-59/10`."""
    if match[1]:
        return low, high

    def number(text: str) -> int | None:
        return int(text) if text.isdecimal() else names.get(text.lower())

    first = number(match[2])
    if match[3]:
        return first, number(match[3])
    return first, high if match[4] else first
