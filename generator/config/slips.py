"""Finds the typing slips behind YAML syntax errors: the line to blame, and the cure.

The parser often reports an error lines after its cause. Each kind of slip proposes repairs of a line;
a repair counts only if the parser gets further with it than without.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import yaml

from generator import yaml_loader
from generator.config import line_patterns, line_repairs
from generator.config.line_patterns import Repair
from generator.config.line_scan import scan

# How many slips of one file are reported in one run.
MAX_SLIPS = 20
# How many lines all attempts to repair one error may parse together: a bound for very long files.
MAX_PARSED_LINES = 100_000
MIN_ATTEMPTS = 40

Finder = Callable[[Sequence[str], int], Iterator[Repair]]
NO_ERROR = 1 << 31
_KEY_LINE = re.compile(r"\s*(- +)*[\w.-]+:(\s|$)")

# The first kinds are the most specific: of two repairs that help as much, the earlier kind is reported.
KINDS: tuple[Finder, ...] = (
    line_repairs.tabs,
    line_repairs.blanks,
    line_repairs.no_space_after_dash,
    *(pattern.repairs for pattern in line_patterns.PATTERNS),
    line_repairs.punctuation,
    line_repairs.quotes,
    line_repairs.brackets,
    line_repairs.block_text,
    line_repairs.value_above_a_list,
    line_repairs.no_colon_after_key,
    line_patterns.NO_COLON.repairs,
    line_repairs.indentation,
    line_repairs.unquoted,
    line_patterns.NO_COMMA.repairs,
)


def slips(text: str) -> list[Repair]:
    """The slips of a text that is not valid YAML, in the order in which the parser meets them.

    Each is repaired before the next one is looked for. Empty when no repair helps the first error.
    """
    lines, found = text.splitlines(), list[Repair]()
    while len(found) < MAX_SLIPS and (error := _error(lines)) is not None:
        repair = _best(lines, error)
        if repair is None:
            break
        found.append(repair)
        lines = _with(lines, repair)
    return found


def _with(lines: Sequence[str], repair: Repair) -> list[str]:
    return [repair.changes.get(number, line) for number, line in enumerate(lines)]


def _best(lines: Sequence[str], error: yaml.MarkedYAMLError) -> Repair | None:
    """The repair with which the parser gets the most lines further; None when it gets no further with any.

    Of two repairs of one kind that help as much, the one that changes fewer lines.
    """
    start = reached = _line(lines, error)
    best, changed = None, 0
    attempts = max(MIN_ATTEMPTS, MAX_PARSED_LINES // max(1, len(lines)))
    for find in KINDS:
        if reached == NO_ERROR:
            break
        kind_start = reached
        for repair in (repair for index in _candidates(lines, error) for repair in find(lines, index)):
            attempts -= 1
            if attempts < 0:
                return best
            repaired = _with(lines, repair)
            next_error = _error(repaired)
            line = NO_ERROR if next_error is None else _line(repaired, next_error)
            fewer = line == reached > kind_start and len(repair.changes) < changed
            if line > max(start, reached) or fewer:
                best, reached, changed = repair, line, len(repair.changes)
    return best


def _candidates(lines: Sequence[str], error: yaml.MarkedYAMLError) -> list[int]:
    """The lines that may be to blame, nearest to the error first."""
    marks = [mark.line for mark in (error.problem_mark, error.context_mark) if mark]
    last = min(max(marks, default=0), len(lines) - 1)
    return list(dict.fromkeys([*(min(line, last) for line in marks), *range(last, -1, -1)]))


def _line(lines: Sequence[str], error: yaml.MarkedYAMLError) -> int:
    """The line of an error; where a quote opens and swallows the next line, the line with that quote."""
    mark = error.problem_mark or error.context_mark
    last = mark.line if mark else 0
    for number in range(min(last, len(lines) - 1)):
        if _KEY_LINE.match(lines[number + 1]) and scan(lines[number]).quote:
            return number
    return last


def _error(lines: Sequence[str]) -> yaml.MarkedYAMLError | None:
    """The parser's first error; None when it has none (or finds a character that YAML does not allow)."""
    try:
        yaml.compose("\n".join(lines) + "\n", Loader=yaml_loader.LOADER)
    except yaml.MarkedYAMLError as error:
        return error
    except yaml.reader.ReaderError:
        return None
    return None
