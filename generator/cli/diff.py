"""`generator diff`: shows what a changed config changes."""

import argparse
import sys

from generator.build import compare, files
from generator.build import folder as build_folder
from generator.cli import building, common
from generator.errors import Exit

EXAMPLES = """\
  generator diff config.yaml                        against the files in build/STACK/
  generator diff config.yaml --against old.yaml     against another config
  git show HEAD:config.yaml | generator diff config.yaml --against -
"""
DESCRIPTION = """\
Show what a config changes in the files of the last build, or of another config, as a unified diff. Nothing is
written. The exit code is 0 whether or not there are differences; no differences print nothing.
"""


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "diff", DESCRIPTION, EXAMPLES)
    common.add_config(parser)
    building.add_output(parser)
    building.add_chart(parser, files.UMBRELLA, files.UMBRELLA)
    parser.add_argument(
        "--against", metavar="OTHER", help="the config to compare with, in place of the last build"
    )


def run(args: argparse.Namespace) -> Exit:
    """Print the differences."""
    solution, new = building.solve_and_build(args, args.chart)
    if args.against:
        other = argparse.Namespace(**{**vars(args), "file": args.against})
        old = building.solve_and_build(other, args.chart)[1]
    else:
        folder = args.output / solution.stack
        old = build_folder.read(folder)
        if not old:
            print(f"generator: no build in {folder}: every file is new", file=sys.stderr)
    color = common.use_color(args, sys.stdout)
    for line in compare.differences(old, new):
        print(compare.colored(line) if color else line)
    return Exit.DONE
