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
    """Each problem with its line of the file, a caret under the value, and the help."""
    return "".join(_text(problem, sources.get(problem.source, ()), color) for problem in problems)


def _text(problem: Problem, lines: Sequence[str], color: bool) -> str:
    style, bold, dim, off = (_COLORS[problem.severity], _BOLD, _DIM, _OFF) if color else ("", "", "", "")
    position = f"{bold}{problem.source}:{problem.line}:{problem.column}{off}"
    severity = f"{style}{problem.severity.value}{off}"
    head = f"{position}: {severity}: {problem.path}: {problem.message} [{problem.code}]\n"
    return f"{head}{_excerpt(problem, lines, style, dim, off)}  help: {problem.help}\n"


def _excerpt(problem: Problem, lines: Sequence[str], style: str, dim: str, off: str) -> str:
    """The line of the file, with a caret under the key or value."""
    if not 1 <= problem.line <= len(lines):
        return ""
    line = lines[problem.line - 1].expandtabs(1)
    number = str(problem.line)
    tildes = "~" * (width(line, problem.column) - 1)
    caret = f"{' ' * (problem.column - 1)}{style}^{tildes}{off}"
    return f"{dim}{number:>5} |{off} {line}\n{dim}      |{off} {caret}\n"


def width(line: str, column: int) -> int:
    """The width of the key or value that starts at `column`."""
    rest = line[column - 1 :]
    closing = {"'": "'", '"': '"', "[": "]", "{": "}"}.get(rest[:1])
    if closing and (end := rest.find(closing, 1)) > 0:
        return end + 1
    for sign in (":", " #", ",", "]", "}", "- "):
        at = rest.find(sign)
        if at > 0 and (sign != ":" or rest[at + 1 : at + 2] in ("", " ")):
            rest = rest[:at]
    return max(1, len(rest.rstrip()))


def pointer(problems: Iterable[Problem]) -> str:
    """The line that says where the rules are explained; empty without problems."""
    codes = sorted({problem.code for problem in problems})
    if not codes:
        return ""
    others = f" (also {', '.join(codes[1:])})" if codes[1:] else ""
    return f"`generator explain {codes[0]}` shows a wrong and a right example{others}\n"


def summary(problems: Sequence[Problem], files: int) -> str:
    """The last line: the number of errors and warnings."""
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    if not problems:
        return f"{_count(files, 'file')}: no problems\n"
    return f"{_count(files, 'file')}: {_count(errors, 'error')}, {_count(warnings, 'warning')}\n"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def as_json(problems: Sequence[Problem], files: Sequence[str]) -> str:
    """A JSON object with the checked files and the list of problems."""
    rows = [
        {
            "file": problem.source,
            "line": problem.line,
            "column": problem.column,
            "path": problem.path,
            "code": problem.code,
            "severity": problem.severity.value,
            "message": problem.message,
            "help": problem.help,
        }
        for problem in problems
    ]
    return json.dumps({"files": list(files), "problems": rows}, indent=2, ensure_ascii=False) + "\n"


def github(problems: Iterable[Problem]) -> str:
    """GitHub workflow commands, shown at the line in a pull request."""
    return "".join(_annotation(problem) for problem in problems)


def _annotation(problem: Problem) -> str:
    position = (
        f"file={_property(problem.source)},line={problem.line},col={problem.column},title={problem.code}"
    )
    words = _data(f"{problem.path}: {problem.message}; {problem.help}")
    return f"::{problem.severity.value} {position}::{words}\n"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def sarif(
    problems: Sequence[Problem], rules: Mapping[str, tuple[Severity, str]], version: str, rules_url: str
) -> str:
    """SARIF 2.1.0, for code scanning services.

    `rules`: code -> severity and text of the rule. `rules_url`: where docs/rules.md is,
    with a heading for each rule, of which Markdown renderers make an anchor.
    """
    index = {code: number for number, code in enumerate(rules)}
    driver = {
        "name": "generator",
        "version": version,
        "rules": [
            {
                "id": code,
                "shortDescription": {"text": words},
                "help": {"text": f"generator explain {code}"},
                "helpUri": f"{rules_url}#{code.lower()}",
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
        "message": {"text": f"{problem.path}: {problem.message}. Help: {problem.help}."},
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
