"""Reads arrivals of tasks from a CSV file: time, runtime and, if known, seconds of the run and priority."""

import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

COLUMNS = ("timestamp", "runtime", "seconds", "priority")
PRIORITIES = ("normal", "high")
# The longest run of a task, in seconds: an SQS message can be invisible for 12 hours.
MAX_SECONDS = 43_200
MAX_DAYS = 400
# Numbers from here on are seconds since 1970, as dates are. From the second one on, the year 5138, they are
# more likely milliseconds.
FIRST_UNIX_TIME, MILLISECONDS = 1e9, 1e11
# The most tasks: a simulation of each policy takes some seconds for so many.
MAX_TASKS = 200_000
MAX_PROBLEMS = 20
# What separates cells: spreadsheets write semicolons where the comma is in numbers.
DELIMITERS = ",;\t"


@dataclass(frozen=True)
class TraceTask:
    """One task: seconds since the first one, its runtime, the seconds of its run if the file has them."""

    at: float
    runtime: str
    seconds: float | None = None
    high: bool = False


@dataclass(frozen=True)
class Trace:
    """The tasks in the order of their times. `start`: the first in seconds since 1970; None without dates."""

    tasks: tuple[TraceTask, ...]
    start: float | None


@dataclass(frozen=True)
class TraceProblem:
    """What is wrong at a line and column (from 1) of the file, and how to fix it."""

    line: int
    column: int
    message: str
    help: str


