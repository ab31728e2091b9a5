"""`generator plan`: says what will exist, which quotas it needs and what it costs."""

import argparse
import sys

from generator.cli import building, common
from generator.errors import Exit
from generator.plan import text as plan_text

EXAMPLES = """\
  generator plan config.yaml                   for people
  generator plan config.yaml --format json     for programs
  generator plan config.yaml --seconds a10g=8  with your own time for a picture on that GPU
"""


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "plan", __doc__ or "", EXAMPLES)
    common.add_config(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--seconds", metavar="GPU=SECONDS", action="append", default=[], type=seconds,
        help="how long a picture takes on a GPU (t4, a10g, l4, …); may be given more than once",
    )  # fmt: skip


def seconds(text: str) -> tuple[str, float]:
    """`a10g=8` as a pair."""
    gpu, _, value = text.partition("=")
    try:
        took = float(value)
    except ValueError:
        took = 0.0
    if not gpu or not 0 < took < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not GPU=SECONDS, as in a10g=8")
    return gpu.lower(), took


def run(args: argparse.Namespace) -> Exit:
    """Print the plan."""
    solution = common.load_solution(args)
    plan = building.planned(solution, dict(args.seconds))
    if args.format == "json":
        sys.stdout.write(plan_text.as_json(plan))
    elif sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - slow to import, and only a terminal wants it
        from rich.markdown import Markdown  # noqa: PLC0415

        Console(no_color=not common.use_color(args, sys.stdout)).print(Markdown(plan_text.markdown(plan)))
    else:
        sys.stdout.write(plan_text.markdown(plan))
    return Exit.DONE
