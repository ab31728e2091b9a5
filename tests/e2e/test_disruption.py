"""Pods that end in the middle of 30 s tasks: nothing is lost, nothing is done twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.emulator import Emulator
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.solving import solve
from testing.cluster.system import System
from testing.cluster.timeline import PICTURES, Timeline

CONFIG = Path(__file__).parent / "configs" / "disruption.yaml"
SERVICE_SECONDS = 30.0


def _names(system: System, runtime: str, node: str = "") -> set[str]:
    """The pods of a runtime; of one node of it."""
    pods = system.pods(runtime)
    return {pod["metadata"]["name"] for pod in pods if node in ("", pod["spec"].get("nodeName"))}


def _node_at_work(system: System, runtime: str) -> str:
    """The node of a pod that runs a task now."""
    busy = system.kubelet.busy_pods()
    return next(
        str(pod["spec"]["nodeName"]) for pod in system.pods(runtime) if pod["metadata"]["name"] in busy
    )


def _all_at_work(system: System) -> bool:
    """Whether a GPU of each runtime works."""
    busy = system.kubelet.busy_pods()
    return all(any(pod.startswith(f"{name}-") for pod in busy) for name in ACTS)


def _drain(system: System) -> set[str]:
    """Evict, as an administrator does; the pod has its whole grace period."""
    node = _node_at_work(system, "drained")
    going = _names(system, "drained", node)
    system.cluster.kubectl(
        "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=1s", check=False
    )
    return going


def _interrupt(system: System) -> set[str]:
    """Spot interruption: Karpenter deletes the NodeClaim, which drains the node and removes it."""
    node = _node_at_work(system, "interrupted")
    going = _names(system, "interrupted", node)
    claim = next(
        item["metadata"]["name"]
        for item in system.cluster.items("nodeclaims")
        if item["status"].get("nodeName") == node
    )
    system.cluster.kubectl("delete", "nodeclaim", claim, "--wait=false")
    return going


def _upgrade(system: System) -> set[str]:
    """A new image tag for one runtime: a rollout, while its pods work."""
    going = _names(system, "upgraded")
    system.upgrade("--set", "runtimes.upgraded.runtime.queueAgent.image.tag=0.1.1")
    return going


def _scale_in(system: System) -> set[str]:
    """KEDA's own hand, told: fewer pods than tasks in work."""
    going = _names(system, "scaled-in")
    system.cluster.kubectl("scale", "deployment", "scaled-in", "-n", "disrupted", "--replicas=0")
    return going


def _lose(system: System) -> set[str]:
    """The power of a node fails, and the cloud takes its Node away: no eviction, no SIGTERM, no grace."""
    node = _node_at_work(system, "lost")
    system.kubelet.fail(node)
    system.cluster.kubectl("patch", "node", node, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    system.cluster.kubectl("delete", "node", node, "--wait=false")
    return set()


ACTS = {
    "upgraded": _upgrade,
    "drained": _drain,
    "interrupted": _interrupt,
    "scaled-in": _scale_in,
    "lost": _lose,
}
# A node that is lost tells nobody.
TOLD = [runtime for runtime in ACTS if runtime != "lost"]
# Spot instances end two minutes after their interruption: what is not told at once is told too late.
EVICTED = ("drained", "interrupted")
TELL_SECONDS, END_SECONDS = 15, 100


def _told(system: System, runtime: str, going: set[str]) -> bool:
    """Whether the pods hear at once that they are to end, while their tasks run."""

    def left() -> set[str]:
        pods = system.pods(runtime)
        return going & {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    return system.reaches(f"the pods {going} are told to end", lambda: not left(), TELL_SECONDS)


def _gone(system: System, runtime: str, going: set[str]) -> bool:
    """Whether the pods end in time."""
    return system.reaches(f"the pods {going} end", lambda: not going & _names(system, runtime), END_SECONDS)


@dataclass(frozen=True)
class Ending:
    """Whether pods that an act evicts were told at once, and pods that it sends away ended in time."""

    told: bool
    gone: bool


def _disrupt(system: System, runtime: str) -> Ending:
    """Carry out the runtime's act, and look after the pods that it sends away."""
    going = ACTS[runtime](system)
    told = runtime in EVICTED and _told(system, runtime, going)
    return Ending(told, _gone(system, runtime, going))


@dataclass(frozen=True)
class Disrupted:
    """What was seen: how the pods of each runtime ended, and whether all came to rest."""

    system: System
    endings: dict[str, Ending]
    rested_after: bool


@pytest.fixture(scope="module")
def disrupted(cluster: Cluster, emulator: Emulator) -> Iterator[Disrupted]:
    """Two tasks in work on each runtime; each runtime is then disrupted in its own way, all at once."""
    with deployed(
        cluster, emulator, solve(CONFIG), Delays(), Simulation(service_seconds=SERVICE_SECONDS)
    ) as system:
        names = [
            system.send(runtime.name, f"{runtime.name}-{n}", **system.content(runtime, "a.safetensors"))
            for runtime in system.solution.runtimes
            for n in range(2)
        ]
        system.until("all runtimes are at work", lambda: _all_at_work(system), 120)
        with Timeline(system.look) as timeline, ThreadPoolExecutor(len(ACTS)) as hands:
            acts = {runtime: hands.submit(_disrupt, system, runtime) for runtime in ACTS}
            endings = {runtime: act.result() for runtime, act in acts.items()}
            system.reaches("every task has a result", lambda: system.heard(names), 240)
            rested_after = system.reaches("no pod and no GPU node is left", system.at_rest, 180)
        system.hear()
        timeline.draw(PICTURES / "disruption", "Pods that end in the middle of 30 s tasks", system.finished)
        yield Disrupted(system, endings, rested_after)


@pytest.mark.parametrize("runtime", EVICTED)
def test_pods_that_are_evicted_are_told_at_once(disrupted: Disrupted, runtime: str) -> None:
    assert disrupted.endings[runtime].told


@pytest.mark.parametrize("runtime", TOLD)
def test_the_pods_end_when_their_tasks_do(disrupted: Disrupted, runtime: str) -> None:
    assert disrupted.endings[runtime].gone


@pytest.mark.parametrize("runtime", TOLD)
def test_no_task_is_broken_off(disrupted: Disrupted, runtime: str) -> None:
    # A pod that ends while it warms up breaks its own picture off, which is nobody's task.
    assert disrupted.system.kubelet.broken_off(runtime) & disrupted.system.sent.keys() == set()


@pytest.mark.parametrize("runtime", ACTS)
def test_every_task_completes(disrupted: Disrupted, runtime: str) -> None:
    heard = [disrupted.system.finished.get(f"{runtime}-{n}", []) for n in range(2)]

    assert [[each.callback["status"] for each in of_one][:1] for of_one in heard] == [["completed"]] * 2


@pytest.mark.parametrize("runtime", ACTS)
def test_each_task_is_done_once(disrupted: Disrupted, runtime: str) -> None:
    runs = disrupted.system.runs()

    assert [runs.get(f"{runtime}-{n}", 0) for n in range(2)] == [1, 1]


@pytest.mark.parametrize("runtime", ACTS)
def test_each_task_is_announced_once(disrupted: Disrupted, runtime: str) -> None:
    heard = [disrupted.system.finished.get(f"{runtime}-{n}", []) for n in range(2)]

    assert [len(of_one) for of_one in heard] == [1, 1]


def test_after_the_disruptions_pods_and_nodes_go_to_zero(disrupted: Disrupted) -> None:
    assert disrupted.rested_after
