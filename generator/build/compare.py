"""The differences between two builds, as a unified diff."""

from collections.abc import Iterator, Mapping
from difflib import unified_diff

from generator.build.files import MADE_FROM, without_header

_COLORS = {"-": "\x1b[31m", "+": "\x1b[32m", "@": "\x1b[36m"}
_RESET = "\x1b[0m"


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """The lines of the diff, path by path. The headers that name the config are not compared."""
    for path in sorted((old.keys() | new.keys()) - {MADE_FROM}):
        before, after = old.get(path), new.get(path)
        yield from unified_diff(
            _lines(before),
            _lines(after),
            "/dev/null" if before is None else f"a/{path}",
            "/dev/null" if after is None else f"b/{path}",
            lineterm="",
        )


def colored(line: str) -> str:
    """A line of a diff in the colors of git diff."""
    color = _COLORS.get(line[:1])
    return f"{color}{line}{_RESET}" if color else line


def _lines(text: str | None) -> list[str]:
    return [] if text is None else without_header(text).splitlines()
