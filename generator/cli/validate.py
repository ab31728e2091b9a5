"""`generator validate`: every problem of every file, in one run."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from generator import paths
from generator.cli import common
from generator.config import document, report, validate
from generator.errors import ConfigError, Exit, Problem, Severity
from generator.facts.facts import Facts

DESCRIPTION = """\
Check configs against the schema and the rules between keys. AWS is not asked.
Problems go to standard error as text; other formats go to standard output.
"""
EXAMPLES = """\
  generator validate config.yaml
  generator validate staging.yaml production.yaml --strict
  generator validate - < config.yaml
  generator validate config.yaml --format sarif > problems.sarif
  generator explain SD202                what a code means
"""


def add(subparsers: common.Subparsers) -> None:
    """The flags of `validate`."""
    parser = common.command(subparsers, "validate", DESCRIPTION, EXAMPLES)
    parser.add_argument("files", metavar="FILE", nargs="+", help="solution configs; - is standard input")
    parser.add_argument("--format", choices=report.FORMATS, default="text", help="default: text")
    parser.add_argument("--strict", action="store_true", help="warnings fail too")
    common.add_place(parser)


def run(args: argparse.Namespace) -> Exit:
    """Print every problem; CONFIG when there is an error (or, with --strict, a warning)."""
    facts, schema = Facts(paths.data()), common.schema()
    found: list[Problem] = []
    lines: dict[str, Sequence[str]] = {}
    for name in args.files:
        try:
            text = common.read(name)
            lines[common.shown(name)] = text.splitlines()
            config = document.load(text, common.shown(name))
        except ConfigError as error:
            found += error.problems
        else:
            found += validate.problems(config, schema, facts, common.context(args, config.data))
    _print(found, lines, args)
    fails = [problem for problem in found if args.strict or problem.severity is Severity.ERROR]
    return Exit.CONFIG if fails else Exit.DONE


def _print(found: Sequence[Problem], lines: Mapping[str, Sequence[str]], args: argparse.Namespace) -> None:
    names = [common.shown(name) for name in args.files]
    if args.format == "text":
        color = common.use_color(args, sys.stderr)
        sys.stderr.write(report.text(found, lines, color) + report.summary(found, len(names)))
    elif args.format == "json":
        sys.stdout.write(report.as_json(found, names))
    elif args.format == "github":
        sys.stdout.write(report.github(found))
    else:
        from importlib.metadata import version  # noqa: PLC0415 - slow to import, and only SARIF names the version

        sys.stdout.write(report.sarif(found, validate.catalogue(), version("sd-on-eks")))
