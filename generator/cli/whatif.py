"""`generator whatif`: runs arrivals of tasks through the scaling model, under several policies."""

import argparse
import math
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from generator import app
from generator.cli import flags, forecast_text, output, plan
from generator.errors import Exit
from generator.plan.whatif import WhatIf
from generator.scaling import trace
from generator.scaling.trace import TraceError

DESCRIPTION = """\
Show how long the tasks of a trace wait for their pictures, and what GPUs cost, under the scaling of the
config and under others. With --p95, recommend the cheapest queueLength, cooldownPeriod, and pods or nodes
to keep warm, at all times or at some hours, that meet it.
"""
EXAMPLES = """\
  generator whatif config.yaml trace.csv               the config, and one key changed at a time
  generator whatif config.yaml trace.csv --p95 90      the cheapest with a p95 of at most 90 seconds
  generator whatif config.yaml trace.csv --format json

  trace.csv has a line for each task; seconds of the run and its priority are optional:
    timestamp,runtime,seconds,priority
    2026-11-27T09:30:00Z,sdxl-turbo,4.2,high
    2026-11-27T09:30:07Z,sdxl-turbo,,
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
    parser.add_argument(
        "--start",
        metavar="DATE",
        type=date,
        help="when a trace of seconds starts, such as 2026-11-27T09:30:00Z",
    )
    spot = parser.add_argument_group("spot nodes", "where the config allows them")
    spot.add_argument(
        "--spot-price", metavar="TYPE=PRICE", action="append", default=[], type=price,
        help="what a spot node costs an hour (default: the savings that AWS's Spot Instance Advisor had)",
    )  # fmt: skip
    spot.add_argument(
        "--interruptions",
        metavar="PERCENT",
        type=percent,
        help="percent of spot nodes interrupted in an hour",
    )
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


LONGEST = 86_400


def positive(text: str) -> float:
    """A number of seconds above 0. Raises ArgumentTypeError."""
    if (number := not_negative(text)) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def not_negative(text: str) -> float:
    """A number of seconds, up to a day. Raises ArgumentTypeError."""
    if not 0 <= (number := _number(text)) <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to {LONGEST}")
    return number


def percent(text: str) -> float:
    """A number from 0 to 100. Raises ArgumentTypeError."""
    if not 0 <= (number := _number(text)) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100")
    return number


def price(text: str) -> tuple[str, float]:
    """An instance type and its price. Raises ArgumentTypeError."""
    name, _, amount = text.partition("=")
    if not re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", name) or not 0 < _number(amount) < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an instance type and its price, as in g6.xlarge=0.35"
        )
    return name, float(amount)


def date(text: str) -> float:
    """A date with time, UTC without a time zone, in seconds since 1970. Raises ArgumentTypeError."""
    if (moment := trace.date(text)) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2026-11-27T09:30:00Z")
    return moment[0]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def run(args: argparse.Namespace) -> Exit:
    """Print the forecasts."""
    solved = flags.solved(args)
    try:
        text = Path(args.trace).read_text("utf-8-sig")
        forecasts = app.whatif(solved, text, _question(args))
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
        output.write_json([_finite(asdict(forecast)) for forecast in forecasts])
        return Exit.DONE
    for forecast in forecasts:
        forecast_text.print_forecast(forecast, args)
    return Exit.DONE


def _question(args: argparse.Namespace) -> WhatIf:
    flags_of = {"node": args.node_seconds, "image": args.image_seconds, "start": args.start_seconds}
    delays = {name: seconds for name, seconds in flags_of.items() if seconds is not None}
    return WhatIf(
        p95=args.p95,
        delays=delays,
        seconds=dict(args.seconds),
        spot=dict(args.spot_price),
        interruptions=args.interruptions,
        start=args.start,
    )


def _finite(data: Any) -> Any:
    """The same with null for infinite numbers, which JSON does not have."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and math.isinf(data) else data
