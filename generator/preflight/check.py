"""A check: a question to AWS and what its answer means. All run at once; a refusal is never a pass."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import Any, Generic, TypeVar

from generator.aws import clients as aws
from generator.aws.clients import Aws
from generator.facts.facts import Facts
from generator.iam.policy import Policy
from generator.plan.model import Plan
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Solution

Answer = TypeVar("Answer")

# Calls at once. AWS's read APIs answer some 20 a second; boto3 backs off and tries again beyond that.
WORKERS = 24


@dataclass(frozen=True)
class Subject:
    """What is judged: a solution, its plan, what it runs and needs, the policies of who deploys it."""

    solution: Solution
    plan: Plan
    facts: Facts
    today: date
    images: tuple[str, ...]
    deployer: tuple[Policy, ...]
    # The folders that a type of runtime needs at the top of its models.
    model_folders: Mapping[str, tuple[str, ...]]


class Asker:
    """AWS for checks that run at the same time: a question that several of them have is asked once."""

    def __init__(self, clients: Aws) -> None:
        self._clients = clients
        self._answers: dict[str, Future[Any]] = {}
        self._lock = Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service."""
        return self._clients.client(service, region)

    def once(self, key: str, ask: Callable[["Asker"], Answer]) -> Answer:
        """The answer to the question `key`; whoever comes second waits for the first."""
        with self._lock:
            first = key not in self._answers
            future: Future[Answer] = self._answers.setdefault(key, Future())
        if first:
            try:
                future.set_result(ask(self))
            except aws.refusals() as error:
                future.set_exception(error)
        return future.result()


@dataclass(frozen=True)
class Check(Generic[Answer]):
    """`ask` talks to AWS; `judge` is pure."""

    theme: str
    what: str
    ask: Callable[[Asker], Answer]
    judge: Callable[[Answer], Iterable[Result]]

    def run(self, asker: Asker) -> list[Result]:
        """What it finds."""
        try:
            answer = self.ask(asker)
        except aws.refusals() as error:
            return [could_not(self.theme, self.what, error)]
        return list(self.judge(answer))


def could_not(theme: str, what: str, error: Exception) -> Result:
    """A question that AWS refused, or did not answer."""
    if aws.code(error) in aws.DENIED:
        help = "give whoever deploys this right: iam/deployer-policy.json has it"
    else:
        help = "try again; if it stays, check credentials, region and network"
    return Result(theme, what, CheckStatus.UNKNOWN, aws.reason(error), help)


def run_all(checks: Sequence[Check[Any]], clients: Aws) -> list[Result]:
    """The results of all checks, in their order."""
    asker = Asker(clients)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda check: check.run(asker), checks)
        return [result for results in found for result in results]
