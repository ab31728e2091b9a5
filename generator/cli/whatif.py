"""`generator whatif`: runs arrivals of tasks through the scaling model, under several policies."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from generator import app
from generator.cli import flags, output, plan
from generator.errors import Exit
from generator.plan.whatif import WhatIf
from generator.scaling.policy import Policy
from generator.scaling.trace import TraceError
from generator.scaling.whatif import Forecast, Row

DESCRIPTION = """\
Show how long the tasks of a trace wait for their pictures, and what GPUs cost, under the scaling of the
config and under others. With --p95, recommend the cheapest queueLength, cooldownPeriod and number of warm
pods that meet it.
"""
EXAMPLES = """\
  generator whatif config.yaml trace.csv               the config, and one key changed at a time
  generator whatif config.yaml trace.csv --p95 90      the cheapest with a p95 of at most 90 seconds
  generator whatif config.yaml trace.csv --format json

  trace.csv has a line for each task; seconds of the run are optional:
    timestamp,runtime,seconds
    2026-11-27T09:30:00Z,sdxl-turbo,4.2
    2026-11-27T09:30:07Z,sdxl-turbo,
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `whatif`."""
    parser.add_argument("file", metavar="FILE", help="the solution config, or - for standard input")
    parser.add_argument(
        "trace", metavar="TRACE", help="arrivals of tasks: CSV with timestamp, runtime, seconds"
    )
    flags.add_target(parser)
    flags.add_format(parser)
    parser.add_argument(
        "--p95", type=positive, metavar="SECONDS", help="recommend for 95 percent of tasks in this time"
    )
    parser.add_argument(
        "--seconds", metavar="GPU=SECONDS", action="append", default=[], type=plan.seconds,
        help="how long a picture takes on a GPU, for tasks without seconds (t4, a10g, l4, …)",
    )  # fmt: skip
    group = parser.add_argument_group("cold start", "`generator status --cold` shows what yours take")
    for name, text in (
        ("node", "until a new node has joined"),
        ("image", "to pull the images on a new node"),
        ("start", "until a runtime is ready with its model"),
    ):
        group.add_argument(
            f"--{name}-seconds",
            type=not_negative,
            metavar="SECONDS",
            help=f"{text} (default: as in the plan)",
        )


def positive(text: str) -> float:
    """A number of seconds above 0. Raises ArgumentTypeError."""
    if (number := not_negative(text)) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def not_negative(text: str) -> float:
    """A number of seconds. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def run(args: argparse.Namespace) -> Exit:
    """Print the forecasts."""
    solved = flags.solved(args)
    flags_of = {"node": args.node_seconds, "image": args.image_seconds, "start": args.start_seconds}
    delays = {name: seconds for name, seconds in flags_of.items() if seconds is not None}
    try:
        text = Path(args.trace).read_text("utf-8-sig")
        forecasts = app.whatif(solved, text, WhatIf(args.p95, delays, dict(args.seconds)))
    except TraceError as error:
        for item in error.problems:
            place = f"{args.trace}:{item.line}:{item.column}"
            print(f"{place}: error: {item.message}\n  help: {item.help}", file=sys.stderr)
        return Exit.CONFIG
    except UnicodeDecodeError as error:
        return output.fail("whatif", f"{args.trace} is not UTF-8 text: byte {error.start}", Exit.CONFIG)
    except (OSError, ValueError) as error:
        return output.fail("whatif", error, Exit.CONFIG)
    if args.format == "json":
        output.write_json([_as_data(forecast) for forecast in forecasts])
        return Exit.DONE
    for forecast in forecasts:
        _print(forecast, args)
    return Exit.DONE


def _as_data(forecast: Forecast) -> dict[str, object]:
    """The forecast; infinite times, which JSON does not have, are null."""
    data = asdict(forecast)
    for row in (*data["rows"], data["recommended"], data["fastest"]):
        if row and math.isinf(row["policy"]["consolidate_after"]):
            row["policy"]["consolidate_after"] = None
    return data


def _print(forecast: Forecast, args: argparse.Namespace) -> None:
    node, delays = forecast.node, forecast.delays
    print(
        f"{forecast.runtime}: {forecast.tasks} tasks in {forecast.hours:.2f} hours, on {node.instance_type};"
        f" cold start {delays.node + delays.image + delays.start:.0f} s and a check of the queue"
    )
    columns = (
        "",
        "queueLength",
        "cooldownPeriod",
        "warm pods",
        "p50",
        "p95",
        "GPU hours",
        "cost",
        "pods started",
    )
    table = output.new_table(*columns, *(("in time",) if forecast.target is not None else ()))
    for row, label in _labeled(forecast):
        output.add_row(table, _cells(row, label))
    output.print_table(table, args)
    for line in _advice(forecast):
        print(line)
    print()


def _labeled(forecast: Forecast) -> Iterator[tuple[Row, str]]:
    best = forecast.recommended
    rows = list(forecast.rows)
    for number, row in enumerate(rows):
        labels = (["config"] if number == 0 else []) + (["recommended"] if row == best else [])
        yield row, ", ".join(labels)
    if best and best not in rows:
        yield best, "recommended"


def _cells(row: Row, label: str) -> Sequence[str]:
    policy = row.policy
    cost = "unknown" if row.cost is None else f"{row.cost:.2f}"
    cells = [label, str(policy.queue_length), f"{policy.cooldown:.0f} s", str(policy.warm)]
    cells += [f"{row.p50:.0f} s", f"{row.p95:.0f} s", f"{row.gpu_hours:.2f}", cost, str(row.pods)]
    return [*cells, *([f"{row.within:.0%}"] if row.within is not None else [])]


def _advice(forecast: Forecast) -> Iterator[str]:
    if forecast.target is None:
        return
    best, fastest = forecast.recommended, forecast.fastest
    if best is None:
        limit = f" of {fastest.p95:.0f} s" if fastest else ""
        yield f"No policy has a p95 of {forecast.target:.0f} s; the smallest is one{limit}."
        yield "Raise maxReplicaCount, shorten the cold start (docs/cold-start.md), or use a faster GPU."
        return
    if best == forecast.rows[0]:
        yield f"The config has a p95 of {best.p95:.0f} s, and nothing that was compared is cheaper."
        return
    yield f"For a p95 of {forecast.target:.0f} s, set for {forecast.runtime}:"
    yield from _settings(best.policy)
    if best.policy.warm:
        yield "    # For some hours only: scaling.warm with start and end instead of minReplicaCount."


def _settings(policy: Policy) -> Iterator[str]:
    yield "    extraValues:"
    yield "      runtime:"
    yield "        scaling:"
    yield f"          minReplicaCount: {policy.warm}"
    yield f"          queueLength: {policy.queue_length}"
    yield f"          cooldownPeriod: {policy.cooldown:.0f}"
