"""`make bench-scaling`: the same arrivals under our scaling values and under the reference system's.

All traces under all policies run at the same time, through the same API server, KEDA and Karpenter, each
with a queue, a NodePool and pods of its own: the noise of the machine meets all alike. Everything that
lasts is made FASTER times shorter: tasks, cold starts, and every scaling value that is a time. What is
constant in Karpenter is not: it removes an empty node 10 to 25 s late, whatever it is told. Figures are
given in the original time. Needs what `make e2e` builds.
"""

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from bench.scaling_policies import INSTANCE_TYPE, THEIRS, TRACES, Policy, Values, defaults
from generator import paths
from generator.facts import prices
from local.emulator import Emulator
from testing.cluster.controllers import ACCOUNT, REGION, apply_crds, start_operators
from testing.cluster.controlplane import running
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.page import SCALING, fill
from testing.cluster.solving import solve
from testing.cluster.system import System
from testing.cluster.timeline import percentile
from testing.cluster.workplace import workplace

FASTER = 2
# Original time, seconds. A node of EC2 with a GPU joins in about a minute, pulls images of 10 GB in another,
# and a runtime loads its model in half of one; SDXL takes about 25 s on an A10G.
NODE_BOOT, IMAGE_PULL, MODEL_LOAD, SERVICE = 60, 50, 30, 25
LOOK_SECONDS = 0.3
STUCK_SECONDS = 900
HPA_SYNC = 15  # the controller manager's default
OURS, REFERENCE = "ours", "reference"


def config(policies: Mapping[str, Policy], traces: Sequence[str], faster: float) -> str:
    """One runtime for each policy and trace, alike in everything else."""
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
    whole = {"stackName": "bench", "region": REGION, "accountId": ACCOUNT, "modelBucketArn": bucket}
    return yaml.safe_dump({**whole, "modelsRuntime": runtimes}, sort_keys=False)


def _name(policy: str, trace: str) -> str:
    return f"{policy}-{trace}"


@dataclass
class Meter:
    """GPU nodes of each runtime, from their creation until they are gone."""

    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    owner: dict[str, str] = field(default_factory=dict)

    def look(self, system: System) -> None:
        """Note which nodes there are."""
        now = time.time()
        for node in system.nodes():
            name, labels = node["metadata"]["name"], node["metadata"]["labels"]
            self.first.setdefault(name, now)
            self.last[name] = now
            self.owner[name] = labels["karpenter.sh/nodepool"].removeprefix(f"{system.solution.stack}-")

    def seconds(self, runtime: str) -> float:
        """How long its nodes lived, together."""
        return sum(self.last[node] - self.first[node] for node, own in self.owner.items() if own == runtime)


def replay(system: System, policies: Sequence[str], traces: Sequence[str], faster: float) -> Meter:
    """Send each trace to its runtimes, and wait until all of it is done and everything at rest."""
    meter, began, sent = Meter(), time.monotonic(), 0
    due = deque(sorted((at / faster, trace, n) for trace in traces for n, at in enumerate(TRACES[trace]())))
    last = due[-1][0]
    while due or len(system.finished) < sent or not system.at_rest():
        while due and due[0][0] <= time.monotonic() - began:
            _, trace, n = due.popleft()
            for policy in policies:
                system.send(_name(policy, trace), f"{_name(policy, trace)}-{n}")
                sent += 1
        system.hear()
        meter.look(system)
        passed = time.monotonic() - began
        _progress(f"{passed:5.0f} s: {len(system.finished)} of {sent} tasks done")
        if passed > last + STUCK_SECONDS:
            raise SystemExit(f"not at rest {STUCK_SECONDS} s after the last task\n{system.describe()}")
        time.sleep(LOOK_SECONDS)
    _progress("\n")
    return meter


def _progress(text: str) -> None:
    """Where the replay stands, for a person who waits."""
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr)


def measure(system: System, meter: Meter, runtime: str, faster: float) -> Values:
    """The figures of one trace under one policy, in original time."""
    sent = [name for name in system.sent if name.startswith(f"{runtime}-")]
    waits = [system.finished[name][0].seconds * faster for name in sent if name in system.finished]
    started, worked = system.kubelet.starts(runtime)
    runs = system.runs()
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
    with workplace() as folder, Emulator(folder=folder / "emulator") as emulator:
        (folder / "bench.yaml").write_text(config(policies, traces, faster))
        solution = solve(folder / "bench.yaml")
        with running(folder, HPA_SYNC / faster) as cluster:
            apply_crds(cluster)
            start_operators(cluster, emulator, round(NODE_BOOT / faster))
            with deployed(cluster, emulator, solution, delays, simulation) as system:
                system.until("the system comes to rest after the install", system.at_rest, STUCK_SECONDS)
                system.kubelet.forget()
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
        ours, theirs = figures[OURS][key], figures[REFERENCE][key]
        ratio = f"{ours / theirs:.2f}" if theirs else "–"
        lines.append(
            f"| {title} | {' | '.join(form.format(figures[name][key]) for name in names)} | {ratio} |"
        )
    return "\n".join(lines)


def _tried(text: str, base: Policy) -> Policy:
    """`base` with the fields of a JSON object changed."""
    return Policy(**{**base.__dict__, **json.loads(text)})


def main() -> None:
    """Print one table for each trace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("traces", nargs="*", default=list(TRACES), help=", ".join(TRACES))
    parser.add_argument("--faster", type=float, default=FASTER, help=f"how much shorter (default {FASTER})")
    parser.add_argument("--try", dest="tried", help="a further policy: JSON of what differs from ours")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/scaling.md, too")
    arguments = parser.parse_args()
    ours = defaults()
    policies = {OURS: ours, REFERENCE: THEIRS}
    if arguments.tried:
        policies["tried"] = _tried(arguments.tried, ours)
    figures = bench(policies, arguments.traces, arguments.faster)
    text = "\n\n".join(table(trace, found) for trace, found in figures.items()) + "\n"
    print(text)
    if arguments.page:
        fill(SCALING, "make bench-scaling", text)


if __name__ == "__main__":
    main()
