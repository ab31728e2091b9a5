"""The model of scaling: by hand for small cases, and against runs on real controllers."""

import random
from dataclasses import replace

import pytest

from generator import app
from generator.plan import whatif as planning
from generator.scaling import whatif
from generator.scaling.policy import Delays, Outcome, Policy, candidates
from generator.scaling.simulate import simulate
from generator.scaling.whatif import NodeKind
from testing.arrivals import TRACES
from tests.cluster.conftest import ROOT

POLICY = Policy(
    queue_length=8, cooldown=45, warm=0, maximum=20, polling=5, in_flight=True, stabilization=150,
    consolidate_after=0,
)  # fmt: skip
DELAYS = Delays(60, 50, 30)
NODE = NodeKind("g5.xlarge", 1, 1, 1.0)


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
    """Tasks of the real run take a second or two more each: queue, agent, callback."""
    policy = POLICY if name == "ours" else REFERENCE

    outcome = simulate([(at, 25.0) for at in TRACES[trace]()], policy, DELAYS)

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


def test_the_recommendation_is_the_cheapest_that_meets_the_target() -> None:
    forecast = whatif.forecast("a", arrivals_every(300, 40), POLICY, DELAYS, node=NODE, target=20)

    best = forecast.recommended
    assert best is not None
    assert best.p95 <= 20
    everything = [simulate(arrivals_every(300, 40), policy, DELAYS) for policy in candidates(POLICY)]
    cheapest = min(one.node_seconds for one in everything if one.percentile(95) <= 20)
    assert best.gpu_hours == pytest.approx(cheapest / 3600, abs=0.001)
    assert forecast.rows[0].policy == POLICY
    assert forecast.rows[0].p95 > 20


def test_a_target_below_the_run_itself_has_no_recommendation_but_a_limit() -> None:
    forecast = whatif.forecast("a", arrivals_every(60, 20), POLICY, DELAYS, node=NODE, target=5)

    assert forecast.recommended is None
    assert forecast.fastest is not None
    assert forecast.fastest.p95 >= 10


def test_without_a_target_one_key_is_changed_at_a_time() -> None:
    forecast = whatif.forecast("a", arrivals_every(60, 5), POLICY, DELAYS, node=NODE)

    assert forecast.recommended is None
    for row in forecast.rows[1:]:
        changed = [
            key
            for key in ("queue_length", "cooldown", "warm")
            if getattr(row.policy, key) != getattr(POLICY, key)
        ]
        assert len(changed) == 1


def test_cost_is_that_of_nodes_and_gpu_hours_those_of_gpus() -> None:
    node = NodeKind("g5.12xlarge", 4, 4, 5.0)

    [row, *_] = whatif.forecast("a", [(0.0, 25.0)], POLICY, DELAYS, node=node).rows

    assert row.gpu_hours == pytest.approx(4 * 205 / 3600, abs=0.001)
    assert row.cost == pytest.approx(5 * 205 / 3600, abs=0.001)


def test_a_percentile_of_nothing_is_zero() -> None:
    assert Outcome((), 0.0, 0, 0).percentile(95) == 0.0
