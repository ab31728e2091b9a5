"""Runs eksctl, kubectl and helm. Each command is printed before it runs; a dry run prints it only."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator import paths
from generator.errors import AwsError

# What each program is for and where to get it.
PROGRAMS: Mapping[str, str] = {
    "eksctl": "creates the cluster: https://eksctl.io/installation (0.205 or later)",
    "kubectl": "applies CRDs and shows pods: `make setup` in a clone installs it in .cache/bin",
    "helm": "installs the charts: `make setup` in a clone installs it in .cache/bin",
    "aws": "signs in to the cluster for kubectl: https://aws.amazon.com/cli (version 2)",
}

# The exit code of a shell for a program that is not installed.
NOT_INSTALLED = 127


class MissingProgramError(Exception):
    """A program that a step needs is not installed."""


@dataclass(frozen=True)
class Answer:
    """How a program ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Why it failed: the last line of its errors."""
        lines = self.err.strip().splitlines()
        return lines[-1] if lines else f"exit code {self.code}"


class Tools:
    """Runs programs with the environment that they need."""

    def __init__(self, say: Callable[[str], None], *, dry_run: bool, environment: Mapping[str, str]) -> None:
        self._say = say
        self.dry_run = dry_run
        self._environment = dict(environment)

    def need(self, *names: str) -> None:
        """Raise MissingProgramError, with where to get them, for programs that are not installed."""
        missing = [name for name in names if find(name) is None]
        if missing and not self.dry_run:
            lines = [f"{name} is not on PATH; it {PROGRAMS[name]}" for name in missing]
            raise MissingProgramError("\n".join(lines))

    def run(self, *command: str) -> None:
        """Run a program; its output goes to the terminal. Raises AwsError when it fails."""
        self._say(f"$ {shlex.join(command)}")
        if self.dry_run:
            return
        result = subprocess.run(_absolute(command), env=self._env(), check=False)  # noqa: S603 - our own commands
        if result.returncode:
            raise AwsError(
                f"`{shlex.join(command[:3])} …` failed ({result.returncode}): see its output above"
            )

    def pipe(self, source: Sequence[str], target: Sequence[str]) -> None:
        """Run `source | target`. Raises AwsError when either fails."""
        self._say(f"$ {shlex.join(source)} | {shlex.join(target)}")
        if self.dry_run:
            return
        text = self.read(*source)
        if text is None:
            raise AwsError(f"`{shlex.join(source)}` failed")
        result = subprocess.run(  # noqa: S603 - our own commands
            _absolute(target), env=self._env(), check=False, input=text, encoding="utf-8"
        )
        if result.returncode:
            raise AwsError(f"`{shlex.join(target[:3])} …` failed ({result.returncode}): see its output above")

    def read(self, *command: str) -> str | None:
        """The standard output of a command that changes nothing; None when it fails."""
        answer = self.answer(*command)
        return None if answer.code else answer.out

    def answer(self, *command: str) -> "Answer":
        """How a command ended that changes nothing."""
        if find(command[0]) is None:
            return Answer(NOT_INSTALLED, "", f"{command[0]} is not on PATH")
        result = subprocess.run(  # noqa: S603 - our own commands
            _absolute(command), env=self._env(), check=False, capture_output=True, encoding="utf-8"
        )
        return Answer(result.returncode, result.stdout, result.stderr)

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self._environment}


def find(name: str) -> str | None:
    """The path of a program: on PATH, or where `make setup` installs it. None if it is not installed."""
    return shutil.which(name) or shutil.which(name, path=str(paths.root() / ".cache" / "bin"))


def _absolute(command: Sequence[str]) -> list[str]:
    return [find(command[0]) or command[0], *command[1:]]


def kubeconfig(folder: Path) -> Path:
    """The kubeconfig of the cluster, in the build folder: the user's own kubeconfig stays as it is."""
    return folder / "kubeconfig"
