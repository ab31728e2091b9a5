"""`generator deploy`: brings a config into its account; again and again with the same result."""

import argparse

from generator.cli import common, deploying
from generator.deploy import steps
from generator.errors import Exit

EXAMPLES = """\
  generator deploy config.yaml                     everything
  generator deploy config.yaml --dry-run           the commands only
  generator deploy config.yaml --only stack        one step: stack, cluster, network, release
  generator deploy config.yaml --adopt             take over what an earlier uninstall kept

It stops at the first failure; the same command goes on from there. It asks before it deletes or replaces.
"""


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "deploy", __doc__ or "", EXAMPLES)
    deploying.add_flags(parser)
    deploying.add_zones(parser)
    names = [step.name for step in steps.STEPS]
    parser.add_argument(
        "--only", action="append", choices=names, help="this step alone; may be given more than once"
    )
    parser.add_argument(
        "--adopt", action="store_true", help="bring queues and buckets that exist already under the new stack"
    )


def run(args: argparse.Namespace) -> Exit:
    """Run the steps."""
    try:
        steps.run(deploying.job(args, build=True), args.only or [step.name for step in steps.STEPS])
    except deploying.STOPS as error:
        return deploying.reported("deploy", error)
    return Exit.DONE
