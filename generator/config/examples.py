"""A wrong and a right example of each rule, made by `make reference` from tests/generator/bad."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent / "data" / "rule_examples.json"


@dataclass(frozen=True)
class RuleExample:
    """Lines of a config that break a rule, the problem in them, and the same lines without it.

    `at`: the index in `wrong` of the line with the problem; `column` (from 1) and `width`: its place there.
    `flags`: flags of the command line that belong to the example.
    """

    wrong: tuple[str, ...]
    flags: str
    at: int
    column: int
    width: int
    message: str
    help: str
    right: tuple[str, ...]
    right_flags: str

    def wrong_text(self) -> str:
        """The wrong lines with a caret under the fault, its message and its help."""
        caret = " " * (self.column - 1) + "^" + "~" * (self.width - 1)
        lines = [*self.wrong[: self.at + 1], caret, *self.wrong[self.at + 1 :]]
        return "\n".join([*_command(self.flags), *lines, "", f"{self.message}", f"help: {self.help}"])

    def right_text(self) -> str:
        """The right lines."""
        return "\n".join([*_command(self.right_flags), *self.right])


def _command(flags: str) -> list[str]:
    return [f"# generator validate config.yaml {flags}"] if flags else []


@cache
def examples() -> Mapping[str, RuleExample]:
    """The example of each rule, by code; a rule that was added later has none yet."""
    rows: dict[str, dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
    return {
        code: RuleExample(**{**row, "wrong": tuple(row["wrong"]), "right": tuple(row["right"])})
        for code, row in rows.items()
    }
