"""Compares policies on the arrivals of one runtime, and recommends the cheapest one that is fast enough."""

from collections.abc import Sequence
from dataclasses import dataclass

from generator.scaling.policy import Delays, Outcome, Policy, candidates
from generator.scaling.simulate import Arrival, simulate


@dataclass(frozen=True)
class NodeKind:
    """The nodes of a runtime: instance type, pods and GPUs of one, price per hour where it is known."""

    instance_type: str
    pods: int
    gpus: int
    hourly: float | None


@dataclass(frozen=True)
class Row:
    """What one policy leads to. `within`: the share of tasks that meet the target; None without one."""

    policy: Policy
    p50: float
    p95: float
    gpu_hours: float
    cost: float | None
    nodes: int
    pods: int
    within: float | None


@dataclass(frozen=True)
class Forecast:
    """The policies for one runtime: the current one first, then one key changed at a time.

    `recommended`: the cheapest of all combinations with a p95 within the target; None where none has one, or
    without a target. `fastest`: the smallest p95 of all.
    """

    runtime: str
    tasks: int
    hours: float
    node: NodeKind
    delays: Delays
    target: float | None
    rows: tuple[Row, ...]
    recommended: Row | None
    fastest: Row | None


def forecast(
    runtime: str,
    arrivals: Sequence[Arrival],
    current: Policy,
    delays: Delays,
    *,
    node: NodeKind,
    target: float | None = None,
) -> Forecast:
    """What the arrivals of one runtime lead to under each policy. `target`: a p95 in seconds."""
    policies = candidates(current)
    shown = [current, *(policy for policy in policies if _differences(policy, current) == 1)]
    chosen = list(dict.fromkeys([*shown, *(policies if target is not None else ())]))
    rows = {policy: _row(policy, arrivals, delays, node, target) for policy in chosen}
    good = [row for row in rows.values() if target is not None and row.p95 <= target]
    by_cost = min(
        good, key=lambda row: (row.gpu_hours, row.p95, _differences(row.policy, current)), default=None
    )
    return Forecast(
        runtime=runtime,
        tasks=len(arrivals),
        hours=round(arrivals[-1][0] / 3600, 2),
        node=node,
        delays=delays,
        target=target,
        rows=tuple(rows[policy] for policy in shown),
        recommended=by_cost,
        fastest=min(rows.values(), key=lambda row: (row.p95, row.gpu_hours)) if target is not None else None,
    )


def _differences(policy: Policy, current: Policy) -> int:
    keys = ("queue_length", "cooldown", "warm")
    return sum(getattr(policy, key) != getattr(current, key) for key in keys)


def _row(
    policy: Policy, arrivals: Sequence[Arrival], delays: Delays, node: NodeKind, target: float | None
) -> Row:
    outcome = simulate(arrivals, policy, delays, node.pods)
    hours = outcome.node_seconds / 3600
    return Row(
        policy=policy,
        p50=round(outcome.percentile(50), 1),
        p95=round(outcome.percentile(95), 1),
        gpu_hours=round(hours * node.gpus, 3),
        cost=None if node.hourly is None else round(hours * node.hourly, 3),
        nodes=outcome.nodes,
        pods=outcome.pods,
        within=None if target is None else _share(outcome, target),
    )


def _share(outcome: Outcome, target: float) -> float:
    return round(sum(wait <= target for wait in outcome.waits) / max(1, len(outcome.waits)), 4)
