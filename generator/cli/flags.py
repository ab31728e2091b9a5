"""Flags that several commands share, and what they say as a Target."""

import argparse
import re
from pathlib import Path

from generator import app, paths
from generator.app import Solved, Target


def add_target(parser: argparse.ArgumentParser) -> None:
    """The flags that say where a config is deployed to."""
    group = parser.add_argument_group(
        "target", "a flag wins over the config, the config over the environment"
    )
    group.add_argument(
        "--region", help="AWS region (config: region; environment: AWS_REGION, AWS_DEFAULT_REGION)"
    )
    account = group.add_mutually_exclusive_group()
    account.add_argument("--account", metavar="ID", help="AWS account, 12 digits (config: accountId)")
    account.add_argument(
        "--account-from-sts", action="store_true", help="use the account of the current AWS credentials"
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """FILE and the flags of `add_target`: what `solved` reads."""
    parser.add_argument("file", metavar="FILE", help="the solution config, or - for standard input")
    add_target(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """The flag for the folder of builds."""
    default = paths.DEFAULT_OUTPUT
    help_text = f"folder that holds a folder for each solution (default: {default})"
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, default=default, help=help_text)


def add_chart(parser: argparse.ArgumentParser, default: str | None, default_text: str) -> None:
    """The flag for the chart that the values are for. `default_text` describes the default in the help."""
    from generator.build.files import CHARTS  # noqa: PLC0415 - slow to import, and few commands need it

    help_text = f"chart that the values are for (default: {default_text})"
    parser.add_argument("--chart", choices=CHARTS, default=default, help=help_text)


def add_format(parser: argparse.ArgumentParser) -> None:
    """The flag that chooses between text for people and JSON for programs."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def add_changing(parser: argparse.ArgumentParser) -> None:
    """The flags of the commands that change something in AWS or in the cluster."""
    add_config(parser)
    add_output(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the commands, change nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")


def add_zones(parser: argparse.ArgumentParser) -> None:
    """The flag for accounts in which a default zone cannot be used: zone names differ between accounts."""
    parser.add_argument(
        "--zones",
        metavar="A,B,C",
        type=three_zones,
        help="other availability zones, if `generator preflight` asks for them; repeat it on each deploy",
    )


def three_zones(text: str) -> tuple[str, str, str]:
    """`us-east-1a,us-east-1b,us-east-1d`, sorted. Raises ArgumentTypeError."""
    zones = sorted(set(text.split(",")))
    if len(zones) != 3 or not all(re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d[a-z]", zone) for zone in zones):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not three zones, as in us-east-1a,us-east-1b,us-east-1d"
        )
    return zones[0], zones[1], zones[2]


def target(args: argparse.Namespace) -> Target:
    """What the flags of `add_target` say."""
    return Target(args.region, args.account, args.account_from_sts)


def solved(args: argparse.Namespace) -> Solved:
    """The config of FILE, validated and resolved, with --zones. Prints warnings; raises ConfigError."""
    from generator.cli import output  # noqa: PLC0415 - only when a config is read

    solution = app.solve(app.open_config(args.file), target(args))
    output.print_problems(solution.warnings, args)
    return app.in_zones(solution, getattr(args, "zones", None))
