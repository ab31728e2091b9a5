"""What deploy, smoke, status and uninstall share: from the command line to a Job."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from generator import files, helm, paths, write
from generator.aws import Aws
from generator.commands import building, common
from generator.deploy.job import Job, RefusedError
from generator.deploy.tools import MissingProgramError, Tools, kubeconfig
from generator.errors import AwsError, Exit
from generator.facts import Facts


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that all commands share which change something."""
    common.add_config(parser)
    building.add_output(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the commands, change nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


def job(args: argparse.Namespace, *, build: bool) -> Job:
    """The job of a command line. `build` writes the solution's files first."""
    if build:
        solution, made = building.solve_and_build(args, files.UMBRELLA)
        write.replace(args.output / solution.stack, made)
    else:
        solution = common.load_solution(args)
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
            "Nothing is lost: mend it and run the same command again, it goes on from here.", file=sys.stderr
        )
        return Exit.AWS
    return Exit.CONFIG


STOPS = (RefusedError, MissingProgramError, write.NotOursError, AwsError)
