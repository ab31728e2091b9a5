"""The programs that do the work: eksctl, kubectl, helm. Said before they run; only said in a dry run."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from generator import paths
from generator.errors import AwsError

# What each is for, to be said when it is missing.
PROGRAMS: Mapping[str, str] = {
    "eksctl": "makes the cluster: https://eksctl.io/installation (0.205 or later)",
    "kubectl": "applies CRDs and shows pods: `make setup` in a clone puts it into .cache/bin",
    "helm": "installs the charts: `make setup` in a clone puts it into .cache/bin",
    "aws": "signs in to the cluster for kubectl: https://aws.amazon.com/cli (version 2)",
}


class MissingProgramError(Exception):
    """A program that a step needs is not installed."""


class Tools:
    """Runs programs with the environment that they need."""

    def __init__(self, say: Callable[[str], None], *, dry_run: bool, environment: Mapping[str, str]) -> None:
        self._say = say
        self.dry_run = dry_run
        self._environment = dict(environment)

    def need(self, *names: str) -> None:
        """Raise MissingProgramError, with what to do, for those that are not there."""
        missing = [name for name in names if found(name) is None]
        if missing and not self.dry_run:
            lines = [f"{name} is not on PATH; it {PROGRAMS[name]}" for name in missing]
            raise MissingProgramError("\n".join(lines))

    def run(self, *command: str) -> None:
        """Run to the end; its output is the user's. Raises AwsError when it fails."""
        self._say(f"$ {shlex.join(command)}")
        if self.dry_run:
            return
        done = subprocess.run(_absolute(command), env=self._env(), check=False)  # noqa: S603 - our own commands
        if done.returncode:
            raise AwsError(f"`{shlex.join(command[:3])} …` ended with {done.returncode}: its reason is above")

    def pipe(self, source: Sequence[str], target: Sequence[str]) -> None:
        """Run `source | target`. Raises AwsError when either fails."""
        self._say(f"$ {shlex.join(source)} | {shlex.join(target)}")
        if self.dry_run:
            return
        text = self.read(*source)
        if text is None:
            raise AwsError(f"`{shlex.join(source)}` failed")
        done = subprocess.run(  # noqa: S603 - our own commands
            _absolute(target), env=self._env(), check=False, input=text, encoding="utf-8"
        )
        if done.returncode:
            raise AwsError(f"`{shlex.join(target[:3])} …` ended with {done.returncode}: its reason is above")

    def read(self, *command: str) -> str | None:
        """What a command that changes nothing prints; None when it fails."""
        done = subprocess.run(  # noqa: S603 - our own commands
            _absolute(command), env=self._env(), check=False, capture_output=True, encoding="utf-8"
        )
        return None if done.returncode else done.stdout

    def _env(self) -> dict[str, str]:
        return {**os.environ, **self._environment}


def found(name: str) -> str | None:
    """Where a program is: on PATH, or where `make setup` puts it."""
    return shutil.which(name) or shutil.which(name, path=str(paths.root() / ".cache" / "bin"))


def _absolute(command: Sequence[str]) -> list[str]:
    return [found(command[0]) or command[0], *command[1:]]


def kubeconfig(folder: Path) -> Path:
    """The cluster's own kubeconfig, so that nobody's other contexts are touched."""
    return folder / "kubeconfig"
