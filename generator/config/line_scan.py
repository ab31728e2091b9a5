"""Quotes, brackets and comment of one line of YAML, whether or not the line is valid."""

import re
from dataclasses import dataclass

OPENING = {"[": "]", "{": "}"}
_CLOSING = {close: open_ for open_, close in OPENING.items()}


@dataclass(frozen=True)
class Scan:
    """What one line leaves open. Positions count from 0; -1 means that there is none."""

    # The quote that is still open at the end of the line, and where it starts.
    quote: str
    quote_at: int
    # The brackets that are still open at the end of the line, with their positions, outermost first.
    brackets: tuple[tuple[str, int], ...]
    # The first closing bracket that closes nothing, or that closes a bracket of the other kind.
    stray_at: int
    # Where the comment starts; the length of the line without one.
    comment_at: int


def scan(line: str) -> Scan:
    """Read one line. A quote or bracket opens only where a value can start, or inside brackets."""
    brackets: list[tuple[str, int]] = []
    quote, quote_at, stray_at, at = "", -1, -1, 0
    while at < len(line):
        char = line[at]
        if quote:
            at, quote = _in_quote(line, at, quote)
        elif char == "#" and (at == 0 or line[at - 1].isspace()):
            return Scan("", -1, tuple(brackets), stray_at, at)
        elif char in "\"'" and _starts_value(line, at):
            quote, quote_at = char, at
        elif char in OPENING and (brackets or _starts_value(line, at)):
            brackets.append((char, at))
        elif char in _CLOSING and stray_at < 0:
            if brackets and brackets[-1][0] == _CLOSING[char]:
                brackets.pop()
            elif brackets or not line[:at].strip() or line[at + 1 :].strip() in ("", ","):
                stray_at = at
        at += 1
    return Scan(quote, quote_at if quote else -1, tuple(brackets), stray_at, len(line))


def _in_quote(line: str, at: int, quote: str) -> tuple[int, str]:
    """The position of the last character read, and the quote that is still open."""
    if quote == '"' and line[at] == "\\":
        return at + 1, quote
    if line[at] != quote:
        return at, quote
    if quote == "'" and line[at + 1 : at + 2] == "'":
        return at + 1, quote
    return at, ""


def _starts_value(line: str, at: int) -> bool:
    """Whether a value can start here: at the start of the line, or after `: `, `- `, `[`, `{` or `,`."""
    before = line[:at]
    return re.search(r"(^|[\[{,]|[:?-]\s)\s*$", before) is not None or before.endswith(('":', "':"))
