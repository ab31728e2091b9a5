"""`generator status`: shows queues, pods and GPU nodes, or how the pods started."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from generator import jobs
from generator.cli import bars, flags, output
from generator.deploy import cold, status
from generator.deploy.cold import PodStart
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError, Exit
from generator.plan import bar
from generator.plan.cold_start import STAGES
from generator.plan.model import Stage

DESCRIPTION = """\
Show how many tasks wait, run and are in the dead-letter queue, and the pods and GPU nodes; with --cold, how
long each stage of the start of each pod took: its node, its images, its program, its first task.
"""
EXAMPLES = """\
  generator status config.yaml                 a table
  generator status config.yaml --cold          stages of the starts, as `generator plan` estimates them
  generator status config.yaml --format json   for programs
"""
COLUMNS = ("runtime", "waiting", "running", "dead-letter", "pods", "GPU nodes")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `status`."""
    flags.add_config(parser)
    parser.add_argument("--cold", action="store_true", help="how the pods that exist started, stage by stage")
    flags.add_output(parser)
    flags.add_format(parser)


def run(args: argparse.Namespace) -> Exit:
    """Ask and print."""
    try:
        solution = flags.solved(args).solution
        job = jobs.over_build(solution, args.output, output.terminal(args))
        if args.cold:
            _print_starts(cold.starts(job), args)
        else:
            _print_status(job, args)
    except (RefusedError, AwsError, OSError) as error:
        return output.stopped("status", error)
    return Exit.DONE


def _print_status(job: Job, args: argparse.Namespace) -> None:
    current = status.status(job)
    if args.format == "json":
        output.write(json.dumps(asdict(current), indent=2) + "\n")
        return
    print(f"stack: {current.stack}   cluster: {current.cluster}   API: {current.api or 'none'}")
    table = output.new_table(*COLUMNS)
    for row in current.rows:
        output.add_row(table, ["?" if cell is None else str(cell) for cell in asdict(row).values()])
    output.print_table(table, args)


def _print_starts(starts: Sequence[PodStart], args: argparse.Namespace) -> None:
    if args.format == "json":
        output.write_json([asdict(start) for start in starts])
        return
    if not starts:
        print("there are no pods: the stages of a start are read from pods that exist")
        return
    stages = [tuple(Stage(one.name, one.seconds) for one in start.stages) for start in starts]
    longest = max(sum(one.seconds or 0.0 for one in row) for row in stages)
    for start, row in zip(starts, stages, strict=True):
        print(f"{start.pod} on {start.instance_type or start.node or 'no node yet'}{_node(start)}")
        print("  ", end="", flush=True)
        _print_bar(row, longest, args)
        print(f"  {', '.join(f'{STAGES[one.name]}: {_seconds(one.seconds)}' for one in row)}")
        if start.idle_seconds:
            print(f"  not counted: it waited for a task for {bar.seconds(start.idle_seconds)}")
        if start.download_seconds is not None:
            print(f"  at the same time, the model was downloaded in {bar.seconds(start.download_seconds)}")
        for problem in start.problems:
            print(f"  note: {problem}")
        if start.problems:
            print(f"  help: `generator logs {args.file} {start.runtime}` shows what its containers wrote")


def _print_bar(stages: Sequence[Stage], longest: float, args: argparse.Namespace) -> None:
    if not sys.stdout.isatty():
        print(bar.plain(stages, longest))
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only a terminal needs it

    Console(no_color=not output.use_color(args, sys.stdout)).print(bars.colored(stages, longest))


def _node(start: PodStart) -> str:
    """Whether the node was launched for the pod."""
    if start.new_node is None:
        return ""
    return ", a new node" if start.new_node else ", a node that was there"


def _seconds(value: float | None) -> str:
    """The seconds of a stage that may not be over."""
    return "not recorded or not over" if value is None else bar.seconds(value)
