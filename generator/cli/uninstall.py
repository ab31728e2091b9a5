"""`generator uninstall`: takes a solution out of its account; pictures and queues stay."""

import argparse

from generator.cli import common, deploying
from generator.deploy import uninstall
from generator.errors import Exit

EXAMPLES = """\
  generator uninstall config.yaml              asks once, then works through
  generator uninstall config.yaml --dry-run    the commands only
"""


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "uninstall", __doc__ or "", EXAMPLES)
    deploying.add_flags(parser)
    parser.add_argument(
        "--wait", type=float, default=45.0, metavar="MINUTES",
        help="how long running tasks may take before GPU nodes must be gone (default: 45)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> Exit:
    """Take it away."""
    try:
        uninstall.run(deploying.job(args, build=True), args.wait * 60)
    except deploying.STOPS as error:
        return deploying.reported("uninstall", error)
    return Exit.DONE
