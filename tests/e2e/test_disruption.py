"""Pods that end in the middle of 30 s tasks: nothing is lost, nothing is done twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from controlplane import Cluster
from deployed import deployed
from kubelet import Delays, Simulation
from solving import solve
from system import System
from timeline import PICTURES, Timeline

from local.emulator import Emulator

CONFIG = Path(__file__).parent / "configs" / "disruption.yaml"
SERVICE_SECONDS = 30.0
RUNTIMES = ("drained", "interrupted", "upgraded", "scaled-in", "lost")


def _node_at_work(system: System, runtime: str) -> str:
    """The node of a pod that runs a task now."""
    busy = system.kubelet.busy_pods()
    return next(
        str(pod["spec"]["nodeName"]) for pod in system.pods(runtime) if pod["metadata"]["name"] in busy
    )


def _drain(system: System) -> None:
    """Evict, as an administrator does; the pod has its whole grace period."""
    node = _node_at_work(system, "drained")
    system.cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=100s")


def _interrupt(system: System) -> None:
    """Spot interruption: Karpenter deletes the NodeClaim, which drains the node and removes it."""
    node = _node_at_work(system, "interrupted")
    claim = next(
        item["metadata"]["name"]
        for item in system.cluster.items("nodeclaims")
        if item["status"].get("nodeName") == node
    )
    system.cluster.kubectl("delete", "nodeclaim", claim, "--timeout=100s")


def _upgrade(system: System) -> None:
    """A new image tag for one runtime: a rollout, while its pods work."""
    system.upgrade("--set", "runtimes.upgraded.runtime.queueAgent.image.tag=0.1.1")


def _scale_in(system: System) -> None:
    """KEDA's own hand, told: fewer pods than tasks in work."""
    system.cluster.kubectl("scale", "deployment", "scaled-in", "-n", "disrupted", "--replicas=0")


def _lose(system: System) -> None:
    """The power of a node fails, and the cloud takes its Node away: no eviction, no SIGTERM, no grace."""
    node = _node_at_work(system, "lost")
    system.kubelet.fail(node)
    system.cluster.kubectl("patch", "node", node, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    system.cluster.kubectl("delete", "node", node, "--wait=false")


ACTS = (_drain, _interrupt, _upgrade, _scale_in, _lose)


@pytest.fixture(scope="module")
def disrupted(cluster: Cluster, emulator: Emulator) -> Iterator[System]:
    """Two tasks in work on each runtime; each runtime is then disrupted in its own way, all at once."""
    with deployed(
        cluster, emulator, solve(CONFIG), Delays(), Simulation(service_seconds=SERVICE_SECONDS)
    ) as system:
        names = [
            system.send(runtime.name, f"{runtime.name}-{n}", **system.content(runtime, "a.safetensors"))
            for runtime in system.solution.runtimes
            for n in range(2)
        ]
        system.until(
            "a GPU of each runtime works",
            lambda: all(
                any(pod.startswith(f"{name}-") for pod in system.kubelet.busy_pods()) for name in RUNTIMES
            ),
            120,
        )
        with Timeline(system.look) as timeline, ThreadPoolExecutor(len(ACTS)) as hands:
            for act in [hands.submit(act, system) for act in ACTS]:
                act.result()
            system.wait(names, 240)
            system.until("no pod and no GPU node is left", system.at_rest, 180)
        system.hear()
        timeline.draw(PICTURES / "disruption", "Pods that end in the middle of 30 s tasks", system.finished)
        yield system


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_task_completes(disrupted: System, runtime: str) -> None:
    states = [disrupted.finished[f"{runtime}-{n}"][0].callback["status"] for n in range(2)]

    assert states == ["completed", "completed"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_task_is_done_twice(disrupted: System, runtime: str) -> None:
    assert [disrupted.runs()[f"{runtime}-{n}"] for n in range(2)] == [1, 1]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_task_is_announced_twice(disrupted: System, runtime: str) -> None:
    assert [len(disrupted.finished[f"{runtime}-{n}"]) for n in range(2)] == [1, 1]


def test_helm_never_writes_the_replicas(disrupted: System) -> None:
    found = disrupted.cluster.items("deployments", "-n", "disrupted", "--show-managed-fields")
    helms = [
        entry["fieldsV1"]["f:spec"]
        for item in found
        for entry in item["metadata"]["managedFields"]
        if entry["manager"] == "helm" and "f:spec" in entry["fieldsV1"]
    ]

    assert len(helms) == len(RUNTIMES)
    assert not [fields for fields in helms if "f:replicas" in fields]
