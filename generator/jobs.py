"""Runs of commands that ask or change AWS, each over the build of a solved config."""
# ruff: noqa: PLC0415 - the command line starts without the modules that only some commands need

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from generator import app
from generator.app import Solved
from generator.solution.model import Solution

if TYPE_CHECKING:
    from generator.deploy.difference import Difference
    from generator.deploy.job import Job


@dataclass(frozen=True)
class Terminal:
    """How a deployment talks to its user: `ask` puts a yes/no question, `say` prints one line of progress."""

    ask: Callable[[str], bool]
    say: Callable[[str], None]


def changing(
    solved: Solved, output: Path, terminal: Terminal, *, dry_run: bool = False, adopt: bool = False
) -> "Job":
    """One run of a command that changes AWS, over a new build in `output`/STACK; a dry run writes nothing.

    Raises CredentialsError and RefusedError before it writes, NotOursError and OSError.
    """
    from generator.build.files import UMBRELLA
    from generator.deploy import account

    run = account.check(over_build(solved.solution, output, terminal, dry_run=dry_run))
    files = app.build(solved, UMBRELLA) if dry_run else app.write(solved, UMBRELLA, output)[1]
    return replace(run, files=files, adopt=adopt)


def difference(
    solved: Solved, chart: str, output: Path, terminal: Terminal, *, ask_aws: bool
) -> "Difference":
    """What a config changes in what is deployed; without AWS, in the last build in `output`/STACK."""
    from generator.build import folder as build_folder
    from generator.deploy import difference

    run = replace(over_build(solved.solution, output, terminal), files=app.build(solved, chart))
    last = build_folder.read(run.folder)
    return difference.of(run, last) if ask_aws else difference.with_last(run.folder, last, run.files)


def over_build(solution: Solution, output: Path, terminal: Terminal, *, dry_run: bool = False) -> "Job":
    """One run over the build in `output`/STACK, for the modules of `deploy`."""
    from generator.aws.clients import Aws
    from generator.build.files import RUNTIMES_ALONE, UMBRELLA
    from generator.deploy import charts
    from generator.deploy.job import Job
    from generator.deploy.tools import Tools, kubeconfig

    folder = output / solution.stack
    chart = RUNTIMES_ALONE if solution.existing_cluster else UMBRELLA
    environment = {"KUBECONFIG": str(kubeconfig(folder).absolute()), "AWS_REGION": solution.region}
    return Job(
        solution=solution,
        folder=folder,
        chart=charts.folder(chart, solution.versions.eks, output),
        aws=Aws(solution.region),
        tools=Tools(terminal.say, dry_run=dry_run, environment=environment),
        facts=app.facts(),
        today=app.today(),
        ask=terminal.ask,
        say=terminal.say,
    )
