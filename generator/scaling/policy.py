"""The policies that are compared, the delays of nodes and pods, and what a policy leads to."""

import math
from dataclasses import dataclass

from generator.solution.warm import WarmEntry

# Seconds that a GPU node takes to join, its images to be pulled, a runtime to be ready with its model, and a
# picture of SDXL on an A10G to be made: rounded figures of docs/cold-start.md and of the price list.
NODE_BOOT, IMAGE_PULL, MODEL_LOAD, SERVICE = 60, 50, 30, 25
# Karpenter looks for empty nodes every 10 s, and removes one that is still empty 15 s later.
# Source: pollingPeriod and consolidationTTL in pkg/controllers/disruption of kubernetes-sigs/karpenter.
NODE_REMOVAL = 20


@dataclass(frozen=True)
class Policy:
    """How a runtime scales. Times in seconds; `warm`: pods that are always there (minReplicaCount).

    `kept`: the entries of scaling.warm: pods and placeholders, at all times or at some hours.
    """

    queue_length: int
    cooldown: float
    warm: int
    maximum: int
    polling: float
    in_flight: bool
    stabilization: float
    consolidate_after: float
    kept: tuple[WarmEntry, ...] = ()


@dataclass(frozen=True)
class Delays:
    """Seconds of a node until it joins, of the pull of images, of a program until its model is ready.

    `removal`: until Karpenter has seen that a node is empty.
    """

    node: float = NODE_BOOT
    image: float = IMAGE_PULL
    start: float = MODEL_LOAD
    removal: float = NODE_REMOVAL


@dataclass(frozen=True)
class Arrival:
    """A task: seconds since the first one, how long its run takes, whether its priority is high."""

    at: float
    seconds: float
    high: bool = False


@dataclass(frozen=True)
class Workload:
    """A runtime in a node pool: what arrives, how it scales, how many of its pods a node can run.

    `image`: runtimes with the same one share it on a node.
    """

    arrivals: tuple[Arrival, ...]
    policy: Policy
    delays: Delays
    pods_per_node: int = 1
    image: str = ""


@dataclass(frozen=True)
class Pool:
    """The nodes of a pool: how many at most, and how many interruptions a spot node has in an hour.

    `start`: the first task in seconds since 1970, by which the hours of scaling.warm are found.
    """

    nodes: int | None = None
    interruptions: float = 0.0
    start: float = 0.0


@dataclass(frozen=True)
class Bound:
    """When a simulation may stop: it cannot meet the target any more, or has cost more node seconds.

    `late`: the most tasks of workload `index` that may take longer than `target`.
    """

    index: int
    target: float
    late: int
    node_seconds: float = math.inf


@dataclass(frozen=True)
class Outcome:
    """What the tasks of one runtime met: seconds from arrival to picture, the pods that were started."""

    waits: tuple[float, ...]
    pods: int
    # Of the tasks of high priority only.
    high: tuple[float, ...] = ()

    def percentile(self, share: float) -> float:
        """The nearest-rank percentile of the seconds to the picture; 0 without tasks."""
        return percentile(self.waits, share)


@dataclass(frozen=True)
class PoolOutcome:
    """What the tasks of a pool met, by workload; seconds of nodes, nodes started, nodes interrupted."""

    runtimes: tuple[Outcome, ...]
    node_seconds: float
    nodes: int
    interrupted: int


def percentile(values: tuple[float, ...], share: float) -> float:
    """The nearest-rank percentile; 0 of nothing."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]
