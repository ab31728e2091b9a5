"""The configs of tests/generator/bad, which each break a rule, and the problems that are found in them."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from generator import app
from generator.cli import flags as common_flags
from generator.config import document
from generator.errors import ConfigError, Problem

BAD = Path(__file__).resolve().parent.parent / "tests" / "generator" / "bad"
TODAY = date(2026, 11, 22)
SOURCE = "config.yaml"


@dataclass(frozen=True)
class BadCase:
    """A folder of `bad/`: its name starts with the code of the rule that its config breaks.

    `flags`: flags of the command line, or `deriving` for commands that derive names.
    """

    folder: Path
    flags: tuple[str, ...]

    @property
    def code(self) -> str:
        """The code of the rule."""
        return self.folder.name[:5]

    @property
    def config(self) -> Path:
        """The config that breaks the rule."""
        return self.folder / SOURCE

    @property
    def right(self) -> Path:
        """The same config without the fault; it need not exist."""
        return self.folder / "right.yaml"

    @property
    def right_flags(self) -> tuple[str, ...]:
        """The flags without the fault, where the fault is in the flags."""
        return _words(self.folder / "right-flags.txt") or self.flags


def cases() -> list[BadCase]:
    """Every case, by name."""
    return [BadCase(folder, _words(folder / "flags.txt")) for folder in sorted(BAD.iterdir())]


def _words(file: Path) -> tuple[str, ...]:
    return tuple(file.read_text("utf-8").split()) if file.exists() else ()


def problems_of_file(file: Path, flags: Sequence[str]) -> list[Problem]:
    """The problems of a file, on one fixed day. The environment may name a region: callers remove it."""
    try:
        return problems(app.read_text(str(file)), flags, file.parent)
    except ConfigError as error:
        return [replace(problem, source=SOURCE) for problem in error.problems]


def problems(text: str, flags: Sequence[str], folder: Path = BAD) -> list[Problem]:
    """The problems of a config that is given as text; the files that it names are in `folder`."""
    parser = argparse.ArgumentParser()
    common_flags.add_target(parser)
    target = common_flags.target(parser.parse_args([flag for flag in flags if flag != "deriving"]))
    try:
        config = document.load(text, SOURCE)
    except ConfigError as error:
        return list(error.problems)
    context = replace(app.context(config, target, folder), today=TODAY)
    return app.check(config, context, deriving="deriving" in flags)
