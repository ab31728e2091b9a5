"""What every step is given."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from generator.aws.clients import Aws
from generator.deploy.tools import Tools
from generator.facts.facts import Facts
from generator.solution.model import Solution


class RefusedError(Exception):
    """The user said no, or what they ask cannot be: nothing was changed by this step."""


@dataclass(frozen=True)
class Job:
    """One run over one build. `ask` puts a question to the user; `say` shows progress."""

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

    @property
    def dry_run(self) -> bool:
        """Whether commands are shown only."""
        return self.tools.dry_run

    @property
    def stack(self) -> str:
        """The name that everything has."""
        return self.solution.stack

    def confirm(self, question: str) -> None:
        """Go on only if the user says yes."""
        if not self.dry_run and not self.ask(question):
            raise RefusedError("nothing was changed by this step")
