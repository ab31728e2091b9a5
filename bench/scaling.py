"""`make bench-scaling`: compares the chart's scaling defaults with the reference system's, same arrivals.

All traces run under all policies at the same time, with the same API server, KEDA and Karpenter, each with
its own queue, NodePool and pods, so that load on the machine affects all alike. All durations are divided by
FASTER: tasks, cold starts, and scaling values that are times. Delays that are constant in Karpenter are not:
it removes an empty node 10 to 25 s late. Figures are in original time. It needs what `make e2e` builds.
"""

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from bench.scaling_policies import INSTANCE_TYPE, REFERENCE_POLICY, TRACES, Policy, Values, defaults
from generator import paths
from generator.facts import prices
from local.emulator import Emulator
from testing.cluster.chart import load_solution
from testing.cluster.controllers import ACCOUNT, REGION, apply_crds, start_operators
from testing.cluster.controlplane import running
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.page import SCALING, fill
from testing.cluster.run_folder import temporary_folder
from testing.cluster.system import System
from testing.cluster.timeline import percentile

FASTER = 2
# Original time in seconds. A GPU node on EC2 joins after about a minute and pulls images of 10 GB in another;
# a runtime loads its model in half a minute; SDXL takes about 25 s for a picture on an A10G.
NODE_BOOT, IMAGE_PULL, MODEL_LOAD, SERVICE = 60, 50, 30, 25
POLL_SECONDS = 0.3
STUCK_SECONDS = 900
HPA_SYNC = 15  # the controller manager's default
OURS, REFERENCE = "ours", "reference"


def config(policies: Mapping[str, Policy], traces: Sequence[str], faster: float) -> str:
    """A config with one runtime for each policy and trace, which differ in nothing else."""
    runtimes = [
        {
            "name": _name(policy, trace),
            "namespace": "bench",
            "type": "sdwebui",
            "modelFilename": "sd_xl_turbo_1.0.safetensors",
            "extraValues": policies[policy].values(faster),
        }
        for policy in policies
        for trace in traces
    ]
    bucket = f"arn:aws:s3:::bench-models-{ACCOUNT}"
    solution = {"stackName": "bench", "region": REGION, "accountId": ACCOUNT, "modelBucketArn": bucket}
    return yaml.safe_dump({**solution, "modelsRuntime": runtimes}, sort_keys=False)


def _name(policy: str, trace: str) -> str:
    return f"{policy}-{trace}"


@dataclass
class Meter:
    """Measures how long the GPU nodes of each runtime exist."""

    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)

    def record(self, system: System) -> None:
        """Record the nodes that exist now."""
        now = time.time()
        for node in system.nodes():
            name, labels = node["metadata"]["name"], node["metadata"]["labels"]
            self.first.setdefault(name, now)
            self.last[name] = now
            self.owner[name] = labels["karpenter.sh/nodepool"].removeprefix(f"{system.solution.stack}-")

    def seconds(self, runtime: str) -> float:
        """The total node seconds of a runtime."""
        return sum(self.last[node] - self.first[node] for node, own in self.owner.items() if own == runtime)


def replay(system: System, policies: Sequence[str], traces: Sequence[str], faster: float) -> Meter:
    """Send each trace to its runtimes; wait until all tasks are done and all pods and nodes are gone."""
    meter, start, sent = Meter(), time.monotonic(), 0
    due = deque(sorted((at / faster, trace, n) for trace in traces for n, at in enumerate(TRACES[trace]())))
    last = due[-1][0]
    while due or len(system.finished) < sent or not system.scaled_to_zero():
        while due and due[0][0] <= time.monotonic() - start:
            _, trace, n = due.popleft()
            for policy in policies:
                system.send(_name(policy, trace), f"{_name(policy, trace)}-{n}")
                sent += 1
        system.collect_callbacks()
        meter.record(system)
        passed = time.monotonic() - start
        _progress(f"{passed:5.0f} s: {len(system.finished)} of {sent} tasks done")
        if passed > last + STUCK_SECONDS:
            raise SystemExit(f"not idle {STUCK_SECONDS} s after the last task\n{system.describe()}")
        time.sleep(POLL_SECONDS)
    _progress("\n")
    return meter


