"""Writes generator/config/data/rule_examples.json from tests/generator/bad (`make reference`).

Each rule gets a wrong example, from the config of its first case that has a right.yaml, and a right one, from
that file. A rule without a right.yaml gets one, if what the helps say repairs the config; else it is named,
and somebody has to write it.
"""

import difflib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby

from generator.config import report, validate
from generator.config.examples import FILE, RuleExample
from testing import bad_cases, repairs
from testing.bad_cases import BadCase


def main() -> int:
    """Write the right configs that are missing, and the examples; 1 when a rule has no right config."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        os.environ.pop(name, None)
    without = write_missing_rights()
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), "utf-8")
    for code in without:
        print(f"{code}: write right.yaml into a folder of {bad_cases.BAD}/{code}-*", file=sys.stderr)
    return 1 if without else 0


def write_missing_rights() -> list[str]:
    """Repair a case of each rule that has no right config; the codes for which no repair helps."""
    without = []
    for code, group in by_code().items():
        if any(case.right.exists() for case in group):
            continue
        for case in group:
            if right := _repaired(case):
                case.right.write_text(right, "utf-8")
                break
        else:
            without.append(code)
    return without


def _repaired(case: BadCase) -> str | None:
    try:
        return repairs.repaired(case.config.read_text("utf-8"), case.right_flags)
    except UnicodeDecodeError:
        return None


def by_code() -> dict[str, list[BadCase]]:
    """The cases of each rule."""
    return {code: list(group) for code, group in groupby(bad_cases.cases(), lambda case: case.code)}


def text() -> str:
    """The content of the data file: code -> example, for the rules that have a right config."""
    found = {code: example(group) for code, group in by_code().items()}
    rows = {code: asdict(row) for code, row in found.items() if row and code in validate.catalogue()}
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def example(group: Iterable[BadCase]) -> RuleExample | None:
    """The example of the first case that has a right config."""
    case = next((case for case in group if case.right.exists()), None)
    if case is None:
        return None
    wrong, right = (file.read_text("utf-8").splitlines() for file in (case.config, case.right))
    found = bad_cases.problems_of_file(case.config, case.flags)
    problem = next(problem for problem in found if problem.code == case.code)
    changed, added, same = _differences(wrong, right)
    index = problem.line - 1
    shown = _with_parents(wrong, {*_near(changed, index), index} if wrong else set())
    at = shown.index(index) if index in shown else 0
    kept = {*added, *(same[number] for number in shown if number in same)} or {0}
    return RuleExample(
        wrong=tuple(wrong[number] for number in shown),
        flags=" ".join(flag for flag in case.flags if flag != "deriving"),
        at=at,
        column=problem.column,
        width=report.width(wrong[index], problem.column) if wrong else 1,
        message=problem.message,
        help=problem.help,
        right=tuple(right[number] for number in _with_parents(right, kept)),
        right_flags=" ".join(flag for flag in case.right_flags if flag != "deriving"),
    )


def _differences(wrong: Sequence[str], right: Sequence[str]) -> tuple[list[int], list[int], dict[int, int]]:
    """The lines that only the wrong config has, those that only the right one has, and those of both."""
    removed, added, same = list[int](), list[int](), dict[int, int]()
    for kind, start, end, new_start, new_end in difflib.SequenceMatcher(
        None, wrong, right, autojunk=False
    ).get_opcodes():
        if kind != "equal":
            removed += range(start, end)
            added += range(new_start, new_end)
        else:
            same |= zip(range(start, end), range(new_start, new_end), strict=True)
    return removed, added, same


def _near(lines: Iterable[int], index: int) -> set[int]:
    """Of the changed lines those that make the example: all of them if they are few."""
    ordered = sorted(lines, key=lambda number: abs(number - index))
    return set(ordered[:MAX_LINES])


MAX_LINES = 14


def _with_parents(lines: Sequence[str], chosen: set[int]) -> list[int]:
    """The chosen lines with the keys above them, in order."""
    shown = set(chosen)
    for number in chosen:
        indent = _indent(lines[number])
        for above in range(number - 1, -1, -1):
            if lines[above].strip() and _indent(lines[above]) < indent:
                shown.add(above)
                indent = _indent(lines[above])
    return sorted(shown)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


if __name__ == "__main__":
    sys.exit(main())
