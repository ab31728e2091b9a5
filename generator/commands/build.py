"""`generator build`: writes everything that is deployed."""

import argparse
import sys
from pathlib import Path

from generator import files, write
from generator.commands import common
from generator.errors import Exit

EXAMPLES = """\
  generator build config.yaml                        writes build/STACK/
  generator build config.yaml -o out                 writes out/STACK/
  generator build config.yaml --chart sd-runtimes    values for the runtimes' chart alone
"""


def add(subparsers: common.Subparsers) -> None:
    """Declare the command."""
    parser = common.command(subparsers, "build", __doc__ or "", EXAMPLES)
    common.add_config(parser)
    add_output(parser)
    add_chart(parser, files.UMBRELLA)


def add_output(parser: argparse.ArgumentParser) -> None:
    """The flag for the folder of builds."""
    parser.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("build"),
        help="folder for the solution's own folder (default: build)",
    )  # fmt: skip


def add_chart(parser: argparse.ArgumentParser, default: str | None) -> None:
    """The flag for the chart that the values are for."""
    said = default or f"{files.UMBRELLA} once `make deps` ran, {files.RUNTIMES_ALONE} before"
    parser.add_argument(
        "--chart", choices=files.CHARTS, default=default, help=f"chart to write values for (default: {said})"
    )


def run(args: argparse.Namespace) -> Exit:
    """Write the files of one config."""
    config = common.load_document(args)
    solution = common.solve(config, args)
    built = files.build(solution, files.origin(config.source, config.text), args.chart, common.templates())
    folder: Path = args.output / solution.stack
    try:
        write.replace(folder, built)
    except write.NotOurs as error:
        print(f"generator: {error}: name another folder with -o", file=sys.stderr)
        return Exit.CONFIG
    except OSError as error:
        print(f"generator: cannot write {folder}: {error.strerror}", file=sys.stderr)
        return Exit.CONFIG
    print("\n".join(str(folder / path) for path in built))
    return Exit.DONE
