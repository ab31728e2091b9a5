"""The parameters of every step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from generator.aws.clients import Aws
from generator.deploy.tools import Tools
from generator.facts.facts import Facts
from generator.solution.model import Solution


class RefusedError(Exception):
    """The user declined, or the request is not possible. This step changed nothing."""


@dataclass(frozen=True)
class Job:
    """One run over one build. `ask` puts a yes/no question to the user; `say` prints progress."""

    solution: Solution
    folder: Path
    chart: Path
    aws: Aws
    tools: Tools
    facts: Facts
    today: date
    ask: Callable[[str], bool]
    say: Callable[[str], None]
    adopt: bool = False
    # Path and text of the files of the build. A dry run has them here only.
    files: Mapping[str, str] = field(default_factory=dict)
    # Whether a dry run cannot ask AWS: it assumes an empty account.
    offline: bool = False

    @property
    def dry_run(self) -> bool:
        """Whether commands are only printed."""
        return self.tools.dry_run

    @property
    def stack(self) -> str:
        """The name of the solution, which is also the name of its stack and cluster."""
        return self.solution.stack

    def confirm(self, question: str) -> None:
        """Continue only if the user says yes. Raises RefusedError."""
        if not self.dry_run and not self.ask(question):
            raise RefusedError("nothing was changed by this step")
