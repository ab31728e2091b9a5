"""The nodes of a pool in a simulation: Karpenter starts them for pods that wait, and removes empty ones."""

import math
import random
from dataclasses import dataclass, field

from generator.scaling.policy import Pool

# The shares of a node that its pods take are sums of fractions.
NEARLY = 1 + 1e-9


@dataclass(eq=False)
class Placeholder:
    """A placeholder of runtime `owner`. `node`: None while it waits for one."""

    owner: int
    node: "Node | None" = None


@dataclass(eq=False)
class Node:
    """A node: when it was launched and has joined, when its images are there, what is on it."""

    launched: float
    joined: float
    used: float = 0.0
    images: dict[str, float] = field(default_factory=dict)
    empty_since: float | None = None
    leaving: bool = False
    ended: float | None = None


@dataclass(eq=False)
class Nodes:
    """All nodes of a pool, and the placeholders on them."""

    pool: Pool
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - not a secret
    existing: list[Node] = field(default_factory=list)
    placeholders: list[Placeholder] = field(default_factory=list)
    launched: int = 0
    interrupted: int = 0
    _ended_seconds: float = 0.0

    def seconds(self, now: float) -> float:
        """Seconds of all nodes until now."""
        return self._ended_seconds + sum(max(0.0, now - node.launched) for node in self.existing)

    def launch(self, now: float, joined: float) -> Node | None:
        """Start a node; None where the limits of the pool allow no other."""
        if self.pool.nodes is not None and len(self.existing) >= self.pool.nodes:
            return None
        node = Node(now, joined)
        self.existing.append(node)
        self.launched += 1
        return node

    def end(self, node: Node, now: float) -> None:
        """A node is terminated."""
        node.ended = now
        self.existing.remove(node)
        self._ended_seconds += now - node.launched

    def life(self) -> float:
        """Seconds until the next node is interrupted."""
        rate = self.pool.interruptions / 3600
        return self.chance.expovariate(rate) if rate else math.inf

    def room(self, size: float, image: str, now: float) -> Node | None:
        """A node that has joined and has room, if there is one that has the image."""
        fits = [
            node
            for node in self.existing
            if node.joined <= now and not node.leaving and node.used + size <= NEARLY
        ]
        return next((node for node in fits if image in node.images), fits[0] if fits else None)

    def placeholder_for(self, size: float, sizes: list[float], now: float) -> Placeholder | None:
        """A placeholder whose place is enough for a pod."""
        for one in self.placeholders:
            node = one.node
            if node is None or node.joined > now or node.leaving:
                continue
            if node.used - sizes[one.owner] + size <= NEARLY:
                return one
        return None

    def coming(self, now: float) -> list[float]:
        """What is free on each node that has not joined yet."""
        return [1.0 - node.used for node in self.existing if node.joined > now and not node.leaving]
