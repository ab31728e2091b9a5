"""`make bench-scaling`: compares the chart's scaling defaults with the reference system's, same arrivals.

Each trace runs under each policy, with a runtime of its own. It needs what `make e2e` builds.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.scaling_policies import REFERENCE_POLICY, Policy, Values, defaults
from bench.scaling_run import FASTER, Arrival, figures, table
from generator.scaling import trace as trace_files
from testing.arrivals import TRACES
from testing.cluster.page import SCALING, fill

OURS, REFERENCE = "ours", "reference"
# The arrivals of a trace, in seconds since its first task.
Traces = Mapping[str, Callable[[], Sequence[float]]]


def _runtimes(policies: Mapping[str, Policy], traces: Sequence[str], faster: float) -> list[Values]:
    """One runtime for each policy and trace; they differ in nothing else."""
    return [
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


def _name(policy: str, trace: str) -> str:
    return f"{policy}-{trace}"


def _arrivals(policies: Sequence[str], traces: Traces) -> Iterator[Arrival]:
    for trace, times in traces.items():
        for at in times():
            yield from ((at, _name(policy, trace)) for policy in policies)


def bench(policies: Mapping[str, Policy], traces: Traces, faster: float) -> dict[str, dict[str, Values]]:
    """Figures by trace and policy."""
    names = [_name(policy, trace) for policy in policies for trace in traces]
    arrivals = _arrivals(list(policies), traces)
    measured = figures(
        _runtimes(policies, list(traces), faster), arrivals, {name: [name] for name in names}, faster
    )
    return {trace: {policy: measured[_name(policy, trace)] for policy in policies} for trace in traces}


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
    parser.add_argument(
        "--trace", type=Path, help="arrivals of your own, as for `generator whatif`; all its tasks"
    )
    arguments = parser.parse_args()
    ours = defaults()
    policies = {OURS: ours, REFERENCE: REFERENCE_POLICY}
    if arguments.changes:
        policies["changed"] = _changed(ours, arguments.changes)
    traces = {name: TRACES[name] for name in arguments.traces}
    if arguments.trace:
        try:
            tasks = trace_files.parse(arguments.trace.read_text("utf-8")).tasks
        except (trace_files.TraceError, OSError, ValueError) as error:
            parser.error(f"{arguments.trace}: {error}")
        traces = {"trace": lambda: [task.at for task in tasks]}
    by_trace = bench(policies, traces, arguments.faster)
    text = "\n\n".join(table(trace, columns) for trace, columns in by_trace.items()) + "\n"
    print(text)
    if arguments.page:
        fill(SCALING, "make bench-scaling", text)


if __name__ == "__main__":
    main()
