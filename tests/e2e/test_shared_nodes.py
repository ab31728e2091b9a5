"""Runtimes that share a node pool: a node that one leaves, or keeps warm, runs the next pod of another."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.emulator import Emulator
from testing.cluster import solutions
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


def _shared(name: str, kind: str, **scaling: Any) -> dict[str, Any]:
    provisioner = {"instanceType": ["g6.xlarge"], "disruption": {"consolidateAfter": "5s"}}
    fast = {"pollingInterval": 2, "cooldownPeriod": 5, "maxReplicaCount": 2}
    return {
        "name": name,
        "namespace": "keeping",
        "type": kind,
        "extraValues": {
            "karpenter": {"nodePool": "shared", "provisioner": provisioner},
            "runtime": {"scaling": {**fast, **scaling}},
        },
    }


@pytest.fixture(scope="module")
def keeping(cluster: Cluster, emulator: Emulator) -> Iterator[System]:
    """Two runtimes that share their nodes, of which the first keeps a node warm."""
    runtimes = [_shared("keeper", "comfyui", warm=[{"nodes": 1}]), _shared("other", "invokeai")]
    with deployed(cluster, emulator, solutions.of("keeping", runtimes), Delays(), Simulation()) as system:
        system.require(
            "only the placeholder is left",
            lambda: _only_placeholders(system) and not system.pods("keeper") and not system.pods("other"),
            180,
        )
        yield system


def _only_placeholders(system: System) -> bool:
    """Whether placeholders run on all nodes: those of the pods that Deployments start with are gone."""
    nodes = {str(node["metadata"]["name"]) for node in system.nodes()}
    return bool(nodes) and nodes == _places(system)


def _places(system: System) -> set[str]:
    """The nodes on which placeholders run."""
    running = (pod for pod in system.placeholders("keeper") if pod["status"]["phase"] == "Running")
    return {str(pod["spec"]["nodeName"]) for pod in running}


def test_a_node_that_one_runtime_keeps_warm_runs_the_pod_of_another(keeping: System) -> None:
    before = _places(keeping)
    assert _node_of(keeping, "other") in before


def test_the_placeholder_gets_another_place(keeping: System) -> None:
    keeping.require("a placeholder runs", lambda: bool(_places(keeping)), 120)
