"""Runs arrivals through a model of KEDA, the HorizontalPodAutoscaler and Karpenter, without a clock.

KEDA checks the queue every `polling` seconds: it starts the first pod, and removes the last one `cooldown`
seconds after the queue was empty. Between, the HorizontalPodAutoscaler sets tasks / queueLength pods every 15
seconds, at most doubled or four more at a time, and fewer only after `stabilization` seconds.
https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details
"""

import heapq
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from generator.scaling.policy import Delays, Outcome, Policy

HPA_SYNC = 15.0
TOLERANCE = 0.1
# The HPA's own policies for more pods: the larger of twice as many, and four more, in 15 seconds.
GROW_FACTOR, GROW_PODS = 2, 4

# Seconds since the first task, and how long its run takes.
Arrival = tuple[float, float]


@dataclass
class _Node:
    """A node: when it was launched and has joined, when its images are there, how many pods are on it."""

    launched: float
    joined: float
    pulled: float | None = None
    pods: int = 0
    empty_since: float | None = None
    ended: float | None = None


@dataclass(eq=False)
class _Pod:
    """A pod. `leaving`: it takes no other task."""

    node: _Node
    ready: float
    busy: bool = False
    leaving: bool = False
    gone: bool = False


@dataclass
class _Run:
    """The state of one simulation."""

    policy: Policy
    delays: Delays
    pods_per_node: int
    queue: deque[Arrival] = field(default_factory=deque)
    pods: list[_Pod] = field(default_factory=list)
    nodes: list[_Node] = field(default_factory=list)
    events: list[tuple[float, int, str, object]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    advice: deque[tuple[float, int]] = field(default_factory=deque)
    last_active: float = 0.0
    started: int = 0
    number: int = 0
    planned: set[str] = field(default_factory=set)

    def at(self, time: float, kind: str, subject: object = None) -> None:
        """Plan an event."""
        self.number += 1
        heapq.heappush(self.events, (time, self.number, kind, subject))

    def tick(self, now: float, kind: str, period: float) -> None:
        """Plan the next check of KEDA or the HPA, unless it is planned."""
        if kind not in self.planned:
            self.planned.add(kind)
            self.at((math.floor(now / period) + 1) * period, kind)

    @property
    def staying(self) -> list[_Pod]:
        """The pods that count as replicas."""
        return [pod for pod in self.pods if not pod.leaving]

    @property
    def tasks(self) -> int:
        """The tasks that KEDA counts."""
        running = sum(pod.busy for pod in self.pods) if self.policy.in_flight else 0
        return len(self.queue) + running

    def wake(self, now: float) -> None:
        """Plan the checks that something may follow from."""
        if self.tasks or len(self.staying) > self.policy.warm:
            self.tick(now, "poll", self.policy.polling)
            self.tick(now, "sync", HPA_SYNC)


def simulate(arrivals: Sequence[Arrival], policy: Policy, delays: Delays, pods_per_node: int = 1) -> Outcome:
    """What the arrivals of one runtime with nodes of its own lead to. `arrivals` are sorted by time."""
    run = _Run(policy, delays, pods_per_node)
    for _ in range(policy.warm):
        _add_pod(run, 0.0, warm=True)
    for arrival in arrivals:
        run.at(arrival[0], "arrival", arrival)
    now = 0.0
    while run.events:
        now, _, kind, subject = heapq.heappop(run.events)
        _HANDLERS[kind](run, now, subject)
    seconds = sum((now if node.ended is None else node.ended) - node.launched for node in run.nodes)
    return Outcome(tuple(run.waits), seconds, len(run.nodes), run.started)


def _arrived(run: _Run, now: float, subject: object) -> None:
    run.queue.append(subject)  # type: ignore[arg-type]
    _give_tasks(run, now)
    run.wake(now)


def _ready(run: _Run, now: float, _: object) -> None:
    _give_tasks(run, now)
    run.wake(now)


def _done(run: _Run, now: float, subject: object) -> None:
    pod = subject
    assert isinstance(pod, _Pod)  # noqa: S101 - what `_give_tasks` planned
    pod.busy = False
    if pod.leaving:
        _remove(run, now, pod)
    _give_tasks(run, now)
    run.wake(now)


def _give_tasks(run: _Run, now: float) -> None:
    for pod in run.pods:
        if not run.queue:
            return
        if not pod.busy and not pod.leaving and pod.ready <= now:
            arrived, seconds = run.queue.popleft()
            pod.busy = True
            run.waits.append(now + seconds - arrived)
            run.at(now + seconds, "done", pod)


def _poll(run: _Run, now: float, _: object) -> None:
    """KEDA: from zero to one, and from one to zero."""
    run.planned.discard("poll")
    replicas = len(run.staying)
    if run.tasks:
        run.last_active = now
        if replicas == 0:
            _add_pod(run, now)
    elif run.policy.warm == 0 and replicas and now - run.last_active >= run.policy.cooldown:
        _scale(run, now, 0)
        run.advice.clear()
    run.wake(now)


def _sync(run: _Run, now: float, _: object) -> None:
    """The HorizontalPodAutoscaler: as many pods as the tasks ask for."""
    run.planned.discard("sync")
    replicas = len(run.staying)
    if replicas:
        wanted = _wanted(run, replicas)
        run.advice.append((now, wanted))
        while run.advice[0][0] < now - run.policy.stabilization:
            run.advice.popleft()
        if wanted > replicas:
            _scale(run, now, min(wanted, max(replicas * GROW_FACTOR, replicas + GROW_PODS)))
        else:
            _scale(run, now, min(replicas, max(count for _, count in run.advice)))
    run.wake(now)


def _wanted(run: _Run, replicas: int) -> int:
    policy = run.policy
    ratio = run.tasks / policy.queue_length
    close = abs(ratio / replicas - 1) <= TOLERANCE
    wanted = replicas if close else math.ceil(ratio)
    return min(policy.maximum, max(1, policy.warm, wanted))


def _scale(run: _Run, now: float, count: int) -> None:
    staying = run.staying
    for _ in range(count - len(staying)):
        _add_pod(run, now)
    # Pods that are not ready go first, then idle ones; one that works ends its task.
    surplus = sorted(staying, key=lambda pod: (pod.busy, pod.ready <= now, -pod.ready))
    for pod in surplus[: max(0, len(staying) - count)]:
        pod.leaving = True
        if not pod.busy:
            _remove(run, now, pod)


def _add_pod(run: _Run, now: float, *, warm: bool = False) -> None:
    node = next((one for one in run.nodes if one.ended is None and one.pods < run.pods_per_node), None)
    if node is None:
        node = _Node(now, now if warm else now + run.delays.node, now if warm else None)
        run.nodes.append(node)
    node.pods, node.empty_since = node.pods + 1, None
    if node.pulled is None:
        node.pulled = max(now, node.joined) + run.delays.image
    pod = _Pod(node, now if warm else max(now, node.pulled) + run.delays.start)
    run.pods.append(pod)
    run.started += 1
    run.at(pod.ready, "ready", pod)


def _remove(run: _Run, now: float, pod: _Pod) -> None:
    if pod.gone:
        return
    pod.gone = True
    run.pods.remove(pod)
    pod.node.pods -= 1
    if pod.node.pods == 0:
        pod.node.empty_since = now
        if math.isfinite(run.policy.consolidate_after):
            run.at(now + run.policy.consolidate_after, "empty", pod.node)


def _empty(run: _Run, now: float, subject: object) -> None:
    """Karpenter removes a node that has been empty for long enough."""
    node = subject
    assert isinstance(node, _Node)  # noqa: S101 - what `_remove` planned
    since = node.empty_since
    if node.ended is None and since is not None and now - since >= run.policy.consolidate_after - 1e-6:
        node.ended = max(now, node.joined)


_HANDLERS = {
    "arrival": _arrived,
    "ready": _ready,
    "done": _done,
    "poll": _poll,
    "sync": _sync,
    "empty": _empty,
}
