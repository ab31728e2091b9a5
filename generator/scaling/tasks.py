"""The tasks of one runtime in a simulation: who waits, who runs, and when the number of pods is looked at.

Between two changes of its pods, tasks are given to pods in one loop, so that 100,000 of them take a second.
"""

import heapq
import math
from collections import deque
from dataclasses import dataclass, field

from generator.scaling.nodes import Node
from generator.scaling.policy import Arrival, Bound, Outcome, Workload

HPA_SYNC = 15.0
TOLERANCE = 0.1


@dataclass(eq=False)
class Pod:
    """A pod. `node`: None while it waits for one. `leaving`: it takes no other task. `end`: of its task."""

    node: Node | None = None
    ready: float = math.inf
    task: Arrival | None = None
    end: float = 0.0
    leaving: bool = False
    gone: bool = False


@dataclass(eq=False)
class Tasks:
    """The state of one runtime. `pods`: those that count as replicas."""

    workload: Workload
    index: int
    bound: Bound | None = None
    pods: list[Pod] = field(default_factory=list)
    idle: list[Pod] = field(default_factory=list)
    started: int = 0
    # What scaling.warm keeps now.
    kept: int = 0
    # The tasks that KEDA counts: those that wait, and with `in_flight` those that run.
    count: int = 0
    advice: deque[tuple[float, int]] = field(default_factory=deque)
    last_active: float = 0.0
    hopeless: bool = False
    waits: list[float] = field(default_factory=list)
    high_waits: list[float] = field(default_factory=list)
    _next: int = 0
    _late: int = 0
    _queue: deque[Arrival] = field(default_factory=deque)
    _high: deque[Arrival] = field(default_factory=deque)
    _running: list[tuple[float, int, Pod]] = field(default_factory=list)
    _number: int = 0
    _busy_since: float = math.inf
    _time: float = 0.0
    _in_flight: bool = True

    def __post_init__(self) -> None:
        self._in_flight = self.workload.policy.in_flight

    @property
    def floor(self) -> int:
        """The fewest pods that the HorizontalPodAutoscaler leaves."""
        return max(1, self.workload.policy.warm, self.kept)

    @property
    def done(self) -> bool:
        """Whether no task waits, runs or is to come."""
        return not (self._queue or self._high or self._running) and self._next >= len(self.workload.arrivals)

    def next_event(self) -> float:
        """When the next task arrives or ends."""
        arrivals = self.workload.arrivals
        at = arrivals[self._next].at if self._next < len(arrivals) else math.inf
        return min(at, self._running[0][0]) if self._running else at

    def advance(self, until: float, *, more: bool, idle: bool) -> float:
        """Run tasks until a time. The time reached: that of the last task where there is no other.

        It stops earlier where tasks ask for more pods (`more`), or where none is left (`idle`).
        """
        arrivals, running = self.workload.arrivals, self._running
        while not self.hopeless:
            at = arrivals[self._next].at if self._next < len(arrivals) else math.inf
            end = running[0][0] if running else math.inf
            now = min(at, end)
            if now > until or now == math.inf:
                return until if until < math.inf else self._time
            self._time, before = now, self.count
            if end <= at:
                self._finished(heapq.heappop(running)[2], end)
            else:
                self._arrived(arrivals[self._next])
            count = self.count
            if before == 0 or count == 0:
                self._follow(before, now)
            if (more and self.wants_more(count)) or (idle and before > 0 and count == 0):
                return now
        return self._time

    def wants_more(self, count: int) -> bool:
        """Whether so many tasks ask for more pods than there are."""
        policy, pods = self.workload.policy, len(self.pods)
        if pods == 0:
            return count > 0
        return pods < policy.maximum and count > (1 + TOLERANCE) * policy.queue_length * pods

    def _follow(self, before: int, now: float) -> None:
        """Keep the last check at which KEDA saw tasks."""
        count = self.count
        if before == 0 and count:
            self._busy_since = now
        elif before and count == 0:
            polling = self.workload.policy.polling
            last = (math.ceil(now / polling) - 1) * polling
            if last >= self._busy_since:
                self.last_active = max(self.last_active, last)

    def _arrived(self, task: Arrival) -> None:
        self._next += 1
        self.count += 1
        (self._high if task.high else self._queue).append(task)
        if self.idle:
            self._give(self.idle.pop(0), task.at)

    def _finished(self, pod: Pod, now: float) -> None:
        task = pod.task
        self.count -= self._in_flight
        pod.task = None
        if task is not None:
            wait = now - task.at
            self.waits.append(wait)
            if task.high:
                self.high_waits.append(wait)
            if self.bound and wait > self.bound.target:
                self._late += 1
                self.hopeless = self._late > self.bound.late
        if not pod.leaving:
            self._give(pod, now)

    def _give(self, pod: Pod, now: float) -> None:
        """Give a pod the next task, or none."""
        queue = self._high or self._queue
        if not queue:
            self.idle.append(pod)
            return
        self.count -= not self._in_flight
        pod.task = queue.popleft()
        pod.end = now + pod.task.seconds
        self._number += 1
        heapq.heappush(self._running, (pod.end, self._number, pod))

    def ready(self, pod: Pod, now: float) -> None:
        """A pod can run tasks."""
        before = self.count
        self._give(pod, now)
        self._follow(before, now)

    def drop(self, pod: Pod, now: float) -> None:
        """A pod is gone: the task that it has not ended goes back to the front of the queue."""
        if pod in self.idle:
            self.idle.remove(pod)
        before, task = self.count, pod.task
        if task is None:
            return
        pod.task = None
        self._running[:] = [entry for entry in self._running if entry[2] is not pod]
        heapq.heapify(self._running)
        (self._high if task.high else self._queue).appendleft(task)
        self.count += not self._in_flight
        if self.idle:
            self._give(self.idle.pop(0), now)
        self._follow(before, now)

    def outcome(self) -> Outcome:
        """What the tasks met; those that never ran waited for ever."""
        left = [*self._queue, *self._high, *self.workload.arrivals[self._next :]]
        never = [math.inf for _ in left]
        high = [math.inf for task in left if task.high]
        return Outcome((*self.waits, *never), self.started, (*self.high_waits, *high))

    def wanted(self) -> int:
        """The replicas that the HorizontalPodAutoscaler asks for."""
        replicas, policy = len(self.pods), self.workload.policy
        ratio = self.count / policy.queue_length
        close = abs(ratio / replicas - 1) <= TOLERANCE
        return min(policy.maximum, max(self.floor, replicas if close else math.ceil(ratio)))


def tick(after: float, period: float) -> float:
    """The first multiple of a period that comes later."""
    return after if math.isinf(after) else (math.floor(after / period) + 1) * period
