"""The model of scaling: by hand for small cases, and against runs on real controllers."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from generator import app
from generator.plan import whatif as planning
from generator.scaling import schedule, whatif
from generator.scaling import simulate as model
from generator.scaling.hours import Clock
from generator.scaling.policy import (
    NODE_REMOVAL,
    Arrival,
    Delays,
    Outcome,
    Policy,
    Pool,
    PoolOutcome,
    Workload,
)
from generator.scaling.whatif import Case, NodeKind, Row
from generator.solution import warm
from generator.solution.cron import FIRST_DAY
from generator.solution.warm import WarmEntry
from testing.arrivals import TRACES
from tests.cluster.conftest import ROOT

POLICY = Policy(
    queue_length=8, cooldown=45, warm=0, maximum=20, polling=5, in_flight=True, stabilization=150,
    consolidate_after=0,
)  # fmt: skip
DELAYS = Delays(60, 50, 30, removal=0)
NODE = NodeKind("g5.xlarge", 1, 1, 1.0)
ONE_POOL = Pool()
Times = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Result:
    """What a runtime with nodes of its own met."""

    waits: tuple[float, ...]
    node_seconds: float
    nodes: int
    pods: int
    percentile: Callable[[float], float]


def workload(arrivals: Times, policy: Policy, delays: Delays = DELAYS, per_node: int = 1) -> Workload:
    return Workload(tuple(Arrival(*arrival) for arrival in arrivals), policy, delays, per_node)


def pool_of(*workloads: Workload, pool: Pool = ONE_POOL) -> PoolOutcome:
    outcome = model.simulate(workloads, pool)
    assert outcome is not None
    return outcome


def simulate(arrivals: Times, policy: Policy, delays: Delays = DELAYS, per_node: int = 1) -> Result:
    outcome = pool_of(workload(arrivals, policy, delays, per_node))
    [own] = outcome.runtimes
    return Result(own.waits, outcome.node_seconds, outcome.nodes, own.pods, own.percentile)


def test_one_task_waits_for_a_check_a_node_its_images_and_the_runtime() -> None:
    outcome = simulate([(0.0, 25.0)], POLICY, DELAYS)

    assert outcome.waits == (5 + 60 + 50 + 30 + 25,)
    # KEDA saw the task for the last time at 165: 45 seconds later it ends the pod, and Karpenter the node.
    assert outcome.node_seconds == 210 - 5
    assert (outcome.nodes, outcome.pods) == (1, 1)


def test_a_warm_pod_takes_a_task_at_once_and_is_paid_for_all_the_time() -> None:
    outcome = simulate([(0.0, 25.0), (3600.0, 25.0)], replace(POLICY, warm=1), DELAYS)

    assert outcome.waits == (25, 25)
    assert outcome.node_seconds >= 3625
    assert outcome.pods == 1


def test_more_warm_pods_than_tasks_share_nothing() -> None:
    outcome = simulate([(0.0, 25.0)] * 3, replace(POLICY, warm=4), DELAYS)

    assert outcome.waits == (25, 25, 25)


@pytest.mark.parametrize(("queue_length", "pods"), [(1, 8), (2, 4), (4, 2), (8, 1)])
def test_a_burst_gets_a_pod_for_each_queue_length(queue_length: int, pods: int) -> None:
    outcome = simulate([(0.0, 25.0)] * 8, replace(POLICY, queue_length=queue_length), DELAYS)

    assert outcome.pods == pods


def test_no_more_pods_than_the_maximum() -> None:
    outcome = simulate([(0.0, 25.0)] * 100, replace(POLICY, queue_length=1, maximum=3), DELAYS)

    assert outcome.pods == 3


def test_pods_of_one_node_share_its_start_and_its_images() -> None:
    policy = replace(POLICY, queue_length=4)
    alone, together = (simulate([(0.0, 25.0)] * 8, policy, DELAYS, per_node) for per_node in (1, 2))

    assert (alone.nodes, together.nodes) == (2, 1)
    assert together.percentile(95) <= alone.percentile(95)


def test_a_node_that_is_empty_waits_for_its_time_and_is_used_again() -> None:
    arrivals = [(0.0, 25.0), (400.0, 25.0)]
    at_once, later = (
        simulate(arrivals, replace(POLICY, consolidate_after=seconds), DELAYS) for seconds in (0, 600)
    )

    assert (at_once.nodes, later.nodes) == (2, 1)
    assert later.waits[1] < at_once.waits[1]
    assert later.node_seconds > at_once.node_seconds


def test_a_longer_cooldown_keeps_the_pod_for_the_next_task() -> None:
    arrivals = [(0.0, 25.0), (400.0, 25.0)]

    assert simulate(arrivals, replace(POLICY, cooldown=900), DELAYS).waits[1] == 25


@pytest.mark.parametrize("warm", [0, 2])
@pytest.mark.parametrize("in_flight", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_every_task_is_done_once_and_never_before_its_run_can_be(
    seed: int, in_flight: bool, warm: int
) -> None:
    chance = random.Random(seed)
    arrivals = sorted((chance.uniform(0, 3600), chance.uniform(1, 90)) for _ in range(200))
    policy = replace(POLICY, queue_length=chance.choice([1, 3, 8]), warm=warm, in_flight=in_flight)

    outcome = simulate(arrivals, policy, DELAYS, chance.choice([1, 4]))

    assert len(outcome.waits) == len(arrivals)
    assert min(outcome.waits) >= min(seconds for _, seconds in arrivals)
    assert outcome.node_seconds * 4 >= sum(seconds for _, seconds in arrivals)


@pytest.mark.parametrize("seed", range(6))
def test_two_runtimes_that_cannot_use_each_others_nodes_are_as_if_they_were_alone(seed: int) -> None:
    chance = random.Random(seed)
    # Nodes that are removed at once, far apart in time.
    times = [
        sorted((start + chance.uniform(0, 600), chance.uniform(1, 60)) for _ in range(30))
        for start in (0, 50_000)
    ]
    policy = replace(POLICY, queue_length=chance.choice([1, 4]), in_flight=chance.random() < 0.5)

    together = pool_of(*(workload(one, policy) for one in times))

    alone = [simulate(one, policy) for one in times]
    for one, own in zip(together.runtimes, alone, strict=True):
        assert one.waits == pytest.approx(own.waits)
    assert together.node_seconds == pytest.approx(sum(one.node_seconds for one in alone))


def test_a_pod_takes_the_node_that_another_runtime_of_the_pool_leaves() -> None:
    delays = replace(DELAYS, removal=300)
    # The second task comes when the node of the first is empty.
    runtimes = [workload([(at, 25.0)], POLICY, delays) for at in (0.0, 400.0)]

    outcome = pool_of(*runtimes)

    assert outcome.nodes == 1
    assert outcome.runtimes[1].waits == (5 + 30 + 25,)


@pytest.mark.parametrize("rate", [0.5, 5.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_task_whose_node_is_interrupted_runs_again(seed: int, rate: float) -> None:
    chance = random.Random(seed)
    times = sorted((chance.uniform(0, 20_000), chance.uniform(1, 400)) for _ in range(100))

    outcome = pool_of(workload(times, POLICY), pool=Pool(interruptions=rate))

    assert outcome.interrupted > 0
    waits = outcome.runtimes[0].waits
    assert len(waits) == 100
    assert max(waits) < math.inf


def test_the_notice_of_an_interruption_is_enough_for_a_short_task() -> None:
    """With an interruption an hour and more than two minutes for a task, some run twice; else none."""
    policy = replace(POLICY, warm=1, maximum=1)
    short, long = (
        pool_of(workload([(float(at), seconds) for at in range(0, 200_000, 1000)], policy),
                pool=Pool(interruptions=2.0))
        for seconds in (100.0, 900.0)
    )  # fmt: skip

    start = sum((DELAYS.node, DELAYS.image, DELAYS.start))
    assert max(short.runtimes[0].waits) <= start + 100
    assert max(long.runtimes[0].waits) > start + 900


def test_a_limit_of_nodes_holds_for_all_runtimes_of_a_pool() -> None:
    times = [(0.0, 25.0)] * 40
    policy = replace(POLICY, queue_length=1)

    outcome = pool_of(workload(times, policy), workload(times, policy), pool=Pool(nodes=3))

    assert sum(len(one.waits) for one in outcome.runtimes) == 80
    # At no time are there more than three.
    longest = max(wait for one in outcome.runtimes for wait in one.waits)
    assert outcome.node_seconds <= 3 * (longest + 60)


def test_a_warm_node_is_followed_by_the_next_one() -> None:
    policy = replace(POLICY, kept=(WarmEntry(0, 1, "UTC", None, None),), queue_length=1)

    outcome = simulate([(0.0, 25.0), (300.0, 25.0)], policy)

    assert outcome.waits == (5 + 30 + 25,) * 2
    assert outcome.nodes >= 2


BERLIN = WarmEntry(2, 0, "Europe/Berlin", "0 8 * * 1-5", "0 18 * * 1-5")


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        # A Friday in winter: eight in Berlin is seven in UTC; the weekend has no hours.
        ("2026-11-27T06:00+00:00", 72, [(0, 0), (1, 2), (11, 0)]),
        # In summer it is six; a trace that starts within the hours starts with what they keep.
        ("2026-07-01T07:00+00:00", 24, [(0, 2), (9, 0), (23, 2)]),
        # The night to 2026-03-29 has an hour less: from Friday 18:00 to Monday 08:00 it is 61 hours.
        ("2026-03-27T17:00+00:00", 70, [(0, 0), (61, 2)]),
        # A weekend, to whose hours belong neither the Friday before nor the Monday after.
        ("2026-11-28T00:00+00:00", 24, [(0, 0)]),
    ],
)
def test_hours_are_those_of_the_time_zone(start: str, hours: int, expected: list[tuple[float, int]]) -> None:
    begin = datetime.fromisoformat(start).timestamp()

    levels = schedule.levels([BERLIN], begin, hours * 3600.0)

    assert [(level.at / 3600, level.pods) for level in levels] == expected


def test_hours_agree_with_those_that_the_plan_counts() -> None:
    """Over the year of the plan, in a zone without summer time."""
    texts = [("0 8 * * 1-5", "0 18 * * 1-5"), ("30 22 * * *", "15 6 * * *"), ("0 0 1 * *", "0 0 2 * *")]
    entries = [WarmEntry(count, 0, "UTC", *text) for count, text in enumerate(texts, start=1)]
    begin = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC).timestamp()
    year = 364 * 86_400.0

    found = schedule.levels(entries, begin, year)

    weeks: dict[int, float] = {}
    for level, end in zip(found, [*(one.at for one in found[1:]), year], strict=True):
        weeks[level.pods] = weeks.get(level.pods, 0.0) + (end - level.at) / 3600 / 52
    planned = {level.pods: level.hours for level in warm.levels(entries)}
    assert {pods: round(hours, 2) for pods, hours in weeks.items() if pods} == pytest.approx(planned, abs=0.5)


# What `make bench-scaling` measured with the real KEDA 2.15 and Karpenter 1.8 (docs/scaling.md).
MEASURED = {
    ("ours", "burst"): (300, 397, 1935),
    ("ours", "steady"): (183, 279, 2991),
    ("ours", "diurnal"): (238, 266, 4180),
    ("reference", "burst"): (330, 454, 2046),
    ("reference", "steady"): (225, 298, 3303),
    ("reference", "diurnal"): (255, 293, 4182),
}


# The values of bench/scaling_policies.py.
REFERENCE = replace(POLICY, queue_length=10, cooldown=60, polling=1, stabilization=300, consolidate_after=30)


def test_the_policy_of_a_config_without_scaling_values_is_the_one_of_these_tests() -> None:
    solution = app.solve(app.open_config(str(ROOT / "examples" / "minimal.yaml"))).solution

    policy = planning.current(solution.runtimes[0], app.defaults())

    assert replace(policy, maximum=POLICY.maximum) == POLICY


@pytest.mark.parametrize(("name", "trace"), MEASURED)
def test_the_model_is_within_a_sixth_of_real_controllers(name: str, trace: str) -> None:
    """Tasks of the real run take a second or two more each: queue, agent, callback.

    It was twice as fast, but Karpenter's removal of nodes was not.
    """
    policy = POLICY if name == "ours" else REFERENCE
    delays = replace(DELAYS, removal=2 * NODE_REMOVAL)

    outcome = simulate([(at, 25.0) for at in TRACES[trace]()], policy, delays)

    modeled = (outcome.percentile(50), outcome.percentile(95), outcome.node_seconds)
    for value, real in zip(modeled, MEASURED[name, trace], strict=True):
        assert abs(value / real - 1) < 1 / 6, (modeled, MEASURED[name, trace])


def test_the_measured_figures_are_those_of_the_page() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    for trace in ("burst", "steady", "diurnal"):
        ours, reference = MEASURED["ours", trace], MEASURED["reference", trace]
        part = page.partition(f"| {trace}, ")[2]
        assert f"| time to picture, p50 | {ours[0]} s | {reference[0]} s |" in part
        assert f"| time to picture, p95 | {ours[1]} s | {reference[1]} s |" in part
        assert f"| GPU node seconds | {ours[2]} | {reference[2]} |" in part


def arrivals_every(seconds: float, count: int) -> list[tuple[float, float]]:
    return [(number * seconds, 10.0) for number in range(count)]


def case(
    arrivals: Times, policy: Policy = POLICY, *, target: float | None = None, node: NodeKind = NODE
) -> Case:
    own = workload(arrivals, policy, per_node=node.pods)
    return Case((own,), 0, Pool(), node, Clock(), policy.maximum, target)


def test_the_recommendation_is_the_cheapest_that_meets_the_target() -> None:
    question = case(arrivals_every(300, 40), target=20)
    shown = whatif.rows(question)

    best, _ = whatif.recommend(question, shown)

    assert best is not None
    assert best.p95 <= 20
    everything = [simulate(arrivals_every(300, 40), policy, DELAYS) for policy in whatif.candidates(question)]
    cheapest = min(one.node_seconds for one in everything if one.percentile(95) <= 20)
    assert best.gpu_hours == pytest.approx(cheapest / 3600, abs=0.001)
    assert shown[0].policy == POLICY
    assert shown[0].p95 > 20


@pytest.mark.parametrize("seed", range(4))
def test_a_search_that_stops_early_finds_what_one_that_tries_all_finds(seed: int) -> None:
    chance = random.Random(seed)
    times = sorted((chance.uniform(0, 7200), chance.uniform(1, 40)) for _ in range(60))
    target = chance.choice([30.0, 60.0, 120.0])
    question = case(times, replace(POLICY, maximum=4), target=target)

    best, fastest = whatif.recommend(question, whatif.rows(question))

    everything = {policy: simulate(times, policy) for policy in whatif.candidates(question)}
    good = [one.node_seconds for one in everything.values() if one.percentile(95) <= target]
    assert (best is None) == (not good)
    if best is not None:
        assert best.gpu_hours == pytest.approx(min(good) / 3600, abs=0.002)
    else:
        assert fastest is not None


def test_a_target_below_the_run_itself_has_no_recommendation_but_a_limit() -> None:
    question = case(arrivals_every(60, 20), target=5)

    best, fastest = whatif.recommend(question, whatif.rows(question))

    assert best is None
    assert fastest is not None
    assert fastest.p95 >= 10


def test_without_a_target_one_setting_is_changed_at_a_time() -> None:
    question = case(arrivals_every(60, 5))
    shown = whatif.rows(question)

    assert whatif.recommend(question, shown) == (None, None)
    assert all(whatif.differences(row.policy, POLICY) == 1 for row in shown[1:])


def test_cost_is_that_of_nodes_and_gpu_hours_those_of_gpus() -> None:
    node = NodeKind("g5.12xlarge", 4, 4, 5.0)

    row: Row = whatif.rows(case([(0.0, 25.0)], node=node))[0]

    assert row.gpu_hours == pytest.approx(4 * 205 / 3600, abs=0.001)
    assert row.cost == pytest.approx(5 * 205 / 3600, abs=0.001)


def test_a_percentile_of_nothing_is_zero() -> None:
    assert Outcome((), 0).percentile(95) == 0.0
