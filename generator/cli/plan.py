"""`generator plan`: shows what will exist, which quotas it needs and what it costs."""

import argparse
import sys

from generator import app
from generator.cli import bars, flags, output
from generator.errors import Exit
from generator.plan import text as plan_text

DESCRIPTION = (
    "Show what will exist, how long a cold start takes, which service quotas it needs and what it costs."
)
EXAMPLES = """\
  generator plan config.yaml                   for people
  generator plan config.yaml --format json     for programs
  generator plan config.yaml --seconds a10g=8  with the time of a picture that you measured on that GPU
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `plan`."""
    flags.add_config(parser)
    flags.add_format(parser)
    parser.add_argument(
        "--seconds", metavar="GPU=SECONDS", action="append", default=[], type=seconds,
        help="how long a picture takes on a GPU (t4, a10g, l4, …); may be given more than once",
    )  # fmt: skip


def seconds(text: str) -> tuple[str, float]:
    """`a10g=8` as a pair. Raises ArgumentTypeError."""
    gpu, _, value = text.partition("=")
    try:
        duration = float(value)
    except ValueError:
        duration = 0.0
    if not gpu or not 0 < duration < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not GPU=SECONDS, as in a10g=8")
    return gpu.lower(), duration


def run(args: argparse.Namespace) -> Exit:
    """Print the plan."""
    plan = app.plan(flags.solved(args).solution, dict(args.seconds), app.today())
    if args.format == "json":
        output.write(plan_text.as_json(plan))
    elif sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - slow to import, and only a terminal needs it
        from rich.markdown import Markdown  # noqa: PLC0415

        console = Console(no_color=not output.use_color(args, sys.stdout))
        console.print(Markdown(plan_text.markdown(plan, bars=False)))
        bars.print_plan(console, plan)
    else:
        sys.stdout.write(plan_text.markdown(plan))
    return Exit.DONE
