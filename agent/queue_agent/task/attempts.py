"""How often a task was tried, as its claim says. Pure.

Only attempts that have begun count, and what an agent has seen to fail. SQS counts deliveries: of a task that
waits, many may come and go with pods that end and runtimes that are away.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from queue_agent.task.protocol import MAX_DELIVERIES

# A task may end so many pods for each attempt, by their memory or their disks: then it is at fault after all.
INTERRUPTIONS_PER_ATTEMPT = 3


@dataclass(frozen=True)
class Attempts:
    """The attempts before the one of this claim.

    `interrupted`: those that ended with their pod, which do not count. `settled`: nothing is to be added if
    the agent of the claim is lost.
    """

    counted: int = 0
    interrupted: int = 0
    settled: bool = False

    def begun(self) -> "Attempts":
        """While the attempt of this claim runs: it counts, even if the agent is killed."""
        return Attempts(self.counted + 1, self.interrupted, settled=True)

    def failed(self) -> "Attempts":
        """After the attempt of this claim has failed."""
        return Attempts(self.counted + 1, self.interrupted)

    def given_up(self, *, running: bool) -> "Attempts":
        """After a claim that ends because its pod does, or has no use for the task."""
        return Attempts(self.counted, self.interrupted + running, settled=True)

    def exhausted(self, max_attempts: int, delivery: int) -> bool:
        """Whether no further attempt may begin; `delivery` counts those of the message by SQS."""
        return (
            self.counted >= max_attempts
            or self.interrupted > INTERRUPTIONS_PER_ATTEMPT * max_attempts
            or delivery >= MAX_DELIVERIES
        )


def of_claim(claim: Mapping[str, Any], *, lost: bool) -> Attempts:
    """The attempts before a claim that follows this one; `lost`: the agent of this one was killed."""
    try:
        earlier = Attempts(**claim["attempts"])
    except (KeyError, TypeError):  # of an agent that counted deliveries, or of the API
        return Attempts()
    interrupted = earlier.interrupted + (lost and not earlier.settled)
    return replace(earlier, interrupted=interrupted, settled=False)


def to_claim(attempts: Attempts) -> dict[str, Any]:
    """The part of a claim that `of_claim` reads."""
    return {"attempts": asdict(attempts)}
