"""Repairs a config that breaks a rule by trying what the help of each problem names."""

import json
import re
from collections.abc import Iterator, Sequence

from generator.config import report
from generator.errors import Problem
from testing import bad_cases

MAX_REPAIRS = 20


def repaired(text: str, flags: Sequence[str]) -> str | None:
    """The config without problems of any rule that it broke; None when no attempt helps."""
    for _ in range(MAX_REPAIRS):
        problems = bad_cases.problems(text, flags)
        if not problems:
            return text
        better = next((new for new in _attempts(text, problems[0]) if _is_better(new, problems, flags)), None)
        if better is None:
            return None
        text = better
    return None


def _is_better(text: str, problems: Sequence[Problem], flags: Sequence[str]) -> bool:
    """Whether fewer problems are left, and none is new."""
    left = bad_cases.problems(text, flags)
    before = {(problem.code, problem.path) for problem in problems}
    return len(left) < len(problems) and all((problem.code, problem.path) in before for problem in left)


def _attempts(text: str, problem: Problem) -> Iterator[str]:
    """The config with one repair: a word of the help in place of the wrong one, or without the key."""
    lines = text.splitlines()
    index, start = problem.line - 1, problem.column - 1
    line = lines[index]
    end = start + report.width(line, problem.column)
    for word in _words(problem.help):
        yield _joined([*lines[:index], line[:start] + word + line[end:], *lines[index + 1 :]])
    yield _without(lines, index)


def _words(help: str) -> list[str]:
    """The words of a help that may be a value: quoted ones first."""
    quoted = re.findall(r"'([^']+)'|`([^`]+)`|(\"[^\"]+\")", help)
    candidates = [next(filter(None, groups)) for groups in quoted]
    candidates += [json.dumps(number) for number in map(int, re.findall(r"\b\d+\b", help))]
    # Of the other words those that prose does not have: g5.xlarge, IfNotPresent, /opt/ml.
    words = [word.strip(",.;:()") for word in help.split()]
    return candidates + [word for word in words if re.search(r".[A-Z]|[\d/]|\w\.\w", word)]


def _without(lines: Sequence[str], index: int) -> str:
    """The config without the key of a line, what is below it, and keys above that have nothing else."""
    first = last = index
    while last + 1 < len(lines) and _indent(lines[last + 1]) > _indent(lines[index]):
        last += 1
    while (
        first > 0
        and _indent(lines[first - 1]) < _indent(lines[first])
        and (last + 1 == len(lines) or _indent(lines[last + 1]) < _indent(lines[first]))
        and lines[first - 1].rstrip().endswith(":")
        and not lines[first - 1].lstrip().startswith("- ")
    ):
        first -= 1
    return _joined([*lines[:first], *lines[last + 1 :]])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
