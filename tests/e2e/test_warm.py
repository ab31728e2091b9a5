"""What is kept warm at certain hours: pods and nodes without tasks, which stay until the hours end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.emulator import Emulator
from testing.cluster import solutions
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.system import System

CONSOLIDATE_AFTER = 5
WARM_MINUTES = 4
# Longer than a node takes to join: the next placeholder cannot wait for the place of the first.
SERVICE_SECONDS = 20.0
# Karpenter removes an empty node up to 25 s after consolidateAfter.
LONGER_THAN_AN_EMPTY_NODE = CONSOLIDATE_AFTER + 25


@dataclass
class Warm:
    """The system, and what was kept in the hours."""

    system: System
    warm_pods: bool
    nodes_stayed: bool
    place_taken: bool
    next_place: bool
    cold_after_the_hours: bool


def _runtime(name: str, kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": "warm",
        "type": kind,
        "extraValues": {
            "karpenter": {
                "provisioner": {
                    "instanceType": ["g6.xlarge", "g6.2xlarge"],
                    "consolidation": True,
                    "disruption": {"consolidateAfter": f"{CONSOLIDATE_AFTER}s"},
                }
            },
            "runtime": {
                "scaling": {
                    "pollingInterval": 2,
                    "cooldownPeriod": 5,
                    "extraHPAConfig": {"scaleDown": {"stabilizationWindowSeconds": 0}},
                    "warm": [entry],
                }
            },
        },
    }


def _runtimes(now: datetime) -> list[dict[str, Any]]:
    """Two warm pods of one runtime, one placeholder of another, from a minute ago until in some minutes."""
    hours = solutions.hours(now, WARM_MINUTES)
    return [
        _runtime("pods", "comfyui", {"pods": 2, "timezone": "UTC", **hours}),
        _runtime("nodes", "invokeai", {"nodes": 1, **hours}),
    ]


def _node_names(system: System) -> set[str]:
    return {node["metadata"]["name"] for node in system.nodes()}


def _node_of_placeholder(system: System) -> str:
    """The node of the placeholder that runs; empty if none does."""
    running = (pod for pod in system.placeholders("nodes") if pod["status"]["phase"] == "Running")
    return next((str(pod["spec"]["nodeName"]) for pod in running), "")


def _takes_place(system: System) -> tuple[bool, bool]:
    """Whether the pod of a task runs on the placeholder's node, and whether the next placeholder runs."""
    place = _node_of_placeholder(system)
    system.send("nodes", "task")
    nodes: set[str] = set()
    places: set[str] = set()

    def done() -> bool:
        nodes.update(pod["spec"].get("nodeName", "") for pod in system.pods("nodes"))
        places.add(_node_of_placeholder(system))
        return system.all_announced(["task"])

    system.require("the task is done", done, 90)
    return nodes - {""} == {place}, bool(places - {"", place})


@pytest.fixture(scope="module")
def warm(cluster: Cluster, emulator: Emulator) -> Iterator[Warm]:
    """From the install, in the middle of the hours, until after their end."""
    now = datetime.now(UTC)
    solution, simulation = solutions.of("warm", _runtimes(now)), Simulation(SERVICE_SECONDS)
    with deployed(cluster, emulator, solution, Delays(), simulation) as system:
        warm_pods = system.wait(
            "two pods without tasks are ready, and a placeholder runs",
            lambda: system.replicas().get("pods") == (2, 2) and bool(_node_of_placeholder(system)),
            90,
        )
        system.require(
            "the pods that every Deployment starts with are gone", lambda: not system.pods("nodes"), 60
        )
        before = _node_names(system)
        time.sleep(LONGER_THAN_AN_EMPTY_NODE)
        after = _node_names(system)
        place_taken, next_place = _takes_place(system)
        cold = system.wait("no pod and no node is left", system.scaled_to_zero, WARM_MINUTES * 60 + 60)
        early = datetime.now(UTC) < now.replace(second=0) + timedelta(minutes=WARM_MINUTES)
        stayed = len(before & after) >= 3
        yield Warm(system, warm_pods, stayed, place_taken, next_place, cold and not early)


def test_pods_are_ready_without_tasks(warm: Warm) -> None:
    assert warm.warm_pods


def test_karpenter_removes_no_warm_node(warm: Warm) -> None:
    assert warm.nodes_stayed


def test_the_pod_of_a_task_takes_the_place_of_a_placeholder(warm: Warm) -> None:
    assert warm.place_taken


def test_the_placeholder_moves_to_another_node(warm: Warm) -> None:
    assert warm.next_place


def test_nothing_is_left_after_the_hours(warm: Warm) -> None:
    assert warm.cold_after_the_hours
