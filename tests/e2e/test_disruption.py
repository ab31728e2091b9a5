"""Pods that are terminated during tasks of 30 s: no task is lost, no task is done twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.emulator import Emulator
from testing.cluster.chart import load_solution
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.system import System
from testing.cluster.timeline import PICTURES, Timeline

CONFIG = Path(__file__).parent / "configs" / "disruption.yaml"
SERVICE_SECONDS = 30.0


def _names(system: System, runtime: str, node: str = "") -> set[str]:
    """The pods of a runtime, optionally those on one node."""
    pods = system.pods(runtime)
    return {pod["metadata"]["name"] for pod in pods if node in ("", pod["spec"].get("nodeName"))}


def _busy_node(system: System, runtime: str) -> str:
    """The node of a pod of the runtime that is running a task."""
    busy = system.kubelet.busy_pods()
    return next(
        str(pod["spec"]["nodeName"]) for pod in system.pods(runtime) if pod["metadata"]["name"] in busy
    )


def _all_busy(system: System) -> bool:
    """Whether a GPU of each runtime is busy."""
    busy = system.kubelet.busy_pods()
    return all(any(pod.startswith(f"{name}-") for pod in busy) for name in DISRUPTIONS)


def _drain(system: System) -> set[str]:
    """Drain a node as an administrator does; its pod has its whole grace period."""
    node = _busy_node(system, "drained")
    terminated = _names(system, "drained", node)
    system.cluster.kubectl(
        "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=1s", check=False
    )
    return terminated


def _interrupt(system: System) -> set[str]:
    """Interrupt a spot instance: Karpenter deletes the NodeClaim, which drains and removes the node."""
    node = _busy_node(system, "interrupted")
    terminated = _names(system, "interrupted", node)
    claim = next(
        item["metadata"]["name"]
        for item in system.cluster.items("nodeclaims")
        if item["status"].get("nodeName") == node
    )
    system.cluster.kubectl("delete", "nodeclaim", claim, "--wait=false")
    return terminated


def _upgrade(system: System) -> set[str]:
    """Set a new image tag for one runtime: a rollout while its pods are busy."""
    terminated = _names(system, "upgraded")
    system.upgrade("--set", "runtimes.upgraded.runtime.queueAgent.image.tag=0.1.1")
    return terminated


def _scale_in(system: System) -> set[str]:
    """Scale in below the number of running tasks, as KEDA can."""
    terminated = _names(system, "scaled-in")
    system.cluster.kubectl("scale", "deployment", "scaled-in", "-n", "disrupted", "--replicas=0")
    return terminated


def _lose(system: System) -> set[str]:
    """Lose a node: its power fails and its Node is deleted, without eviction, SIGTERM or grace period."""
    node = _busy_node(system, "lost")
    system.kubelet.fail_node(node)
    system.cluster.kubectl("patch", "node", node, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    system.cluster.kubectl("delete", "node", node, "--wait=false")
    return set()


DISRUPTIONS = {
    "upgraded": _upgrade,
    "drained": _drain,
    "interrupted": _interrupt,
    "scaled-in": _scale_in,
    "lost": _lose,
}
# Pods on a lost node get no signal.
GRACEFUL = [runtime for runtime in DISRUPTIONS if runtime != "lost"]
# A spot instance ends two minutes after its interruption, so its pods must be evicted at once.
EVICTED = ("drained", "interrupted")
EVICTION_SECONDS, END_SECONDS = 15, 100


def _evicted_at_once(system: System, runtime: str, terminated: set[str]) -> bool:
    """Whether the pods are marked for deletion at once, while their tasks run."""

    def running_pods() -> set[str]:
        pods = system.pods(runtime)
        return terminated & {
            pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]
        }

    return system.wait(f"the pods {terminated} are evicted", lambda: not running_pods(), EVICTION_SECONDS)


def _ended(system: System, runtime: str, terminated: set[str]) -> bool:
    """Whether the pods end in time."""
    event = f"the pods {terminated} end"
    return system.wait(event, lambda: not terminated & _names(system, runtime), END_SECONDS)


@dataclass(frozen=True)
class Ending:
    """Whether evicted pods were marked for deletion at once, and whether terminated pods ended in time."""

    evicted_at_once: bool
    ended: bool


def _disrupt(system: System, runtime: str) -> Ending:
    """Disrupt a runtime and observe the pods that are terminated by it."""
    terminated = DISRUPTIONS[runtime](system)
    evicted_at_once = runtime in EVICTED and _evicted_at_once(system, runtime, terminated)
    return Ending(evicted_at_once, _ended(system, runtime, terminated))


@dataclass(frozen=True)
class Disrupted:
    """The observations: how the pods of each runtime ended, and whether all pods and nodes were removed."""

    system: System
    endings: dict[str, Ending]
    zero_after: bool


@pytest.fixture(scope="module")
def disrupted(cluster: Cluster, emulator: Emulator) -> Iterator[Disrupted]:
    """Run two tasks on each runtime, then disrupt each runtime in its own way, all at the same time."""
    with deployed(
        cluster, emulator, load_solution(CONFIG), Delays(), Simulation(service_seconds=SERVICE_SECONDS)
    ) as system:
        names = [
            system.send(runtime.name, f"{runtime.name}-{n}", **system.content(runtime, "a.safetensors"))
            for runtime in system.solution.runtimes
            for n in range(2)
        ]
        system.require("all runtimes are busy", lambda: _all_busy(system), 120)
        with Timeline(system.sample) as timeline, ThreadPoolExecutor(len(DISRUPTIONS)) as executor:
            futures = {runtime: executor.submit(_disrupt, system, runtime) for runtime in DISRUPTIONS}
            endings = {runtime: future.result() for runtime, future in futures.items()}
            system.wait("every task has a result", lambda: system.all_announced(names), 240)
            zero_after = system.wait("no pod and no GPU node is left", system.scaled_to_zero, 180)
        system.collect_callbacks()
        timeline.draw(
            PICTURES / "disruption", "Pods that are terminated during tasks of 30 s", system.finished
        )
        yield Disrupted(system, endings, zero_after)


@pytest.mark.parametrize("runtime", EVICTED)
def test_pods_are_evicted_at_once(disrupted: Disrupted, runtime: str) -> None:
    assert disrupted.endings[runtime].evicted_at_once


@pytest.mark.parametrize("runtime", GRACEFUL)
def test_the_pods_end_when_their_tasks_do(disrupted: Disrupted, runtime: str) -> None:
    assert disrupted.endings[runtime].ended


@pytest.mark.parametrize("runtime", GRACEFUL)
def test_no_task_is_aborted(disrupted: Disrupted, runtime: str) -> None:
    # A pod that is terminated during its warm-up aborts its own picture, which is not a task.
    assert disrupted.system.kubelet.unfinished_tasks(runtime) & disrupted.system.sent.keys() == set()


@pytest.mark.parametrize("runtime", DISRUPTIONS)
def test_every_task_completes(disrupted: Disrupted, runtime: str) -> None:
    finished = [disrupted.system.finished.get(f"{runtime}-{n}", []) for n in range(2)]

    assert [[task.callback["status"] for task in tasks][:1] for tasks in finished] == [["completed"]] * 2


@pytest.mark.parametrize("runtime", DISRUPTIONS)
def test_each_task_is_done_once(disrupted: Disrupted, runtime: str) -> None:
    runs = disrupted.system.completed_runs()

    assert [runs.get(f"{runtime}-{n}", 0) for n in range(2)] == [1, 1]


@pytest.mark.parametrize("runtime", DISRUPTIONS)
def test_each_task_is_announced_once(disrupted: Disrupted, runtime: str) -> None:
    finished = [disrupted.system.finished.get(f"{runtime}-{n}", []) for n in range(2)]

    assert [len(tasks) for tasks in finished] == [1, 1]


def test_after_the_disruptions_pods_and_nodes_go_to_zero(disrupted: Disrupted) -> None:
    assert disrupted.zero_after
