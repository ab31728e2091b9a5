"""Replays arrivals on the real control plane and measures groups of runtimes, for the benchmarks of scaling.

All groups run at the same time, with the same API server, KEDA and Karpenter, so that load on the machine
affects all alike. All durations are divided by `faster`: tasks, cold starts, and scaling values that are
times. Delays that are constant in Karpenter are not: it removes an empty node 10 to 25 s late. Figures are in
original time.
"""

import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.scaling_policies import INSTANCE_TYPE, Values
from generator import paths
from generator.facts import prices
from generator.scaling.policy import IMAGE_PULL, MODEL_LOAD, NODE_BOOT, SERVICE
from local.emulator import Emulator
from testing.cluster import solutions
from testing.cluster.controllers import apply_crds, start_operators
from testing.cluster.controlplane import running
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.run_folder import temporary_folder
from testing.cluster.system import System
from testing.cluster.timeline import percentile

FASTER = 2
POLL_SECONDS = 0.3
STUCK_SECONDS = 900
HPA_SYNC = 15  # the controller manager's default

# A time in original seconds, and the runtime that gets a task then.
Arrival = tuple[float, str]
ROWS = {
    "p50": ("time to picture, p50", "{:.0f} s"),
    "p95": ("time to picture, p95", "{:.0f} s"),
    "p99": ("time to picture, p99", "{:.0f} s"),
    "node_seconds": ("GPU node seconds", "{:.0f}"),
    "dollars": ("cost at list price", "${:.2f}"),
    "nodes": ("nodes started", "{}"),
    "starts": ("pods started", "{}"),
    "wasted": ("pods without a task", "{}"),
    "lost": ("tasks lost", "{}"),
    "repeated": ("tasks run twice", "{}"),
}


@dataclass
class Meter:
    """Measures how long the GPU nodes of each node pool exist, from their launch, as AWS bills them."""

    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    pool: dict[str, str] = field(default_factory=dict)

    def record(self, system: System) -> None:
        """Record the nodes that exist now."""
        now = time.time()
        for claim in system.cluster.items("nodeclaims"):
            name, labels = claim["metadata"]["name"], claim["metadata"]["labels"]
            self.first.setdefault(name, now)
            self.last[name] = now
            self.pool[name] = labels["karpenter.sh/nodepool"]

    def seconds(self, pools: Iterable[str]) -> list[float]:
        """How long each node of these pools existed."""
        names = set(pools)
        return [self.last[node] - self.first[node] for node, pool in self.pool.items() if pool in names]


def figures(
    runtimes: Sequence[Values],
    arrivals: Iterable[Arrival],
    groups: Mapping[str, Sequence[str]],
    faster: float,
) -> dict[str, Values]:
    """The figures of each group of runtimes, by the key in `groups`. No two groups share a node pool."""
    delays, simulation = Delays(IMAGE_PULL / faster, MODEL_LOAD / faster), Simulation(SERVICE / faster)
    with temporary_folder() as folder, Emulator(folder=folder / "emulator") as emulator:
        solution = solutions.of("bench", runtimes)
        with running(folder, HPA_SYNC / faster) as cluster:
            apply_crds(cluster)
            start_operators(cluster, emulator, round(NODE_BOOT / faster))
            with deployed(cluster, emulator, solution, delays, simulation) as system:
                system.require(
                    "the system scales to zero after the install", system.scaled_to_zero, STUCK_SECONDS
                )
                system.kubelet.reset_history()
                meter = _replay(system, arrivals, faster)
                return {key: _measure(system, meter, names, faster) for key, names in groups.items()}


def _replay(system: System, arrivals: Iterable[Arrival], faster: float) -> Meter:
    """Send each task at its time; wait until all tasks are done and all pods and nodes are gone."""
    meter, start = Meter(), time.monotonic()
    due = deque(sorted((at / faster, runtime) for at, runtime in arrivals))
    last = due[-1][0]
    while due or len(system.finished) < len(system.sent) or not system.scaled_to_zero():
        while due and due[0][0] <= time.monotonic() - start:
            _, runtime = due.popleft()
            system.send(runtime, f"{runtime}-{len(system.sent)}")
        system.collect_callbacks()
        meter.record(system)
        passed = time.monotonic() - start
        _progress(f"{passed:5.0f} s: {len(system.finished)} of {len(system.sent)} tasks done")
        if passed > last + STUCK_SECONDS:
            raise SystemExit(f"not idle {STUCK_SECONDS} s after the last task\n{system.describe()}")
        time.sleep(POLL_SECONDS)
    _progress("\n")
    return meter


def _progress(text: str) -> None:
    """Show the progress of the replay on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr)


def _measure(system: System, meter: Meter, runtimes: Sequence[str], faster: float) -> Values:
    """The figures of a group of runtimes, in original time."""
    sent = [name for name in system.sent if name.rpartition("-")[0] in runtimes]
    waits = [system.finished[name][0].seconds * faster for name in sent if name in system.finished]
    counts = [system.kubelet.pod_counts(runtime) for runtime in runtimes]
    runs = system.completed_runs()
    pools = (one.node_pool for one in system.solution.runtimes if one.name in runtimes)
    seconds = [spent * faster for spent in meter.seconds(pools)]
    hourly = dict(prices.load(paths.data()).lists[prices.REFERENCE_REGION].hourly)[INSTANCE_TYPE]
    return {
        "tasks": len(sent),
        "p50": percentile(waits, 50),
        "p95": percentile(waits, 95),
        "p99": percentile(waits, 99),
        "node_seconds": sum(seconds),
        "dollars": sum(seconds) / 3600 * hourly,
        "nodes": len(seconds),
        "starts": sum(started for started, _ in counts),
        "wasted": sum(started - worked for started, worked in counts),
        "lost": len(sent) - len(waits),
        "repeated": sum(runs.get(name, 0) > 1 for name in sent),
    }


def table(title: str, columns: Mapping[str, Values]) -> str:
    """The figures of several groups as Markdown, with the ratio of the first to the second."""
    first, second, *_ = columns
    head = f"| {title}, {columns[first]['tasks']} tasks | {' | '.join(columns)} | {first} / {second} |"
    lines = [head, "|---" * (len(columns) + 2) + "|"]
    for key, (row, form) in ROWS.items():
        ratio = f"{columns[first][key] / columns[second][key]:.2f}" if columns[second][key] else "–"
        cells = " | ".join(form.format(figures[key]) for figures in columns.values())
        lines.append(f"| {row} | {cells} | {ratio} |")
    return "\n".join(lines)