class TraceError(Exception):
    """The file is not a trace; has the first problems in the order of the file."""

    def __init__(self, problems: Sequence[TraceProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{item.line}:{item.column}: {item.message}" for item in problems))


@dataclass(frozen=True)
class _Cell:
    """A cell and its place; `column` counts characters."""

    text: str
    line: int
    column: int

    def problem(self, message: str, help: str) -> TraceProblem:
        return TraceProblem(self.line, self.column, message, help)


@dataclass(frozen=True)
class _Row:
    """The cells of a task; `way`: how its time is written."""

    at: float
    way: str
    runtime: str
    seconds: float | None
    high: bool
    first: _Cell


def parse(text: str, runtimes: Collection[str] | None = None) -> Trace:
    """The tasks of a trace. Raises TraceError.

    The first line names the columns, in any order; without a line of names they are those of COLUMNS.
    `runtimes`: those that tasks may have; None for any.
    """
    try:
        lines = list(islice(_lines(text.removeprefix("\ufeff")), MAX_TASKS + 2))
    except csv.Error as error:
        raise TraceError(
            [TraceProblem(1, 1, f"not a CSV file: {error}", "write a line for each task")]
        ) from error
    if not lines:
        raise TraceError([TraceProblem(1, 1, "the file has no tasks", "write a line such as 0.5,sdxl-turbo")])
    header = [cell.text.lower() for cell in lines[0]]
    named = "timestamp" in header or not re.search("[0-9]", header[0])
    if len(lines) - named > MAX_TASKS:
        raise TraceError([_too_long(text, named, lines[-1][0])])
    problems = list(_header_problems(lines[0], header)) if named else []
    columns = header if named else list(COLUMNS)
    rows: list[_Row] = []
    for cells in () if problems else lines[1 if named else 0 :]:
        row = _row(dict(zip(columns, cells, strict=False)), cells, len(columns), runtimes)
        if isinstance(row, TraceProblem):
            problems.append(row)
        else:
            rows.append(row)
    problems += _of_all(rows)
    if not rows and not problems:
        problems.append(TraceProblem(1, 1, "the file has no tasks", "add a line for each task"))
    if problems:
        raise TraceError(sorted(problems, key=lambda item: (item.line, item.column))[:MAX_PROBLEMS])
    start = min(row.at for row in rows)
    tasks = (TraceTask(row.at - start, row.runtime, row.seconds, row.high) for row in rows)
    dated = rows[0].way != _NUMBER or start >= FIRST_UNIX_TIME
    return Trace(tuple(sorted(tasks, key=lambda task: task.at)), start if dated else None)


def _lines(text: str) -> Iterator[list[_Cell]]:
    """The cells of each line that has any; quoted cells may hold commas."""
    delimiter = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        delimiter = delimiter or next((one for one in DELIMITERS if one in line), ",")
        cells, column = [], 1
        for value in next(csv.reader(io.StringIO(line), delimiter=delimiter)):
            start = line.find(value, column - 1) + 1 or column
            cells.append(_Cell(value.strip(), number, start))
            column = start + len(value) + 1
        yield cells


def _header_problems(cells: Sequence[_Cell], header: Sequence[str]) -> Iterator[TraceProblem]:
    known = ", ".join(COLUMNS)
    for cell, name in zip(cells, header, strict=True):
        if name not in COLUMNS:
            yield cell.problem(f"unknown column {cell.text!r}", f"the columns are {known}")
        elif header.count(name) > 1:
            yield cell.problem(f"column {name} is there twice", "keep one")
    for name in COLUMNS[:2]:
        if name not in header:
            yield cells[-1].problem(f"column {name} is missing", f"the columns are {known}")


def _too_long(text: str, named: bool, first: _Cell) -> TraceProblem:
    count = sum(1 for line in text.splitlines() if line.strip()) - named
    message = f"the file has {count} tasks; the maximum is {MAX_TASKS}"
    return first.problem(message, "take the busiest days of it")


def _row(
    cells: dict[str, _Cell], line: Sequence[_Cell], width: int, runtimes: Collection[str] | None
) -> _Row | TraceProblem:
    if len(line) > width:
        return line[width].problem(f"{len(line)} cells instead of at most {width}", "remove the others")
    time, runtime, seconds, priority = (cells.get(name) for name in COLUMNS)
    if time is None or runtime is None:
        return line[-1].problem("the line has no runtime", "write a line such as 0.5,sdxl-turbo")
    at = _time(time.text)
    if at is None or at[0] >= MILLISECONDS:
        unit = ": the unit is seconds, not milliseconds" if at else ""
        help = "write 2026-11-27T09:30:00Z, or seconds such as 12.5"
        return time.problem(f"{time.text!r} is not a time{unit}", help)
    if runtimes is not None and runtime.text not in runtimes:
        help = f"the runtimes of the config are {', '.join(sorted(runtimes))}"
        return runtime.problem(f"the config has no runtime {runtime.text!r}", help)
    if problem := _optional_problem(seconds, priority):
        return problem
    duration = float(seconds.text) if seconds and seconds.text else None
    high = priority is not None and priority.text == PRIORITIES[1]
    return _Row(at[0], at[1], runtime.text, duration, high, line[0])


def _optional_problem(seconds: _Cell | None, priority: _Cell | None) -> TraceProblem | None:
    duration = _number(seconds.text) if seconds and seconds.text else None
    if seconds and seconds.text and not (duration and 0 < duration <= MAX_SECONDS):
        message = f"{seconds.text!r} is not a number of seconds above 0, up to {MAX_SECONDS}"
        return seconds.problem(message, "leave it empty if unknown")
    if priority and priority.text not in ("", *PRIORITIES):
        return priority.problem(f"{priority.text!r} is not a priority", f"write {' or '.join(PRIORITIES)}")
    return None


_NUMBER, _WITH_ZONE, _WITHOUT_ZONE = "seconds", "dates with a time zone", "dates without a time zone"


def _time(text: str) -> tuple[float, str] | None:
    """Seconds, and the way in which they are written."""
    number = _number(text)
    return date(text) if number is None else (number, _NUMBER)


def date(text: str) -> tuple[float, str] | None:
    """A date with time as seconds since 1970, and the way in which it is written; None for anything else."""
    try:
        moment = datetime.fromisoformat(re.sub(" ?UTC$", "Z", text))
        # Without a zone: all times of the file are of the same one.
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    if not 0 <= seconds < MILLISECONDS:
        return None
    return seconds, _WITH_ZONE if moment.tzinfo else _WITHOUT_ZONE


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _of_all(rows: Sequence[_Row]) -> Iterator[TraceProblem]:
    """What is wrong with the lines taken together."""
    if other := next((row for row in rows if row.way != rows[0].way), None):
        message = f"{rows[0].way} and {other.way} cannot be mixed"
        yield other.first.problem(message, "write all times in the same way")
    elif rows:
        start, last = min(row.at for row in rows), max(rows, key=lambda row: row.at)
        if (days := (last.at - start) / 86_400) > MAX_DAYS:
            message = f"the file spans {days:.0f} days; the maximum is {MAX_DAYS}"
            yield last.first.problem(message, "take a part of it, with times in seconds")
