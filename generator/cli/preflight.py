"""`generator preflight`: asks AWS whether the plan can work in this account."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from generator import paths
from generator.aws.clients import Aws
from generator.cli import building, common, deploying
from generator.errors import Exit
from generator.facts import runtimes
from generator.facts.facts import Facts
from generator.iam import deployer
from generator.images import images
from generator.preflight import increase, report, themes
from generator.preflight.check import Subject, run_all
from generator.preflight.result import Result, ending
from generator.solution.model import Solution

DESCRIPTION = """\
Ask AWS whether the plan can work in this account: credentials, region, quotas, EKS version, models, images,
names, rights. Nothing is changed, unless --request-increase asks AWS for higher quotas.
"""
EXAMPLES = """\
  generator preflight config.yaml                      a table
  generator preflight config.yaml --format json        for CI
  generator preflight config.yaml --request-increase   also ask AWS for the quotas that are too low

exit codes: 0 nothing stands in the way (there may be warnings), 2 a check failed,
            3 none failed, but AWS refused an answer
"""


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "preflight", DESCRIPTION, EXAMPLES)
    common.add_config(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    deploying.add_zones(parser)
    parser.add_argument("--all", action="store_true", help="show what passed, too, one by one")
    parser.add_argument(
        "--request-increase", action="store_true", help="ask AWS for higher quotas, where the plan needs them"
    )


def run(args: argparse.Namespace) -> Exit:
    """Ask, judge, print."""
    solution = deploying.in_zones(common.load_solution(args), args)
    clients = Aws(solution.region)
    results = run_all(list(themes.checks(subject(solution))), clients)
    if args.format == "json":
        sys.stdout.write(json.dumps(report.as_data(results), indent=2) + "\n")
    else:
        _print(args, results)
    if args.request_increase:
        for line in increase.request(clients, solution.partition.name, results):
            print(line, file=sys.stderr)
    return ending(results)


def subject(solution: Solution) -> Subject:
    """What is judged."""
    return Subject(
        solution=solution,
        plan=building.planned(solution),
        facts=Facts(paths.data()),
        today=datetime.now(UTC).date(),
        images=images.pulled_names(solution),
        deployer=deployer.policies(solution),
        model_folders=runtimes.model_folders(paths.root() / "charts"),
    )


def _print(args: argparse.Namespace, results: Sequence[Result]) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import

    shown = [result for result in results if args.all or result.status.value != "passed"]
    console = Console(no_color=not common.use_color(args, sys.stdout), soft_wrap=False)
    if shown:
        console.print(report.table(shown))
    print(report.summary(results))
