"""`generator diff`: shows what a changed config changes."""

import argparse
import sys

from generator import app
from generator.build import compare, files
from generator.build import folder as build_folder
from generator.cli import flags, output
from generator.errors import Exit

EXAMPLES = """\
  generator diff config.yaml                        against the files in build/STACK/
  generator diff config.yaml --against old.yaml     against another config
  git show HEAD:config.yaml | generator diff config.yaml --against -
"""
DESCRIPTION = """\
Show as a unified diff what a config changes in the files of the last build, or of another config. Nothing is
written. The exit code is 0 whether or not there are differences; without differences nothing is printed.
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `diff`."""
    flags.add_config(parser)
    flags.add_output(parser)
    flags.add_chart(parser, files.UMBRELLA, files.UMBRELLA)
    parser.add_argument(
        "--against", metavar="OTHER", help="the config to compare with, instead of the last build"
    )


def run(args: argparse.Namespace) -> Exit:
    """Print the differences."""
    solved = flags.solved(args)
    new = app.build(solved, args.chart)
    if args.against:
        other = app.solve(app.open_config(args.against), flags.target(args))
        output.print_problems(other.warnings, args)
        old = app.build(other, args.chart)
    else:
        folder = args.output / solved.solution.stack
        old = build_folder.read(folder)
        if not old:
            print(f"generator diff: no build in {folder}: every file is new", file=sys.stderr)
    color = output.use_color(args, sys.stdout)
    for line in compare.differences(old, new):
        print(compare.colored(line) if color else line)
    return Exit.DONE
