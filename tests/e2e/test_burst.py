"""A burst of 60 tasks on four runtimes: from zero pods and nodes to the maximum of the config, and back."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.emulator import Emulator
from testing.cluster.chart import load_solution
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.system import System
from testing.cluster.timeline import PICTURES, Timeline, percentile

CONFIG = Path(__file__).parent / "configs" / "burst.yaml"
TASKS_EACH = 15
SERVICE_SECONDS = 3.0
MODELS = ("a.safetensors", "b.safetensors")


@dataclass
class Burst:
    """The observations of the burst."""

    system: System
    timeline: Timeline
    names: dict[str, list[str]]
    zero_before: bool
    zero_after: bool


def _write_figures(system: System, timeline: Timeline) -> None:
    """Write the numbers for docs/scaling.md."""
    seconds = [task.seconds for [task, *_] in system.finished.values()]
    figures = {
        "tasks": len(seconds),
        "p50": percentile(seconds, 50),
        "p95": percentile(seconds, 95),
        "pods": max(sum(sample.desired.values()) for sample in timeline.samples),
        "nodes": max(sum(sample.nodes.values()) for sample in timeline.samples),
        "node_seconds": timeline.node_seconds(),
        "busy_share": timeline.busy_seconds() / timeline.node_seconds(),
    }
    (PICTURES / "burst.json").write_text(json.dumps(figures))


@pytest.fixture(scope="module")
def burst(cluster: Cluster, emulator: Emulator) -> Iterator[Burst]:
    """Send sixty tasks at once to a system without pods; wait until no pod and no node is left."""
    with deployed(cluster, emulator, load_solution(CONFIG), Delays(), Simulation(SERVICE_SECONDS)) as system:
        zero_before = system.wait("scaled to zero after the install", system.scaled_to_zero, 90)
        with Timeline(system.sample) as timeline:
            names = {
                runtime.name: [
                    system.send(runtime.name, f"{runtime.name}-{n}", **system.content(runtime, MODELS[n % 2]))
                    for n in range(TASKS_EACH)
                ]
                for runtime in system.solution.runtimes
            }
            sent = {name for tasks in names.values() for name in tasks}
            system.wait("every task has a result", lambda: system.all_announced(sent), 180)
            zero_after = system.wait("no pod and no GPU node is left", system.scaled_to_zero, 120)
        system.collect_callbacks()
        timeline.draw(PICTURES / "burst", "60 tasks at once on four runtimes at rest", system.finished)
        _write_figures(system, timeline)
        yield Burst(system, timeline, names, zero_before, zero_after)


def test_without_tasks_there_is_no_pod_and_no_gpu_node(burst: Burst) -> None:
    assert burst.zero_before


def test_every_task_completes(burst: Burst) -> None:
    states = Counter(task.callback["status"] for [task, *_] in burst.system.finished.values())

    assert states == {"completed": TASKS_EACH * 4}


def test_no_task_is_announced_twice(burst: Burst) -> None:
    assert [name for name, callbacks in burst.system.finished.items() if len(callbacks) > 1] == []


def test_no_task_is_done_twice(burst: Burst) -> None:
    runs = burst.system.completed_runs()

    assert {
        name: runs.get(name, 0) for names in burst.names.values() for name in names if runs.get(name, 0) > 1
    } == {}


def test_each_runtime_reaches_its_maximum_and_does_not_exceed_it(burst: Burst) -> None:
    peaks = {runtime.name: burst.timeline.peak(runtime.name) for runtime in burst.system.solution.runtimes}

    assert peaks == {runtime.name: runtime.scaling.max_replicas for runtime in burst.system.solution.runtimes}


def test_nodes_are_of_the_allowed_types_only(burst: Burst) -> None:
    allowed = {kind for runtime in burst.system.solution.runtimes for kind in runtime.nodes.instance_types}

    assert {kind for sample in burst.timeline.samples for kind in sample.nodes} <= allowed


def test_every_pod_runs_on_a_node_of_its_own_runtime(burst: Burst) -> None:
    assert burst.system.kubelet.runtime_node_pools() == {(name, f"burst-{name}") for name in burst.names}


def test_each_result_is_in_the_bucket_of_its_own_runtime(burst: Burst) -> None:
    ids = {name: sorted(key.split("/")[-2] for key in burst.system.result_keys(name)) for name in burst.names}

    assert ids == {name: sorted(names) for name, names in burst.names.items()}


def test_each_task_is_done_by_the_runtime_it_names(burst: Burst) -> None:
    runtimes = {
        name: {task.callback["runtime"] for task in tasks} for name, tasks in burst.system.finished.items()
    }

    assert runtimes == {task: {runtime} for runtime, names in burst.names.items() for task in names}


def test_after_the_last_task_pods_and_nodes_go_to_zero(burst: Burst) -> None:
    assert burst.zero_after
