"""`generator logs`: prints the logs of a runtime's pods, or the lines of one task."""

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from generator import jobs
from generator.cli import flags, output
from generator.deploy import log_lines, logs
from generator.deploy.job import RefusedError
from generator.deploy.log_lines import Line
from generator.deploy.logs import Query
from generator.errors import AwsError, Exit

DESCRIPTION = """\
Print what the queue agents and the program of a runtime wrote: from CloudWatch Logs, also of pods and nodes
that are gone, or from the present pods with kubectl where `observability.logs.enabled` is false.
"""
EXAMPLES = """\
  generator logs config.yaml sdxl-turbo                  the last hour
  generator logs config.yaml sdxl-turbo --since 2d       the last two days
  generator logs config.yaml sdxl-turbo --task cat-1     every line of the task cat-1
  generator logs config.yaml sdxl-turbo --format json    for programs

exit codes: 0 done, 2 no line of the task was found, 3 AWS or the cluster could not be asked
"""
DEFAULT_SINCE = "1h"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `logs`."""
    flags.add_config(parser)
    parser.add_argument("runtime", metavar="RUNTIME", help="the name of a runtime")
    parser.add_argument("--task", metavar="ID", help="only the lines of this task")
    since_help = f"how far to look back, as in 30m or 7d (default: {DEFAULT_SINCE}; with --task: everything)"
    parser.add_argument("--since", metavar="TIME", type=duration, help=since_help)
    flags.add_output(parser)
    flags.add_format(parser)


def duration(text: str) -> timedelta:
    """`90s`, `30m`, `2h`, `7d` or `1w`. Raises ArgumentTypeError."""
    match = re.fullmatch(r"([0-9]{1,6})([smhdw])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration, as in 30m, 2h or 7d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def run(args: argparse.Namespace) -> Exit:
    """Read and print."""
    back = args.since or (None if args.task else duration(DEFAULT_SINCE))
    query = Query(args.runtime, args.task, None if back is None else datetime.now(UTC) - back)
    try:
        solution = flags.solved(args).solution
        lines = logs.read(jobs.over_build(solution, args.output, output.terminal(args)), query)
    except (RefusedError, AwsError, OSError) as error:
        return output.stopped("logs", error)
    _print(lines, args)
    if lines:
        return Exit.DONE
    if args.task is None:
        return output.fail("logs", "no lines in this time: --since looks further back", Exit.DONE)
    return output.fail("logs", _not_found(args, kept=solution.observability.logs.enabled), Exit.CONFIG)


def _print(lines: Sequence[Line], args: argparse.Namespace) -> None:
    if args.format == "json":
        output.write_json(
            [
                {
                    "time": log_lines.timestamp(line.time),
                    "pod": line.pod,
                    "container": line.container,
                    "message": line.message,
                }
                for line in lines
            ]
        )
    elif lines:
        output.write("".join(f"{line}\n" for line in lines))


def _not_found(args: argparse.Namespace, *, kept: bool) -> str:
    """Why a task may have no lines."""
    where = "in the log group" if kept else "in the logs of the present pods"
    reasons = "no agent has received it yet, its runtime is another one, or its lines are older"
    return f"no line of task {args.task} {where}: {reasons}"
