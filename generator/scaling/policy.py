"""The policies that are compared, the delays of nodes and pods, and what a policy leads to."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Seconds that a GPU node takes to join, its images to be pulled, a runtime to be ready with its model, and a
# picture of SDXL on an A10G to be made: rounded figures of docs/cold-start.md and of the price list.
NODE_BOOT, IMAGE_PULL, MODEL_LOAD, SERVICE = 60, 50, 30, 25


@dataclass(frozen=True)
class Policy:
    """How a runtime scales. Times in seconds; `warm`: pods that are always there (minReplicaCount)."""

    queue_length: int
    cooldown: float
    warm: int
    maximum: int
    polling: float
    in_flight: bool
    stabilization: float
    consolidate_after: float


@dataclass(frozen=True)
class Delays:
    """Seconds of a node until it joins, of the pull of images, of a program until its model is ready."""

    node: float = NODE_BOOT
    image: float = IMAGE_PULL
    start: float = MODEL_LOAD


@dataclass(frozen=True)
class Outcome:
    """What the tasks of a trace met: seconds from arrival to picture, seconds of nodes, what was started."""

    waits: tuple[float, ...]
    node_seconds: float
    nodes: int
    pods: int

    def percentile(self, share: float) -> float:
        """The nearest-rank percentile of the seconds to the picture; 0 without tasks."""
        if not self.waits:
            return 0.0
        return sorted(self.waits)[max(0, math.ceil(len(self.waits) * share / 100) - 1)]


def candidates(current: Policy) -> Sequence[Policy]:
    """The policies that a recommendation chooses from: the current one, and all of these values."""
    lengths = sorted({1, 2, 4, 8, 16, current.queue_length})
    cooldowns = sorted({45.0, 300.0, 900.0, current.cooldown})
    pods = sorted({0, 1, 2, 4, 8, current.warm})
    return [
        Policy(
            length, cooldown, warm, current.maximum, current.polling, current.in_flight,
            current.stabilization, current.consolidate_after,
        )
        for warm in pods if warm <= current.maximum
        for length in lengths
        # A runtime that is never at zero has no last pod to remove.
        for cooldown in (cooldowns if warm == 0 else [current.cooldown])
    ]  # fmt: skip
