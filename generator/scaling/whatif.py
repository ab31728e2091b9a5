"""Compares policies on the arrivals of one runtime, and recommends the cheapest one that is fast enough."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from generator.scaling import hours
from generator.scaling.hours import Clock
from generator.scaling.policy import Bound, Delays, Outcome, Policy, Pool, PoolOutcome, Workload, percentile
from generator.scaling.simulate import simulate

QUEUE_LENGTHS = (1, 2, 4, 8, 16)
COOLDOWNS = (45.0, 300.0, 900.0)


@dataclass(frozen=True)
class NodeKind:
    """The nodes of a runtime: instance type, pods and GPUs of one, price per hour where it is known.

    `market`: that of the price. `about`: where a spot price is from.
    """

    instance_type: str
    pods: int
    gpus: int
    hourly: float | None
    market: Literal["spot", "on-demand", "reserved"] = "on-demand"
    about: str = ""


@dataclass(frozen=True)
class Row:
    """What one policy leads to. `within`: the share of tasks that meet the target; None without one.

    Nodes are those of the whole node pool. `high`: the p95 of tasks of high priority; None without any.
    """

    policy: Policy
    p50: float
    p95: float
    high: float | None
    gpu_hours: float
    cost: float | None
    nodes: int
    pods: int
    interrupted: int
    within: float | None


@dataclass(frozen=True)
class Forecast:
    """The policies for one runtime: the current one first, then one key changed at a time.

    `recommended`: the cheapest of all combinations with a p95 within the target; None where none has one, or
    without a target. `fastest`: the smallest p95, where none has one. `shares_with`: the other runtimes of
    its node pool. `assumed_start`: hours are kept warm, and the trace has no dates.
    """

    runtime: str
    tasks: int
    hours: float
    node: NodeKind
    delays: Delays
    interruptions: float
    target: float | None
    rows: tuple[Row, ...]
    recommended: Row | None
    fastest: Row | None
    shares_with: tuple[str, ...] = ()
    assumed_start: bool = False
    scaled: bool = True


@dataclass(frozen=True)
class Case:
    """A runtime, workload `index` of the node pool, whose policy is changed; the others keep theirs.

    `maximum`: the pods that other policies may have (without KEDA, the current one has one).
    """

    workloads: tuple[Workload, ...]
    index: int
    pool: Pool
    node: NodeKind
    clock: Clock
    maximum: int
    target: float | None = None

    @property
    def base(self) -> Policy:
        """What other policies differ from."""
        return replace(self.own.policy, maximum=self.maximum)

    @property
    def own(self) -> Workload:
        """The runtime itself."""
        return self.workloads[self.index]

    @property
    def allowed(self) -> int:
        """The most tasks that may take longer than the target: p95 is the nearest rank."""
        count = len(self.own.arrivals)
        return count - -(-count * 95 // 100)

    def run(self, policy: Policy, bound: Bound | None = None) -> PoolOutcome | None:
        """What a policy leads to; None beyond the bound."""
        changed = list(self.workloads)
        changed[self.index] = replace(self.own, policy=policy)
        return simulate(changed, self.pool, bound)


def rows(case: Case) -> tuple[Row, ...]:
    """The current policy, and each with one key changed."""
    current = case.own.policy
    return tuple(_row(case, policy) for policy in [current, *_one_change(case)])


def recommend(case: Case, shown: Sequence[Row]) -> tuple[Row | None, Row | None]:
    """The cheapest policy that meets the target and None, or None and the one with the smallest p95.

    A simulation stops when too many tasks are late, or when it has cost more than the cheapest so far.
    """
    if case.target is None:
        return None, None
    known = {row.policy: row for row in shown}
    good = [row for row in shown if row.p95 <= case.target]
    best = min(good, key=lambda row: _rank(row, case), default=None)
    for policy in candidates(case):
        if policy in known:
            continue
        # Costs are compared as they are shown.
        seconds = (best.gpu_hours / case.node.gpus + 0.001) * 3600 if best else float("inf")
        outcome = case.run(policy, Bound(case.index, case.target, case.allowed, seconds))
        if outcome is not None:
            row = _row_of(case, policy, outcome)
            if row.p95 <= case.target and (best is None or _rank(row, case) < _rank(best, case)):
                best = row
    if best is not None:
        return best, None
    fast = [_row(case, policy) for policy in _fast(case) if policy not in known]
    return None, min([*shown, *fast], key=lambda row: (row.p95, row.gpu_hours))


def candidates(case: Case) -> Iterator[Policy]:
    """The policies that a recommendation chooses from."""
    current = case.base
    cooldowns = sorted({*COOLDOWNS, current.cooldown})
    for warm, kept in hours.options(current, case.own.arrivals, case.clock):
        for length in sorted({*QUEUE_LENGTHS, current.queue_length}):
            # A runtime that is never at zero has no last pod to remove.
            for cooldown in cooldowns if warm == 0 else [current.cooldown]:
                yield replace(current, queue_length=length, cooldown=cooldown, warm=warm, kept=kept)


def _one_change(case: Case) -> Iterator[Policy]:
    current = case.base
    for length in QUEUE_LENGTHS:
        if length != current.queue_length:
            yield replace(current, queue_length=length)
    for cooldown in COOLDOWNS:
        if cooldown != current.cooldown and current.warm == 0:
            yield replace(current, cooldown=cooldown)
    for warm, kept in hours.options(current, case.own.arrivals, case.clock)[1:]:
        if all(entry.start is None or entry.pods <= 1 for entry in kept):
            yield replace(current, warm=warm, kept=kept)


def _fast(case: Case) -> Iterator[Policy]:
    """Of each way to keep pods or nodes warm, the policy with the most pods for the longest time."""
    current = case.base
    for warm, kept in hours.options(current, case.own.arrivals, case.clock):
        yield replace(current, queue_length=1, cooldown=max(COOLDOWNS), warm=warm, kept=kept)


def _rank(row: Row, case: Case) -> tuple[float, float, int]:
    return row.gpu_hours, row.p95, differences(row.policy, case.base)


def differences(policy: Policy, current: Policy) -> int:
    """In how many settings two policies differ."""
    settings = [(one.queue_length, one.cooldown, (one.warm, one.kept)) for one in (policy, current)]
    return sum(one != other for one, other in zip(*settings, strict=True))


def _row(case: Case, policy: Policy) -> Row:
    outcome = case.run(policy)
    if outcome is None:
        raise AssertionError("a simulation without a bound ends")
    return _row_of(case, policy, outcome)


def _row_of(case: Case, policy: Policy, outcome: PoolOutcome) -> Row:
    own, node, seconds = outcome.runtimes[case.index], case.node, outcome.node_seconds / 3600
    return Row(
        policy=policy,
        p50=round(own.percentile(50), 1),
        p95=round(own.percentile(95), 1),
        high=round(percentile(own.high, 95), 1) if own.high else None,
        gpu_hours=round(seconds * node.gpus, 3),
        cost=None if node.hourly is None else round(seconds * node.hourly, 3),
        nodes=outcome.nodes,
        pods=own.pods,
        interrupted=outcome.interrupted,
        within=None if case.target is None else _share(own, case.target),
    )


def _share(outcome: Outcome, target: float) -> float:
    return round(sum(wait <= target for wait in outcome.waits) / max(1, len(outcome.waits)), 4)
