"""`generator validate`: every problem of every file, in one run."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from generator import app, paths
from generator.cli import flags, output
from generator.config import document, report, validate
from generator.errors import ConfigError, Exit, Problem, Severity

DESCRIPTION = """\
Check configs against the schema and the rules between keys, without asking AWS. Problems go to standard error
as text; other formats go to standard output.
"""
EXAMPLES = """\
  generator validate config.yaml
  generator validate staging.yaml production.yaml --strict
  generator validate - < config.yaml
  generator validate config.yaml --format sarif > problems.sarif
  generator explain SD202                what a code means
"""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `validate`."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="solution configs; - is standard input")
    parser.add_argument("--format", choices=report.FORMATS, default="text", help="default: text")
    parser.add_argument("--strict", action="store_true", help="fail on warnings too")
    parser.add_argument(
        "--rules-url",
        metavar="URL",
        default=paths.rules_page().as_uri(),
        help="where docs/rules.md is published, for SARIF (default: the copy on this machine)",
    )
    flags.add_target(parser)


def run(args: argparse.Namespace) -> Exit:
    """Print every problem; CONFIG when there is an error (or, with --strict, a warning)."""
    target = flags.target(args)
    problems: list[Problem] = []
    lines: dict[str, Sequence[str]] = {}
    for name in args.files:
        source = app.display_name(name)
        try:
            text = app.read_text(name)
            lines[source] = text.splitlines()
            config = document.load(text, source)
        except ConfigError as error:
            problems += error.problems
        else:
            problems += app.check(config, app.context(config, target))
    _print(problems, lines, args)
    fails = [problem for problem in problems if args.strict or problem.severity is Severity.ERROR]
    return Exit.CONFIG if fails else Exit.DONE


def _print(problems: Sequence[Problem], lines: Mapping[str, Sequence[str]], args: argparse.Namespace) -> None:
    names = [app.display_name(name) for name in args.files]
    if args.format == "text":
        color = output.use_color(args, sys.stderr)
        sys.stderr.write(report.text(problems, lines, color) + report.summary(problems, len(names)))
        sys.stderr.write(report.pointer(problems))
    elif args.format == "json":
        output.write(report.as_json(problems, names))
    elif args.format == "github":
        output.write(report.github(problems))
    else:
        from importlib.metadata import version  # noqa: PLC0415 - slow to import, and only SARIF names the version

        output.write(report.sarif(problems, validate.catalogue(), version("sd-on-eks"), args.rules_url))
