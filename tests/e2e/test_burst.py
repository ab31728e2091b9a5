"""A burst of 60 tasks on four runtimes: from nothing to what the config says, and back to nothing."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.emulator import Emulator
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.solving import solve
from testing.cluster.system import System
from testing.cluster.timeline import PICTURES, Timeline, percentile

CONFIG = Path(__file__).parent / "configs" / "burst.yaml"
TASKS_EACH = 15
SERVICE_SECONDS = 3.0
MODELS = ("a.safetensors", "b.safetensors")


@dataclass
class Burst:
    """What was seen of the burst, from rest to rest."""

    system: System
    timeline: Timeline
    names: dict[str, list[str]]
    rested_before: bool
    rested_after: bool


def _write_figures(system: System, timeline: Timeline) -> None:
    """The numbers that docs/scaling.md gives under the picture."""
    seconds = [heard.seconds for [heard, *_] in system.finished.values()]
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
    """Sixty tasks at once on a system at rest; then nothing until it is at rest again."""
    with deployed(cluster, emulator, solve(CONFIG), Delays(), Simulation(SERVICE_SECONDS)) as system:
        rested_before = system.reaches("at rest after the install", system.at_rest, 90)
        with Timeline(system.look) as timeline:
            names = {
                runtime.name: [
                    system.send(runtime.name, f"{runtime.name}-{n}", **system.content(runtime, MODELS[n % 2]))
                    for n in range(TASKS_EACH)
                ]
                for runtime in system.solution.runtimes
            }
            sent = {name for each in names.values() for name in each}
            system.reaches("every task has a result", lambda: system.heard(sent), 180)
            rested_after = system.reaches("no pod and no GPU node is left", system.at_rest, 120)
        system.hear()
        timeline.draw(PICTURES / "burst", "60 tasks at once on four runtimes at rest", system.finished)
        _write_figures(system, timeline)
        yield Burst(system, timeline, names, rested_before, rested_after)


def test_at_rest_there_is_no_pod_and_no_gpu_node(burst: Burst) -> None:
    assert burst.rested_before


def test_every_task_completes(burst: Burst) -> None:
    states = Counter(heard.callback["status"] for [heard, *_] in burst.system.finished.values())

    assert states == {"completed": TASKS_EACH * 4}


def test_no_task_is_announced_twice(burst: Burst) -> None:
    assert [name for name, heard in burst.system.finished.items() if len(heard) > 1] == []


def test_no_task_is_done_twice(burst: Burst) -> None:
    runs = burst.system.runs()

    assert {
        name: runs.get(name, 0) for names in burst.names.values() for name in names if runs.get(name, 0) > 1
    } == {}


def test_each_runtime_reaches_its_maximum_and_stays_below(burst: Burst) -> None:
    peaks = {runtime.name: burst.timeline.peak(runtime.name) for runtime in burst.system.solution.runtimes}

    assert peaks == {runtime.name: runtime.scaling.max_replicas for runtime in burst.system.solution.runtimes}


def test_nodes_are_of_the_allowed_types_only(burst: Burst) -> None:
    allowed = {kind for runtime in burst.system.solution.runtimes for kind in runtime.nodes.instance_types}

    assert {kind for sample in burst.timeline.samples for kind in sample.nodes} <= allowed


def test_every_pod_runs_on_a_node_of_its_own_runtime(burst: Burst) -> None:
    assert burst.system.kubelet.tenants() == {(name, f"burst-{name}") for name in burst.names}


def test_each_result_is_in_the_bucket_of_its_own_runtime(burst: Burst) -> None:
    found = {name: sorted(key.split("/")[-2] for key in burst.system.results(name)) for name in burst.names}

    assert found == {name: sorted(names) for name, names in burst.names.items()}


def test_each_task_is_done_by_the_runtime_it_names(burst: Burst) -> None:
    said = {name: {h.callback["runtime"] for h in heard} for name, heard in burst.system.finished.items()}

    assert said == {task: {runtime} for runtime, names in burst.names.items() for task in names}


def test_after_the_last_task_pods_and_nodes_go_to_zero(burst: Burst) -> None:
    assert burst.rested_after
