"""What deploy, smoke, status and uninstall share: from the command line to a Job."""

import argparse
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from generator import paths
from generator.aws.clients import Aws
from generator.build import files
from generator.build import folder as build_folder
from generator.cli import building, common
from generator.deploy import helm
from generator.deploy.job import Job, RefusedError
from generator.deploy.tools import MissingProgramError, Tools, kubeconfig
from generator.errors import AwsError, Exit
from generator.facts.facts import Facts
from generator.solution.model import Solution


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that all commands share which change something."""
    common.add_config(parser)
    building.add_output(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the commands, change nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def add_zones(parser: argparse.ArgumentParser) -> None:
    """The flag for accounts in which a zone of the build cannot be used: names differ between accounts."""
    parser.add_argument(
        "--zones",
        metavar="A,B,C",
        type=three_zones,
        help="other zones, if `generator preflight` says so; give it each time",
    )


def three_zones(text: str) -> tuple[str, str, str]:
    """`us-east-1a,us-east-1b,us-east-1d` in their order."""
    found = sorted(set(text.split(",")))
    if len(found) != 3 or not all(re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d[a-z]", zone) for zone in found):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not three zones, as in us-east-1a,us-east-1b,us-east-1d"
        )
    return found[0], found[1], found[2]


def in_zones(solution: Solution, args: argparse.Namespace) -> Solution:
    """The solution in the zones that the user named, if any."""
    zones = getattr(args, "zones", None)
    return solution if zones is None else replace(solution, zones=zones)


def job(args: argparse.Namespace, *, build: bool) -> Job:
    """The job of a command line. `build` writes the solution's files first."""
    config = common.load_document(args)
    solution = in_zones(common.solve(config, args), args)
    if build:
        build_folder.replace(args.output / solution.stack, building.built(config, solution, files.UMBRELLA))
    folder: Path = args.output / solution.stack
    dry_run = getattr(args, "dry_run", False)
    environment = {"KUBECONFIG": str(kubeconfig(folder).absolute()), "AWS_REGION": solution.region}
    return Job(
        solution=solution,
        folder=folder,
        chart=helm.chart_folder(files.UMBRELLA, solution.versions.eks),
        aws=Aws(solution.region),
        tools=Tools(say, dry_run=dry_run, environment=environment),
        facts=Facts(paths.data()),
        today=datetime.now(UTC).date(),
        ask=(lambda _: True) if getattr(args, "yes", False) else ask,
        say=say,
        adopt=getattr(args, "adopt", False),
    )


def say(line: str) -> None:
    """Progress, as it comes."""
    print(line, flush=True)


def ask(question: str) -> bool:
    """A question to whoever sits there; without anyone the answer is no."""
    if not sys.stdin.isatty():
        say(f"{question} Nobody is there to ask: --yes says yes.")
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def reported(action: str, error: Exception) -> Exit:
    """The exit code of a stop, said with how to go on."""
    print(f"generator {action}: {error}", file=sys.stderr)
    if isinstance(error, AwsError):
        print(
            "Nothing is lost: fix the cause and run the same command again; it continues from here.",
            file=sys.stderr,
        )
        return Exit.AWS
    return Exit.CONFIG


STOPS = (RefusedError, MissingProgramError, build_folder.NotOursError, AwsError, OSError)
