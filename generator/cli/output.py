"""What commands print: problems, tables, progress, questions. Color only on a terminal."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from generator import app
from generator.errors import AwsError, CredentialsError, Exit, Problem
from generator.jobs import Terminal

if TYPE_CHECKING:
    from rich.table import Table

    from sd_on_eks import TaskStatus

# Width of a table that is not on a terminal: more than any row needs, so that no cell is cut or folded.
UNLIMITED_COLUMNS = 10_000


def use_color(args: argparse.Namespace, stream: TextIO) -> bool:
    """Color only on a terminal, and not with --no-color or NO_COLOR."""
    return not (args.no_color or os.environ.get("NO_COLOR")) and stream.isatty()


def print_problems(problems: Iterable[Problem], args: argparse.Namespace) -> None:
    """Problems of a config, on standard error, and where they are explained."""
    from generator.config import report  # noqa: PLC0415 - only when there is a problem

    listed = list(problems)
    print(app.problem_text(listed, color=use_color(args, sys.stderr)), file=sys.stderr, end="")
    print(report.pointer(listed), file=sys.stderr, end="")


def write(text: str) -> None:
    """Data on standard output: YAML, JSON or a script. UTF-8, whatever the locale is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def write_json(value: Any) -> None:
    """A result for programs, on standard output."""
    write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def new_table(*columns: str) -> "Table":
    """An empty table: borders on a terminal, columns and spaces elsewhere."""
    from rich.table import Table  # noqa: PLC0415 - slow to import

    table = Table(show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def print_table(table: "Table", args: argparse.Namespace) -> None:
    """A table on standard output. Not on a terminal: no color, no borders, each cell whole on its line."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    if sys.stdout.isatty():
        Console(no_color=not use_color(args, sys.stdout)).print(table)
        return
    table.box = None
    text = io.StringIO()
    Console(file=text, width=UNLIMITED_COLUMNS, color_system=None, force_terminal=False).print(table)
    print("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def add_row(table: "Table", cells: Sequence[str]) -> None:
    """A row of plain text: brackets in a cell are no markup."""
    from rich.text import Text  # noqa: PLC0415 - slow to import

    table.add_row(*(Text(cell) for cell in cells))


def print_files(status: "TaskStatus", files: Iterable[Path], args: argparse.Namespace) -> None:
    """The pictures of a task that ended."""
    names = [str(file) for file in files]
    if args.format == "json":
        write_json({"id": status.id, "status": status.status, "error": status.error or None, "files": names})
    elif names:
        print("\n".join(names))


def terminal(args: argparse.Namespace) -> Terminal:
    """Progress on standard output, or on standard error where that is for JSON; questions on the terminal.

    --yes answers them all with yes.
    """
    return Terminal(ask=_answer(args), say=say_error if getattr(args, "format", "") == "json" else say)


def changing_terminal(args: argparse.Namespace) -> Terminal:
    """As `terminal`; with --format json the progress is JSON Lines on standard output.

    What other programs print goes to standard error then: they inherit the file descriptor, not the stream.
    """
    if args.format != "json":
        return terminal(args)
    sys.stdout.flush()
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say_json(line: str) -> None:
        print(json.dumps({"message": line}, ensure_ascii=False), file=stream, flush=True)

    return Terminal(ask=_answer(args), say=say_json)


def _answer(args: argparse.Namespace) -> Callable[[str], bool]:
    return (lambda _: True) if getattr(args, "yes", False) else ask


def say_error(line: str) -> None:
    """One line on standard error."""
    print(line, file=sys.stderr, flush=True)


def say(line: str) -> None:
    """One line of progress, at once."""
    print(line, flush=True)


def ask(question: str) -> bool:
    """Ask on the terminal; without a terminal the answer is no."""
    if not sys.stdin.isatty():
        say(f"{question} Standard input is not a terminal, so the answer is no: --yes confirms.")
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def fail(command: str, reason: object, code: Exit) -> Exit:
    """Print why a command ends, and give its exit code."""
    print(f"generator {command}: {reason}".rstrip(), file=sys.stderr)
    return code


def stopped(command: str, error: Exception) -> Exit:
    """Print why a deployment stopped and how to continue; the exit code."""
    if not isinstance(error, AwsError):
        return fail(command, error, Exit.CONFIG)
    fail(command, error, Exit.AWS)
    if isinstance(error, CredentialsError):
        return Exit.AWS
    print("Fix the cause and run the same command again: it continues from here.", file=sys.stderr)
    return Exit.AWS
