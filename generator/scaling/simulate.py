"""Runs arrivals through a model of KEDA, the HorizontalPodAutoscaler and Karpenter, without a clock.

KEDA checks the queue every `polling` seconds: it starts the first pod, and removes the last one `cooldown`
seconds after the queue was empty. Between, the HorizontalPodAutoscaler sets tasks / queueLength pods every 15
seconds, at most doubled or four more at a time, and fewer only after `stabilization` seconds. Checks from
which nothing can follow are left out.
https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details
"""

import heapq
import math
from collections.abc import Sequence
from functools import partial

from generator.scaling import placement, schedule
from generator.scaling.nodes import Nodes
from generator.scaling.placement import Run
from generator.scaling.policy import Bound, Pool, PoolOutcome, Workload
from generator.scaling.schedule import Level
from generator.scaling.tasks import HPA_SYNC, Tasks, tick

# The HPA's own policies for more pods: the larger of twice as many, and four more, in 15 seconds.
GROW_FACTOR, GROW_PODS = 2, 4


def simulate(workloads: Sequence[Workload], pool: Pool, bound: Bound | None = None) -> PoolOutcome | None:
    """What the arrivals of the runtimes of a node pool, sorted by time, lead to; None beyond the bound."""
    runtimes = [
        Tasks(workload, index, bound if bound and bound.index == index else None)
        for index, workload in enumerate(workloads)
    ]
    run = Run(runtimes, Nodes(pool), _wake, [1 / workload.pods_per_node for workload in workloads])
    last = max((one.arrivals[-1].at for one in workloads if one.arrivals), default=0.0)
    for tasks in runtimes:
        _keep_warm(run, tasks, schedule.levels(tasks.workload.policy.kept, pool.start, last))
    run.instant = False
    now = 0.0
    while run.due or not all(one.done for one in runtimes):
        now = max(now, _advance(run))
        if bound and runtimes[bound.index].hopeless:
            return None
        if run.due == 0 and math.isinf(min(one.next_event() for one in runtimes)):
            # What waits for a node waits for ever.
            break
        if run.events and run.events[0][0] <= now:
            now, _, due, handler = heapq.heappop(run.events)
            run.due -= due
            handler(now)
            if bound and run.nodes.seconds(now) > bound.node_seconds:
                return None
    outcomes = tuple(one.outcome() for one in runtimes)
    return PoolOutcome(outcomes, run.nodes.seconds(now), run.nodes.launched, run.nodes.interrupted)


def _advance(run: Run) -> float:
    """Run tasks of one runtime, that whose turn it is: until an event, the next one's turn, or a check."""
    until = run.events[0][0] if run.events else math.inf
    tasks, first, second = run.runtimes[0], math.inf, math.inf
    for one in run.runtimes:
        time = one.next_event()
        if time < first:
            tasks, first, second = one, time, first
        elif time < second:
            second = time
    more = ("sync" if tasks.pods else "poll", tasks.index) not in run.planned
    idle = ("idle", tasks.index) not in run.planned
    now = tasks.advance(min(until, second), more=more, idle=idle)
    _wake(run, tasks, now)
    return now


def _wake(run: Run, tasks: Tasks, now: float) -> None:
    """Plan the checks that something may follow from."""
    policy, pods, count = tasks.workload.policy, len(tasks.pods), tasks.count
    if pods == 0:
        if count or tasks.kept:
            run.once("poll", tasks, tick(now, policy.polling), _poll)
        return
    if pods != min(tasks.floor, policy.maximum) or tasks.wants_more(count):
        run.once("sync", tasks, tick(now, HPA_SYNC), _sync)
    if count == 0 and policy.warm == 0 and tasks.kept == 0:
        end = math.ceil((tasks.last_active + policy.cooldown) / policy.polling) * policy.polling
        run.once("idle", tasks, max(end, tick(now, policy.polling)), _idle)


def _keep_warm(run: Run, tasks: Tasks, levels: Sequence[Level]) -> None:
    """Start with what is kept, and plan what changes that."""
    first, *later = levels
    _set_level(run, tasks, first, 0.0)
    for _ in range(min(max(tasks.workload.policy.warm, tasks.kept), tasks.workload.policy.maximum)):
        placement.add_pod(run, tasks, 0.0)
    for level in later:
        run.at(level.at, partial(_set_level, run, tasks, level))


def _set_level(run: Run, tasks: Tasks, level: Level, now: float) -> None:
    polling = tasks.workload.policy.polling
    if tasks.kept and not level.pods:
        tasks.last_active = max(tasks.last_active, (math.ceil(now / polling) - 1) * polling)
    tasks.kept = level.pods
    if run.instant:
        placement.set_placeholders(run, tasks, level.nodes, now)
    else:
        change = partial(placement.set_placeholders, run, tasks, level.nodes)
        run.at(tick(now, polling), change)
        _wake(run, tasks, now)


def _poll(run: Run, tasks: Tasks, now: float) -> None:
    """KEDA: from zero to one."""
    if tasks.count or tasks.kept:
        tasks.last_active = now
        if not tasks.pods:
            placement.add_pod(run, tasks, now)


def _idle(run: Run, tasks: Tasks, now: float) -> None:
    """KEDA: from one to zero."""
    policy = tasks.workload.policy
    if tasks.count == 0 and tasks.kept == 0 and now - tasks.last_active >= policy.cooldown:
        _scale(run, tasks, 0, now)
        tasks.advice.clear()


def _sync(run: Run, tasks: Tasks, now: float) -> None:
    """The HorizontalPodAutoscaler: as many pods as the tasks ask for."""
    replicas = len(tasks.pods)
    if replicas == 0:
        return
    wanted, advice = tasks.wanted(), tasks.advice
    advice.append((now, wanted))
    while advice[0][0] < now - tasks.workload.policy.stabilization:
        advice.popleft()
    if wanted > replicas:
        _scale(run, tasks, min(wanted, max(replicas * GROW_FACTOR, replicas + GROW_PODS)), now)
    else:
        _scale(run, tasks, min(replicas, max(count for _, count in advice)), now)


def _scale(run: Run, tasks: Tasks, count: int, now: float) -> None:
    for _ in range(count - len(tasks.pods)):
        placement.add_pod(run, tasks, now)
    # Pods that are not ready go first, then idle ones; one that works ends its task.
    surplus = sorted(tasks.pods, key=lambda pod: (pod.task is not None, pod.ready <= now, -pod.ready))
    for pod in surplus[: max(0, len(tasks.pods) - count)]:
        placement.end_pod(run, tasks, pod, now, pod.end)
