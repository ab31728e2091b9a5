"""`generator status`: what waits, what runs, what was set aside."""

import argparse
import json
import sys
from dataclasses import asdict

from generator.cli import building, common, deploying
from generator.deploy import status
from generator.errors import Exit

EXAMPLES = """\
  generator status config.yaml                 a table
  generator status config.yaml --format json   for programs
"""
HEAD = ("runtime", "waiting", "running", "dead-letter", "pods", "GPU nodes")


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "status", __doc__ or "", EXAMPLES)
    common.add_config(parser)
    building.add_output(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> Exit:
    """Ask and print."""
    try:
        found = status.status(deploying.job(args, build=False))
    except deploying.STOPS as error:
        return deploying.reported("status", error)
    if args.format == "json":
        sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
        return Exit.DONE
    print(f"stack: {found.stack}   cluster: {found.cluster}   API: {found.api or 'none'}")
    rows = [
        HEAD,
        *(tuple("?" if cell is None else str(cell) for cell in asdict(row).values()) for row in found.rows),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return Exit.DONE
