"""`generator deploy`: deploys a config to its account; running it again has the same result."""

import argparse

from generator import app, jobs
from generator.build import files
from generator.build.folder import NotOursError
from generator.cli import flags, output
from generator.deploy import steps
from generator.deploy.helm import HelmError
from generator.deploy.job import RefusedError
from generator.deploy.tools import MissingProgramError
from generator.errors import AwsError, Exit

DESCRIPTION = """\
Deploy a config to its account, or what changed in it since the last time. It stops at the first failure; the
same command continues from there. It asks before it deletes or replaces anything.
"""
EXAMPLES = """\
  generator deploy config.yaml                     everything
  generator deploy config.yaml --dry-run           print the commands only
  generator deploy config.yaml --only stack        one step: stack, cluster, network, release
  generator deploy config.yaml --adopt             take over what an earlier uninstall kept
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `deploy`."""
    flags.add_changing(parser)
    flags.add_format(parser)
    flags.add_zones(parser)
    names = [step.name for step in steps.STEPS]
    parser.add_argument(
        "--only", action="append", choices=names, help="this step only; may be given more than once"
    )
    parser.add_argument(
        "--adopt", action="store_true", help="import existing queues and buckets into the new stack"
    )


def run(args: argparse.Namespace) -> Exit:
    """Run the steps."""
    try:
        solved = flags.solved(args)
        # Before anything is created: Helm itself runs in the last step, 20 minutes later.
        app.render(solved, files.RUNTIMES_ALONE)
        job = jobs.changing(
            solved, args.output, output.changing_terminal(args), dry_run=args.dry_run, adopt=args.adopt
        )
        steps.run(job, args.only or [step.name for step in steps.STEPS])
    except HelmError as error:
        return output.fail("deploy", error, Exit.CONFIG)
    except (RefusedError, MissingProgramError, NotOursError, AwsError, OSError) as error:
        return output.stopped("deploy", error)
    return Exit.DONE
