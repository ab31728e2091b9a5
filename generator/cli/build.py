"""`generator build`: writes every file that is deployed."""

import argparse
from dataclasses import replace

from generator import app
from generator.build import files
from generator.build.folder import NotOursError
from generator.cli import flags, output
from generator.errors import Exit
from generator.solution import resolve

EXAMPLES = """\
  generator build config.yaml                        writes build/STACK/
  generator build config.yaml -o out                 writes out/STACK/
  generator build config.yaml --only runtimes        what the runtimes need in a cluster that exists
  generator build config.yaml --chart sd-runtimes    values for the sd-runtimes chart only
"""
DESCRIPTION = """\
Write every file that is deployed: CloudFormation templates, eksctl's ClusterConfig, chart values, IAM policy
and plan. The same config gives the same bytes. A build that fails leaves the files of the previous one
unchanged; files that you added to the folder stay.
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `build`."""
    flags.add_config(parser)
    flags.add_output(parser)
    flags.add_format(parser)
    flags.add_chart(parser, files.UMBRELLA, files.UMBRELLA)
    parser.add_argument(
        "--only",
        choices=("runtimes",),
        help="roles, queues, buckets, HTTP API and chart values; no network, cluster or controllers "
        "(default with `existingCluster`)",
    )


def run(args: argparse.Namespace) -> Exit:
    """Write the files of one config and print their paths."""
    solved = flags.solved(args)
    if args.only:
        solved = replace(solved, solution=resolve.in_existing_cluster(solved.solution, app.facts()))
    try:
        folder, written = app.write(solved, args.chart, args.output)
    except NotOursError as error:
        return output.fail("build", f"{error}: choose another folder with -o", Exit.CONFIG)
    except OSError as error:
        return output.fail("build", f"cannot write {error.filename}: {error.strerror}", Exit.CONFIG)
    paths = [str(folder / path) for path in written]
    if args.format == "json":
        output.write_json({"folder": str(folder), "files": paths})
    else:
        print("\n".join(paths))
    return Exit.DONE
