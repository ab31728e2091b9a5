"""Two queues of one runtime: KEDA starts pods for the sum of both, next to what is kept warm by the clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from local.emulator import Emulator
from testing.cluster import solutions
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.system import System

SERVICE_SECONDS = 12.0
QUEUE_LENGTH, TASKS_EACH = 3, 6
PODS = 2 * TASKS_EACH // QUEUE_LENGTH
WARM_MINUTES = 2


@dataclass
class Priority:
    """The system, and what was seen."""

    system: System
    zero_before: bool
    warm_pods: bool
    most_pods: int
    first: list[str]
    zero_after: bool


def _runtime(name: str, **scaling: Any) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": "two-queues",
        "type": "comfyui",
        "priorityQueue": True,
        "extraValues": {
            "karpenter": {"provisioner": {"instanceType": ["g6.xlarge", "g6.2xlarge"]}},
            "runtime": {
                "scaling": {
                    "queueLength": QUEUE_LENGTH,
                    "maxReplicaCount": 9,
                    "pollingInterval": 2,
                    "cooldownPeriod": 5,
                    "extraHPAConfig": {"scaleDown": {"stabilizationWindowSeconds": 0}},
                    **scaling,
                }
            },
        },
    }


def _runtimes(now: datetime) -> list[dict[str, Any]]:
    entry = {"pods": 1, "timezone": "UTC", **solutions.hours(now, WARM_MINUTES)}
    return [_runtime("both"), _runtime("warm", warm=[entry])]


@pytest.fixture(scope="module")
def priority(cluster: Cluster, emulator: Emulator) -> Iterator[Priority]:
    """Six tasks of each priority at once, for a runtime without pods; until no pod is left anywhere."""
    solution = solutions.of("priority", _runtimes(datetime.now(UTC)))
    simulation = Simulation(SERVICE_SECONDS)
    with deployed(cluster, emulator, solution, Delays(), simulation) as system:
        warm_pods = system.wait("one warm pod", lambda: system.replicas().get("warm") == (1, 1), 90)
        zero = system.wait("no pod without tasks", lambda: system.replicas().get("both", (0, 0))[0] == 0, 60)
        names = [system.send("both", f"normal-{n}") for n in range(TASKS_EACH)]
        names += [system.send_high("both", f"high-{n}") for n in range(TASKS_EACH)]
        most = 0

        def done() -> bool:
            nonlocal most
            most = max(most, system.replicas().get("both", (0, 0))[0])
            return system.all_announced(names)

        system.require("every task is done", done, 180)
        after = system.wait("no pod and no node is left", system.scaled_to_zero, WARM_MINUTES * 60 + 90)
        system.collect_callbacks()
        ended = sorted(names, key=lambda name: system.finished[name][0].seconds)
        yield Priority(system, zero, warm_pods, most, ended[: 2 * PODS], after)


def test_an_empty_queue_keeps_no_pod_and_the_hours_keep_theirs(priority: Priority) -> None:
    assert priority.zero_before
    assert priority.warm_pods


def test_pods_are_started_for_the_tasks_of_both_queues(priority: Priority) -> None:
    assert priority.most_pods == PODS


def test_tasks_of_high_priority_end_in_the_first_two_rounds(priority: Priority) -> None:
    assert sum(name.startswith("high") for name in priority.first) == TASKS_EACH, priority.first


def test_no_pod_stays_after_the_tasks_and_the_hours(priority: Priority) -> None:
    assert priority.zero_after
