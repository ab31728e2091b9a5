"""`generator preflight`: asks AWS whether the plan can work in this account."""

import argparse
import json
import sys

from generator import app
from generator.aws.clients import Aws
from generator.cli import flags, output
from generator.errors import Exit
from generator.preflight import increase, report, themes
from generator.preflight.check import run_all
from generator.preflight.result import ending

DESCRIPTION = """\
Ask AWS whether the plan can work in this account: credentials, region, quotas, EKS version, models, images,
names, permissions. Nothing is changed, unless --request-increase asks AWS for higher quotas.
"""
EXAMPLES = """\
  generator preflight config.yaml                      a table
  generator preflight config.yaml --format json        for CI
  generator preflight config.yaml --request-increase   also ask AWS for the quotas that are too low

exit codes: 0 no check failed (there may be warnings), 2 a check failed,
            3 no check failed, but AWS did not answer all of them
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `preflight`."""
    flags.add_config(parser)
    flags.add_format(parser)
    flags.add_zones(parser)
    parser.add_argument("--all", action="store_true", help="also list the checks that passed")
    parser.add_argument(
        "--request-increase", action="store_true", help="ask AWS for higher quotas, where the plan needs them"
    )


def run(args: argparse.Namespace) -> Exit:
    """Ask, judge, print."""
    solution = flags.solved(args).solution
    clients = Aws(solution.region)
    results = run_all(list(themes.checks(app.subject(solution))), clients)
    if args.format == "text" and len(results) == 1:
        return output.fail("preflight", f"{results[0].message}: {results[0].help}", ending(results))
    if args.format == "json":
        output.write(json.dumps(report.as_data(results), indent=2) + "\n")
    else:
        listed = [result for result in results if args.all or result.status.value != "passed"]
        if listed:
            table = output.new_table(*report.COLUMNS)
            report.fill(table, listed)
            output.print_table(table, args)
        print(report.summary(results))
    if args.request_increase:
        for line in increase.request(clients, solution.partition.name, results):
            print(line, file=sys.stderr)
    return ending(results)
