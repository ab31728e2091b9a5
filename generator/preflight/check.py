"""A check asks AWS a question and judges the answer. All run at once; a refused question never passes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

from generator.aws import errors, explanation
from generator.aws.asker import Asker
from generator.aws.clients import Aws
from generator.aws.explanation import Explanation
from generator.errors import CredentialsError
from generator.facts.facts import Facts
from generator.iam.policy import Policy
from generator.plan.model import Plan
from generator.preflight.result import CheckStatus, Result
from generator.solution import capacity
from generator.solution.capacity import Place
from generator.solution.model import Solution
from generator.solution.nodes import Nodes

Answer = TypeVar("Answer")

# Calls at once. AWS's read APIs allow about 20 a second; boto3 backs off and retries beyond that.
WORKERS = 24


@dataclass(frozen=True)
class Subject:
    """What is judged: a solution, its plan, the images it pulls, the policies of its deployer."""

    solution: Solution
    plan: Plan
    facts: Facts
    today: date
    images: tuple[str, ...]
    deployer: tuple[Policy, ...]
    # The folders that a type of runtime needs in its models, and those of them that only Forge needs.
    model_folders: Mapping[str, tuple[str, ...]]
    forge_folders: tuple[str, ...] = ()

    def zones_of(self, nodes: Nodes) -> tuple[str, ...]:
        """The zones in which the nodes of a runtime may be; empty for any, as in an existing cluster."""
        if self.solution.existing_cluster:
            return ()
        place = Place(self.facts.region(self.solution.region), self.solution.zones)
        return capacity.zones(nodes, place)


@dataclass(frozen=True)
class Check(Generic[Answer]):
    """`ask` talks to AWS; `judge` is pure."""

    theme: str
    name: str
    ask: Callable[[Asker], Answer]
    judge: Callable[[Answer], Iterable[Result]]
    # Nothing else is asked unless this one passes.
    first: bool = False

    def run(self, asker: Asker) -> list[Result]:
        """Ask and judge."""
        try:
            answer = self.ask(asker)
        except CredentialsError as error:
            return [Result(self.theme, self.name, CheckStatus.UNKNOWN, error.reason, error.help)]
        except errors.refusals() as error:
            return [could_not(self.theme, self.name, error)]
        return list(self.judge(answer))


def could_not(theme: str, name: str, error: Exception) -> Result:
    """The result of a question that AWS refused, or did not answer."""
    unexplained = Explanation(explanation.one_line(error), "try again; if it persists, ask AWS Support")
    why = errors.explained(error) or unexplained
    return Result(theme, name, CheckStatus.UNKNOWN, why.reason, why.help)


def run_all(checks: Sequence[Check[Any]], clients: Aws) -> list[Result]:
    """The results of all checks, in their order; of the first ones only, where one of them does not pass."""
    asker = Asker(clients)
    first = [result for check in checks if check.first for result in check.run(asker)]
    if any(result.status is not CheckStatus.PASSED for result in first):
        return first
    with ThreadPoolExecutor(WORKERS) as pool:
        lists = pool.map(lambda check: check.run(asker), checks)
        return [result for results in lists for result in results]
