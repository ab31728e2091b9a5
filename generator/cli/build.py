"""`generator build`: writes everything that is deployed."""

import argparse
import sys
from pathlib import Path

from generator.build import files
from generator.build import folder as build_folder
from generator.cli import building, common
from generator.errors import Exit

EXAMPLES = """\
  generator build config.yaml                        writes build/STACK/
  generator build config.yaml -o out                 writes out/STACK/
  generator build config.yaml --chart sd-runtimes    values for the runtimes' chart alone
"""
DESCRIPTION = """\
Write everything that is deployed: CloudFormation, eksctl's ClusterConfig, chart values, policy and plan.
The same config gives the same bytes. A build that fails leaves the files of the last one as they were; files
that you added to the folder stay.
"""


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "build", DESCRIPTION, EXAMPLES)
    common.add_config(parser)
    building.add_output(parser)
    building.add_chart(parser, files.UMBRELLA, files.UMBRELLA)


def run(args: argparse.Namespace) -> Exit:
    """Write the files of one config and print their paths."""
    solution, built = building.solve_and_build(args, args.chart)
    folder: Path = args.output / solution.stack
    try:
        build_folder.replace(folder, built)
    except build_folder.NotOursError as error:
        print(f"generator: {error}: choose another folder with -o", file=sys.stderr)
        return Exit.CONFIG
    except OSError as error:
        print(f"generator: cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return Exit.CONFIG
    print("\n".join(str(folder / path) for path in built))
    return Exit.DONE
