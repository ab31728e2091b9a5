"""Runtimes that share a node pool: a node that one of them leaves runs the next pod of another."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator import Emulator
from testing.cluster.chart import load_solution
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.system import System

CONFIG = Path(__file__).parent / "configs" / "shared-nodes.yaml"


@pytest.fixture(scope="module")
def together(cluster: Cluster, emulator: Emulator) -> Iterator[System]:
    """Two runtimes that share their nodes, and one that does not."""
    with deployed(cluster, emulator, load_solution(CONFIG), Delays(), Simulation()) as system:
        system.require("no pod and no node is left", system.scaled_to_zero, 180)
        yield system


def _node_of(system: System, runtime: str) -> str:
    """The node on which the runtime runs one task; its pods are gone afterwards."""
    system.send(runtime, f"task-of-{runtime}")
    nodes: set[str] = set()

    def done() -> bool:
        nodes.update(pod["spec"].get("nodeName", "") for pod in system.pods(runtime))
        return system.all_announced([f"task-of-{runtime}"])

    system.require(f"the task of {runtime} is done", done, 90)
    system.require(f"no pod of {runtime} is left", lambda: not system.pods(runtime), 90)
    [node] = nodes - {""}
    return node


def test_an_empty_node_takes_the_pods_of_its_pool_only(together: System) -> None:
    first, second = _node_of(together, "first"), _node_of(together, "second")
    alone = _node_of(together, "alone")

    assert first == second
    assert alone != first
    assert together.kubelet.runtime_node_pools() == {
        ("first", "together-shared"),
        ("second", "together-shared"),
        ("alone", "together-alone"),
    }
