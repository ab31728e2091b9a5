"""Reads arrivals of tasks from a CSV file: a time, a runtime and, if known, the seconds of the run."""

import csv
import io
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

COLUMNS = ("timestamp", "runtime", "seconds")
# The most tasks: a simulation of each policy takes some seconds for so many.
MAX_TASKS = 200_000
MAX_PROBLEMS = 20


@dataclass(frozen=True)
class TraceTask:
    """One task: seconds since the first one, its runtime, the seconds of its run if the file has them."""

    at: float
    runtime: str
    seconds: float | None = None


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
    """The cells of a task; times are seconds since 1970, or since any start (`is_date` false)."""

    at: float
    is_date: bool
    runtime: str
    seconds: float | None
    first: _Cell


def parse(text: str, runtimes: Collection[str] | None = None) -> tuple[TraceTask, ...]:
    """The tasks of a trace, in the order of their times. Raises TraceError.

    The first line names the columns, in any order; without it they are timestamp, runtime, seconds.
    `runtimes`: those that tasks may have; None for any.
    """
    lines = list(_lines(text.removeprefix("\ufeff")))
    if not lines:
        raise TraceError([TraceProblem(1, 1, "the file has no tasks", "write a line such as 0.5,sdxl-turbo")])
    header = [cell.text.lower() for cell in lines[0]]
    named = "timestamp" in header
    problems = list(_header_problems(lines[0], header)) if named else []
    columns = header if named else list(COLUMNS)
    rows: list[_Row] = []
    for cells in () if problems else lines[1 if named else 0 :]:
        row = _row(dict(zip(columns, cells, strict=False)), cells, len(columns), runtimes)
        if isinstance(row, TraceProblem):
            problems.append(row)
        else:
            rows.append(row)
    problems += _mixed(rows)
    if len(rows) > MAX_TASKS:
        message = f"the file has {len(rows)} tasks; the maximum is {MAX_TASKS}"
        problems.append(rows[MAX_TASKS].first.problem(message, "take the busiest days of it"))
    if not rows and not problems:
        problems.append(TraceProblem(1, 1, "the file has no tasks", "add a line for each task"))
    if problems:
        raise TraceError(sorted(problems, key=lambda item: (item.line, item.column))[:MAX_PROBLEMS])
    start = min(row.at for row in rows)
    tasks = (TraceTask(row.at - start, row.runtime, row.seconds) for row in rows)
    return tuple(sorted(tasks, key=lambda task: task.at))


def _lines(text: str) -> Iterator[list[_Cell]]:
    """The cells of each line that has any; quoted cells may hold commas."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells, column = [], 1
        for value in next(csv.reader(io.StringIO(line))):
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
    if "runtime" not in header:
        yield cells[-1].problem("column runtime is missing", f"the columns are {known}")


def _row(
    cells: dict[str, _Cell], line: Sequence[_Cell], width: int, runtimes: Collection[str] | None
) -> _Row | TraceProblem:
    if len(line) > width:
        return line[width].problem(f"{len(line)} cells instead of at most {width}", "remove the others")
    time, runtime, seconds = (cells.get(name) for name in COLUMNS)
    if time is None or runtime is None:
        return line[-1].problem("the line has no runtime", "write a line such as 0.5,sdxl-turbo")
    at = _time(time.text)
    if at is None:
        help = "write 2026-11-27T09:30:00Z, or seconds such as 12.5"
        return time.problem(f"{time.text!r} is not a time", help)
    if runtimes is not None and runtime.text not in runtimes:
        help = f"the runtimes of the config are {', '.join(sorted(runtimes))}"
        return runtime.problem(f"the config has no runtime {runtime.text!r}", help)
    duration = _number(seconds.text) if seconds and seconds.text else None
    if seconds and seconds.text and not (duration and duration > 0):
        return seconds.problem(
            f"{seconds.text!r} is not a number of seconds above 0", "leave it empty if unknown"
        )
    return _Row(at[0], at[1], runtime.text, duration, line[0])


def _time(text: str) -> tuple[float, bool] | None:
    """Seconds, and whether they are those of a date."""
    if (number := _number(text)) is not None:
        return number, False
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Without a zone: all times of the file are of the same one.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), True


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _mixed(rows: Sequence[_Row]) -> list[TraceProblem]:
    other = next((row for row in rows if row.is_date is not rows[0].is_date), None)
    if other is None:
        return []
    return [other.first.problem("dates and seconds cannot be mixed", "write all times in the same way")]
