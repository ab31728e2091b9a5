"""`generator status`: shows queues, pods and GPU nodes."""

import argparse
import json
from dataclasses import asdict

from generator import app
from generator.cli import flags, output
from generator.deploy import status
from generator.deploy.job import RefusedError
from generator.errors import AwsError, Exit

DESCRIPTION = "Show how many tasks wait, run and are in the dead-letter queue, and the pods and GPU nodes."
EXAMPLES = """\
  generator status config.yaml                 a table
  generator status config.yaml --format json   for programs
"""
COLUMNS = ("runtime", "waiting", "running", "dead-letter", "pods", "GPU nodes")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `status`."""
    flags.add_config(parser)
    flags.add_output(parser)
    flags.add_format(parser)


def run(args: argparse.Namespace) -> Exit:
    """Ask and print."""
    try:
        solution = flags.solved(args).solution
        current = status.status(app.job(solution, args.output, output.terminal(args)))
    except (RefusedError, AwsError, OSError) as error:
        return output.stopped("status", error)
    if args.format == "json":
        output.write(json.dumps(asdict(current), indent=2) + "\n")
        return Exit.DONE
    print(f"stack: {current.stack}   cluster: {current.cluster}   API: {current.api or 'none'}")
    table = output.new_table(*COLUMNS)
    for row in current.rows:
        output.add_row(table, ["?" if cell is None else str(cell) for cell in asdict(row).values()])
    output.print_table(table, args)
    return Exit.DONE
