"""What build, render and diff share: from a document to the text of every file, and the flags for that."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from generator import paths
from generator.build import files, stack_layout
from generator.cli import common
from generator.config.document import ConfigDocument
from generator.facts import prices
from generator.facts.facts import Facts
from generator.plan import plan
from generator.plan.model import Plan
from generator.solution.model import Solution


def add_output(parser: argparse.ArgumentParser) -> None:
    """The flag for the folder of builds."""
    help_text = "folder that holds a folder for each solution (default: build)"
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, default=Path("build"), help=help_text)


def add_chart(parser: argparse.ArgumentParser, default: str | None, said: str) -> None:
    """The flag for the chart that the values are for."""
    help_text = f"chart that the values are for (default: {said})"
    parser.add_argument("--chart", choices=files.CHARTS, default=default, help=help_text)


def built(config: ConfigDocument, solution: Solution, chart: str) -> dict[str, str]:
    """Path and text of every file of one config."""
    return files.build(solution, files.config_file(config.source, config.text), chart, planned(solution))


def planned(solution: Solution, seconds: Mapping[str, float] | None = None) -> Plan:
    """The plan at the prices that ship with the generator; `seconds` that an image takes, by GPU."""
    resources = stack_layout.resource_counts(solution)
    return plan.plan(solution, Facts(paths.data()), prices.load(paths.data()), resources, seconds)


def solve_and_build(args: argparse.Namespace, chart: str) -> tuple[Solution, dict[str, str]]:
    """The solution of the config that a command was given, and its files."""
    config = common.load_document(args)
    solution = common.solve(config, args)
    return solution, built(config, solution, chart)
