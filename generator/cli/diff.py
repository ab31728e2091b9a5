"""`generator diff`: shows what a changed config changes."""

import argparse
import sys
from collections.abc import Iterable, Sequence

from generator import app, jobs
from generator.app import Solved
from generator.build import compare, files
from generator.cli import flags, output
from generator.deploy.difference import Difference
from generator.errors import Exit

EXAMPLES = """\
  generator diff config.yaml                        against what is deployed
  generator diff config.yaml --last-build           against the files in build/STACK/, without asking AWS
  generator diff config.yaml --against old.yaml     against another config
  generator diff config.yaml --exit-code            for scripts: 4 if there are differences
  git show HEAD:config.yaml | generator diff config.yaml --against -
"""
DESCRIPTION = """\
Show as a unified diff what a config changes in what is deployed: the templates of the stacks, the cluster and
the values of the Helm release. Where that cannot be read, or nothing is deployed, the last build takes its
place; standard error says which. The end of the output names what would be removed or replaced. Nothing is
changed or written. Without differences nothing is printed on standard output, except as JSON. The exit code
is 0 whether or not there are differences; with --exit-code it is 4 if there are any.
"""
RED, RESET = "\x1b[1;31m", "\x1b[0m"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `diff`."""
    flags.add_config(parser)
    flags.add_output(parser)
    flags.add_chart(parser, files.UMBRELLA, files.UMBRELLA)
    flags.add_zones(parser)
    flags.add_format(parser)
    parser.add_argument("--exit-code", action="store_true", help="end with 4 if there are differences")
    other = parser.add_mutually_exclusive_group()
    other.add_argument(
        "--against", metavar="OTHER", help="the config to compare with, instead of what is deployed"
    )
    other.add_argument("--last-build", action="store_true", help="compare with the last build")


def run(args: argparse.Namespace) -> Exit:
    """Print the differences."""
    difference = _difference(args, flags.solved(args))
    for note in difference.notes:
        print(f"generator diff: {note}", file=sys.stderr)
    lines = list(difference.lines())
    if args.format == "json":
        _print_json(difference, lines)
    else:
        color = output.use_color(args, sys.stdout)
        for line in lines:
            print(compare.colored(line) if color else line)
        _print_losses(difference.losses(), color)
    return Exit.DIFFERENT if lines and args.exit_code else Exit.DONE


def _print_json(difference: Difference, lines: Sequence[str]) -> None:
    output.write_json(
        {
            "different": bool(lines),
            "notes": list(difference.notes),
            "diff": list(lines),
            "changes": [{"change": str(row), "losesData": row.loses_data} for row in difference.changes()],
            "removedRuntimes": difference.removed_runtimes(),
        }
    )


def _difference(args: argparse.Namespace, solved: Solved) -> Difference:
    if args.against:
        other = app.in_zones(app.solve(app.open_config(args.against), flags.target(args)), args.zones)
        output.print_problems(other.warnings, args)
        return Difference(app.build(other, args.chart), app.build(solved, args.chart))
    # A chart without the controllers is installed by other tools: this one does not know how.
    ask_aws = not args.last_build and args.chart == files.UMBRELLA
    return jobs.difference(solved, args.chart, args.output, output.terminal(args), ask_aws=ask_aws)


def _print_losses(lines: Iterable[str], color: bool) -> None:
    """What would be removed or replaced; lost data in red."""
    for number, line in enumerate(lines):
        if number == 0:
            print("\nRemoved or replaced:")
        print(f"{RED}{line}{RESET}" if color and line.startswith("!") else line)
