"""What the commands share: flags, reading a config, the way from a file to a resolved solution."""

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from generator import paths
from generator.config import document
from generator.config.document import ConfigDocument
from generator.errors import AwsError, ConfigError, Problem, Severity
from generator.facts.facts import Facts
from generator.solution.context import Context
from generator.solution.defaults import Defaults
from generator.solution.model import Solution

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

STDIN = "-"


def command(subparsers: Subparsers, name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """The parser of one command: its help ends with examples, and it takes `--no-color` too."""
    from generator.cli.main import COMMANDS  # noqa: PLC0415 - the table of commands is in cli, which imports us

    parser = subparsers.add_parser(
        name,
        help=COMMANDS[name][1],
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--no-color", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def add_place(parser: argparse.ArgumentParser) -> None:
    """The flags that say where a config is deployed to."""
    where = parser.add_argument_group("where", "a flag wins over the config, the config over the environment")
    where.add_argument(
        "--region", help="AWS region (config: region; environment: AWS_REGION, AWS_DEFAULT_REGION)"
    )
    account = where.add_mutually_exclusive_group()
    account.add_argument("--account", metavar="ID", help="AWS account, 12 digits (config: accountId)")
    account.add_argument(
        "--account-from-sts", action="store_true", help="ask AWS which account the credentials are of"
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """FILE and the flags of `add_place`: what `load_solution` reads."""
    parser.add_argument("file", metavar="FILE", help="the solution config, or - for standard input")
    add_place(parser)


def read(name: str) -> str:
    """The text of a config file. Raises ConfigError when it cannot be read."""
    try:
        content = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            [_no_file(name, f"cannot read the file: {error.strerror}", "check the path")]
        ) from error
    except UnicodeDecodeError as error:
        what = f"not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        raise ConfigError([_no_file(name, what, "save the file as UTF-8")]) from error


def shown(name: str) -> str:
    """How messages call a file."""
    return "<stdin>" if name == STDIN else name


def _no_file(name: str, what: str, help: str) -> Problem:
    return Problem(shown(name), 1, 1, "$", document.YAML_TEXT, what, help)


def context(args: argparse.Namespace, data: Mapping[str, Any]) -> Context:
    """Where `data` is to be deployed (see Context), and today's date."""
    environment = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    region = args.region or _text(data, "region") or environment
    account = args.account or (
        _account_from_sts(region) if args.account_from_sts else _text(data, "accountId")
    )
    return Context(region, account, datetime.now(UTC).date())


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) and value else None


def _account_from_sts(region: str | None) -> str:
    """The account of the credentials at hand."""
    import boto3  # noqa: PLC0415 - slow to import, and only this flag needs it
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        return str(boto3.client("sts", region_name=region or "us-east-1").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise AwsError(f"AWS did not say which account this is: {error}") from error


def schema() -> dict[str, Any]:
    """The contract of a solution config."""
    import json  # noqa: PLC0415

    loaded: dict[str, Any] = json.loads((paths.root() / "values-schema.json").read_text("utf-8"))
    return loaded


def defaults() -> Defaults:
    """What holds where a config says nothing, from the schema and the charts."""
    from generator.config import defaults as config_defaults  # noqa: PLC0415 - as in `solve`
    from generator.facts import runtimes  # noqa: PLC0415
    from generator.solution import defaults as solution_defaults  # noqa: PLC0415

    contract, charts = schema(), runtimes.load(paths.root() / "charts")
    return solution_defaults.defaults(
        config_defaults.of_config(contract), config_defaults.of_runtime(contract), charts
    )


def load_document(args: argparse.Namespace) -> ConfigDocument:
    """The file that a command was given."""
    return document.load(read(args.file), shown(args.file))


def load_solution(args: argparse.Namespace) -> Solution:
    """From the file to the solution. Prints warnings; raises ConfigError with all errors."""
    return solve(load_document(args), args)


def solve(config: ConfigDocument, args: argparse.Namespace) -> Solution:
    """From a document to the solution; for commands that also need the text itself."""
    from generator.config import validate  # noqa: PLC0415 - only commands that derive something need them
    from generator.solution import resolve  # noqa: PLC0415

    facts = Facts(paths.data())
    where = context(args, config.data)
    problems = validate.problems(config, schema(), facts, where, deriving=True)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigError(problems)
    print_problems(problems, args)
    return resolve.solution(config.data, defaults(), facts, where)


def print_problems(problems: Iterable[Problem], args: argparse.Namespace) -> None:
    """Problems on standard error, each with its line of the file (standard input cannot be read again)."""
    from generator.config import report  # noqa: PLC0415

    found = list(problems)
    files = {problem.source: Path(problem.source) for problem in found}
    lines = {name: path.read_text("utf-8").splitlines() for name, path in files.items() if path.is_file()}
    print(report.text(found, lines, color=use_color(args, sys.stderr)), file=sys.stderr, end="")


def use_color(args: argparse.Namespace, stream: Any) -> bool:
    """Colour only on a terminal, and never against the user's wish."""
    return not (getattr(args, "no_color", False) or os.environ.get("NO_COLOR")) and bool(stream.isatty())