def _progress(text: str) -> None:
    """Show the progress of the replay on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr)


def measure(system: System, meter: Meter, runtime: str, faster: float) -> Values:
    """The figures of one trace under one policy, in original time."""
    sent = [name for name in system.sent if name.startswith(f"{runtime}-")]
    waits = [system.finished[name][0].seconds * faster for name in sent if name in system.finished]
    started, worked = system.kubelet.pod_counts(runtime)
    runs = system.completed_runs()
    hourly = dict(prices.load(paths.data()).lists[prices.REFERENCE_REGION].hourly)[INSTANCE_TYPE]
    node_seconds = meter.seconds(runtime) * faster
    return {
        "tasks": len(sent),
        "p50": percentile(waits, 50),
        "p95": percentile(waits, 95),
        "p99": percentile(waits, 99),
        "node_seconds": node_seconds,
        "dollars": node_seconds / 3600 * hourly,
        "starts": started,
        "wasted": started - worked,
        "lost": len(sent) - len(waits),
        "repeated": sum(runs.get(name, 0) > 1 for name in sent),
    }


def bench(
    policies: Mapping[str, Policy], traces: Sequence[str], faster: float
) -> dict[str, dict[str, Values]]:
    """Figures by trace and policy."""
    delays, simulation = Delays(IMAGE_PULL / faster, MODEL_LOAD / faster), Simulation(SERVICE / faster)
    with temporary_folder() as folder, Emulator(folder=folder / "emulator") as emulator:
        (folder / "bench.yaml").write_text(config(policies, traces, faster))
        solution = load_solution(folder / "bench.yaml")
        with running(folder, HPA_SYNC / faster) as cluster:
            apply_crds(cluster)
            start_operators(cluster, emulator, round(NODE_BOOT / faster))
            with deployed(cluster, emulator, solution, delays, simulation) as system:
                system.require(
                    "the system scales to zero after the install", system.scaled_to_zero, STUCK_SECONDS
                )
                system.kubelet.reset_history()
                meter = replay(system, list(policies), traces, faster)
                return {
                    trace: {name: measure(system, meter, _name(name, trace), faster) for name in policies}
                    for trace in traces
                }


ROWS = {
    "p50": ("time to picture, p50", "{:.0f} s"),
    "p95": ("time to picture, p95", "{:.0f} s"),
    "p99": ("time to picture, p99", "{:.0f} s"),
    "node_seconds": ("GPU node seconds", "{:.0f}"),
    "dollars": ("cost at list price", "${:.2f}"),
    "starts": ("pods started", "{}"),
    "wasted": ("pods without a task", "{}"),
    "lost": ("tasks lost", "{}"),
    "repeated": ("tasks run twice", "{}"),
}


def table(trace: str, figures: Mapping[str, Values]) -> str:
    """The figures as Markdown."""
    names = list(figures)
    head = f"| {trace}, {figures[OURS]['tasks']} tasks | {' | '.join(names)} | ours / reference |"
    lines = [head, "|---" * (len(names) + 2) + "|"]
    for key, (title, form) in ROWS.items():
        ours, reference = figures[OURS][key], figures[REFERENCE][key]
        ratio = f"{ours / reference:.2f}" if reference else "–"
        lines.append(
            f"| {title} | {' | '.join(form.format(figures[name][key]) for name in names)} | {ratio} |"
        )
    return "\n".join(lines)


def _changed(base: Policy, text: str) -> Policy:
    """`base` with the fields of a JSON object in place of its own."""
    return Policy(**{**base.__dict__, **json.loads(text)})


def main() -> None:
    """Print one table for each trace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("traces", nargs="*", default=list(TRACES), help=", ".join(TRACES))
    parser.add_argument("--faster", type=float, default=FASTER, help=f"divisor of all times ({FASTER})")
    parser.add_argument("--try", dest="changes", help="an additional policy: JSON with changes to ours")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/scaling.md, too")
    arguments = parser.parse_args()
    ours = defaults()
    policies = {OURS: ours, REFERENCE: REFERENCE_POLICY}
    if arguments.changes:
        policies["changed"] = _changed(ours, arguments.changes)
    figures = bench(policies, arguments.traces, arguments.faster)
    text = "\n\n".join(table(trace, by_policy) for trace, by_policy in figures.items()) + "\n"
    print(text)
    if arguments.page:
        fill(SCALING, "make bench-scaling", text)


if __name__ == "__main__":
    main()
