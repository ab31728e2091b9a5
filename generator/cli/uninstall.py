"""`generator uninstall`: removes a solution from its account; pictures and queues stay."""

import argparse

from generator import jobs
from generator.build.folder import NotOursError
from generator.cli import flags, output
from generator.deploy import uninstall
from generator.deploy.job import RefusedError
from generator.deploy.tools import MissingProgramError
from generator.errors import AwsError, Exit

DESCRIPTION = "Remove a solution from its account. Buckets with pictures and queues with tasks stay."
EXAMPLES = """\
  generator uninstall config.yaml              asks once, then removes everything
  generator uninstall config.yaml --dry-run    print the commands only
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `uninstall`."""
    flags.add_changing(parser)
    flags.add_format(parser)
    parser.add_argument(
        "--wait", type=float, default=45.0, metavar="MINUTES",
        help="how long to wait for running tasks to end and GPU nodes to terminate (default: 45)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> Exit:
    """Remove it."""
    try:
        solved = flags.solved(args)
        job = jobs.changing(solved, args.output, output.changing_terminal(args), dry_run=args.dry_run)
        uninstall.run(job, args.wait * 60)
    except (RefusedError, MissingProgramError, NotOursError, AwsError, OSError) as error:
        return output.stopped("uninstall", error)
    return Exit.DONE
