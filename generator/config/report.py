"""Problems as text for people, JSON, SARIF and GitHub annotations."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from generator.errors import Problem, Severity

FORMATS = ("text", "json", "sarif", "github")
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_COLORS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m"}
_BOLD, _DIM, _OFF = "\x1b[1m", "\x1b[2m", "\x1b[0m"


def text(problems: Iterable[Problem], sources: Mapping[str, Sequence[str]], color: bool = False) -> str:
    """Each problem with the line it is about, a caret under the place, and the cure."""
    return "".join(_text(problem, sources.get(problem.source, ()), color) for problem in problems)


def _text(problem: Problem, lines: Sequence[str], color: bool) -> str:
    tint, bold, dim, off = (_COLORS[problem.severity], _BOLD, _DIM, _OFF) if color else ("", "", "", "")
    place = f"{bold}{problem.source}:{problem.line}:{problem.column}{off}"
    head = f"{place}: {tint}{problem.severity.value}{off}: {problem.path}: {problem.what} [{problem.code}]\n"
    return f"{head}{_excerpt(problem, lines, tint, dim, off)}  help: {problem.help}\n"


def _excerpt(problem: Problem, lines: Sequence[str], tint: str, dim: str, off: str) -> str:
    """The line of the file, and a caret under the word."""
    if not 1 <= problem.line <= len(lines):
        return ""
    line = lines[problem.line - 1].expandtabs(1)
    number = str(problem.line)
    width = _word(line, problem.column)
    caret = f"{' ' * (problem.column - 1)}{tint}^{'~' * (width - 1)}{off}"
    return f"{dim}{number:>5} |{off} {line}\n{dim}      |{off} {caret}\n"


def _word(line: str, column: int) -> int:
    """How many columns the key or value that starts at `column` takes."""
    rest = line[column - 1 :]
    closing = {"'": "'", '"': '"', "[": "]", "{": "}"}.get(rest[:1])
    if closing and (end := rest.find(closing, 1)) > 0:
        return end + 1
    for sign in (":", " #", ",", "]", "}", "- "):
        at = rest.find(sign)
        if at > 0 and (sign != ":" or rest[at + 1 : at + 2] in ("", " ")):
            rest = rest[:at]
    return max(1, len(rest.rstrip()))


def summary(problems: Sequence[Problem], files: int) -> str:
    """One last line: how many of which."""
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    if not problems:
        return f"{_count(files, 'file')}: no problems\n"
    return f"{_count(files, 'file')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}\n"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def as_json(problems: Sequence[Problem], files: Sequence[str]) -> str:
    """An object with the files looked at and a list of problems."""
    rows = [
        {
            "file": problem.source,
            "line": problem.line,
            "column": problem.column,
            "path": problem.path,
            "code": problem.code,
            "severity": problem.severity.value,
            "what": problem.what,
            "help": problem.help,
        }
        for problem in problems
    ]
    return json.dumps({"files": list(files), "problems": rows}, indent=2, ensure_ascii=False) + "\n"


def github(problems: Iterable[Problem]) -> str:
    """Workflow commands: GitHub shows them at the line of the pull request."""
    return "".join(_annotation(problem) for problem in problems)


def _annotation(problem: Problem) -> str:
    place = f"file={_property(problem.source)},line={problem.line},col={problem.column},title={problem.code}"
    words = _data(f"{problem.path}: {problem.what}; {problem.help}")
    return f"::{problem.severity.value} {place}::{words}\n"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(problems: Sequence[Problem], rules: Mapping[str, tuple[Severity, str]], version: str) -> str:
    """SARIF 2.1.0: what code scanning services read. `rules`: code -> severity and text of the rule."""
    index = {code: number for number, code in enumerate(rules)}
    driver = {
        "name": "generator",
        "version": version,
        "rules": [
            {
                "id": code,
                "shortDescription": {"text": words},
                "help": {"text": f"generator explain {code}"},
                "defaultConfiguration": {"level": severity.value},
            }
            for code, (severity, words) in rules.items()
        ],
    }
    results = [_sarif_result(problem, index[problem.code]) for problem in problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _sarif_result(problem: Problem, rule: int) -> dict[str, Any]:
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity.value,
        "message": {"text": f"{problem.path}: {problem.what}. Help: {problem.help}."},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(problem.source)},
                    "region": {"startLine": problem.line, "startColumn": problem.column},
                },
                "logicalLocations": [{"fullyQualifiedName": problem.path}],
            }
        ],
    }
