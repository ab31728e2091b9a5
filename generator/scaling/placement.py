"""Pods and placeholders on the nodes of a pool in a simulation, as the scheduler and Karpenter place them."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from generator.scaling.nodes import Node, Nodes, Placeholder
from generator.scaling.tasks import Pod, Tasks

# From the notice of a spot interruption until the node is gone.
NOTICE = 120.0
# What happens at a time.
Handler = Callable[[float], None]


@dataclass(eq=False)
class Run:
    """The state of one simulation."""

    runtimes: list[Tasks]
    nodes: Nodes
    # Plans the checks of KEDA and the HPA that something at a time may lead to.
    wake: "Callable[[Run, Tasks, float], None]"
    # The share of a node that a pod of each runtime takes.
    sizes: list[float]
    # Pods that wait for a node, with their runtime.
    waiting: list[tuple[Tasks, Pod]] = field(default_factory=list)
    events: list[tuple[float, int, bool, Handler]] = field(default_factory=list)
    planned: set[tuple[str, int]] = field(default_factory=set)
    number: int = 0
    # Events without which a simulation is not over.
    due: int = 0
    # At the start, what is kept warm is there.
    instant: bool = True

    def at(self, time: float, handler: Handler, *, due: bool = True) -> None:
        """Plan an event."""
        self.number += 1
        self.due += due
        heapq.heappush(self.events, (time, self.number, due, handler))

    def once(self, kind: str, tasks: Tasks, time: float, handler: Callable[..., None]) -> None:
        """Plan a check of a runtime, unless one of its kind is planned."""
        key = (kind, tasks.index)
        if key not in self.planned:
            self.planned.add(key)

            def check(now: float) -> None:
                self.planned.discard(key)
                handler(self, tasks, now)
                self.wake(self, tasks, now)

            self.at(time, check)

    def size(self, tasks: Tasks) -> float:
        """The share of a node that a pod takes."""
        return self.sizes[tasks.index]


def set_placeholders(run: Run, tasks: Tasks, count: int, now: float) -> None:
    """Keep so many placeholders of a runtime."""
    placeholders = run.nodes.placeholders
    mine = [one for one in placeholders if one.owner == tasks.index]
    placeholders.extend(Placeholder(tasks.index) for _ in range(count - len(mine)))
    # Those that wait for a node go first.
    for one in sorted(mine, key=lambda one: one.node is not None)[: max(0, len(mine) - count)]:
        placeholders.remove(one)
        if one.node:
            one.node.used -= run.size(tasks)
            _freed(run, one.node, now)
    place(run, now)


def end_pod(run: Run, tasks: Tasks, pod: Pod, now: float, until: float) -> None:
    """A pod takes no other task, and is gone when its task has ended, at the latest at `until`."""
    pod.leaving = True
    if pod in tasks.pods:
        tasks.pods.remove(pod)
    if pod.task is None:
        _remove(run, tasks, pod, now)
    else:
        run.at(min(pod.end, until), partial(_remove, run, tasks, pod))


def _remove(run: Run, tasks: Tasks, pod: Pod, now: float) -> None:
    if pod.gone:
        return
    pod.gone = True
    tasks.drop(pod, now)
    run.wake(run, tasks, now)
    if pod.node is None:
        run.waiting.remove((tasks, pod))
        return
    pod.node.used -= run.size(tasks)
    _freed(run, pod.node, now)


def _freed(run: Run, node: Node, now: float) -> None:
    """Something has left a node: what waits may take its place."""
    place(run, now)
    _check_empty(run, node, now)


def _check_empty(run: Run, node: Node, now: float) -> None:
    """Karpenter removes a node that has been empty for long enough."""
    if node.used > 1e-9 or node.ended is not None:
        return
    if node.leaving:
        run.nodes.end(node, now)
        return
    policy, delays = run.runtimes[0].workload.policy, run.runtimes[0].workload.delays
    node.empty_since = now
    if math.isfinite(policy.consolidate_after):
        run.at(now + policy.consolidate_after + delays.removal, partial(_remove_empty, run, node, now))


def _remove_empty(run: Run, node: Node, since: float, now: float) -> None:
    if node.ended is None and node.empty_since == since and node.used <= 1e-9:
        run.nodes.end(node, now)


def add_pod(run: Run, tasks: Tasks, now: float) -> None:
    """Start a pod."""
    pod = Pod()
    tasks.pods.append(pod)
    tasks.started += 1
    run.waiting.append((tasks, pod))
    place(run, now)


def place(run: Run, now: float) -> None:
    """The scheduler: pods, then placeholders, go to nodes with room. Karpenter: nodes for the others."""
    nodes = run.nodes
    for tasks, pod in list(run.waiting):
        node = nodes.room(run.size(tasks), tasks.workload.image, now)
        if node is None and (taken := nodes.placeholder_for(run.size(tasks), run.sizes, now)):
            node, taken.node = taken.node, None
            if node is not None:
                node.used -= run.sizes[taken.owner]
        if node is not None:
            run.waiting.remove((tasks, pod))
            _bind(run, tasks, pod, node, now)
    for one in nodes.placeholders:
        tasks = run.runtimes[one.owner]
        if one.node is None and (node := nodes.room(run.size(tasks), tasks.workload.image, now)):
            one.node = node
            _use(run, tasks, node, now)
    _launch(run, now)


def _launch(run: Run, now: float) -> None:
    """Nodes for what has no place on one that exists or comes."""
    nodes = run.nodes
    missing = [tasks for tasks, _ in run.waiting]
    missing += [run.runtimes[one.owner] for one in nodes.placeholders if one.node is None]
    coming = nodes.coming(now)
    launched = False
    for tasks in missing:
        size = run.size(tasks)
        found = next((number for number, free in enumerate(coming) if size <= free + 1e-9), None)
        if found is not None:
            coming[found] -= size
            continue
        joined = now if run.instant else now + tasks.workload.delays.node
        node = nodes.launch(now, joined)
        if node is None:
            break
        launched = True
        coming.append(1 - size)
        run.at(joined, partial(_joined, run, node))
        if (life := nodes.life()) < math.inf:
            run.at(joined + life, partial(_interrupted, run, node), due=False)
    if launched and run.instant:
        place(run, now)


def _joined(run: Run, node: Node, now: float) -> None:
    place(run, now)
    _check_empty(run, node, now)


def _bind(run: Run, tasks: Tasks, pod: Pod, node: Node, now: float) -> None:
    pulled = _use(run, tasks, node, now)
    pod.node = node
    pod.ready = pulled + (0 if run.instant else tasks.workload.delays.start)
    run.at(pod.ready, partial(_ready, run, tasks, pod))


def _use(run: Run, tasks: Tasks, node: Node, now: float) -> float:
    """Take a place on a node; when the image is there."""
    node.used, node.empty_since = node.used + run.size(tasks), None
    pull = 0 if run.instant else tasks.workload.delays.image
    return max(now, node.images.setdefault(tasks.workload.image, now + pull))


def _ready(run: Run, tasks: Tasks, pod: Pod, now: float) -> None:
    if not pod.leaving:
        tasks.ready(pod, now)
        run.wake(run, tasks, now)


def _interrupted(run: Run, node: Node, now: float) -> None:
    """AWS takes a spot node back: a pod that works ends its task, if it can before the node is gone."""
    if node.ended is not None:
        return
    node.leaving = True
    run.nodes.interrupted += 1
    for one in run.nodes.placeholders:
        if one.node is node:
            one.node = None
            node.used -= run.sizes[one.owner]
    for tasks in run.runtimes:
        for pod in [one for one in tasks.pods if one.node is node]:
            end_pod(run, tasks, pod, now, now + NOTICE)
            add_pod(run, tasks, now)
    place(run, now)
    _check_empty(run, node, now)
