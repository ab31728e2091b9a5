"""`make bench-node-pools`: compares one node pool for four runtimes with one for each, same arrivals.

Two of the runtimes have the same image, the others have their own. It needs what `make e2e` builds.
"""

import argparse
import random
from collections.abc import Callable, Iterator, Sequence

from bench.scaling_policies import Values, defaults
from bench.scaling_run import FASTER, Arrival, figures, table
from generator.solution.node_pool import OWN
from testing.arrivals import SEED
from testing.cluster.page import SCALING, fill

# The runtimes of a group, by the last part of their names.
MEMBERS: dict[str, Values] = {
    "base": {"type": "sdwebui", "modelFilename": "sd_xl_base_1.0.safetensors"},
    "turbo": {"type": "sdwebui", "modelFilename": "sd_xl_turbo_1.0.safetensors"},
    "flow": {"type": "comfyui"},
    "graph": {"type": "invokeai"},
}
# The columns, and their value of `nodePool`; each trace has a shared pool of its own.
POOLS = {"shared": "shared", "own": OWN}
SESSION, GAP = 150, 15


def sessions() -> Iterator[tuple[float, str]]:
    """Each runtime in turn, 150 s long: a task per 15 s on average (Poisson); two rounds."""
    chance = random.Random(SEED)
    for turn, member in enumerate([*MEMBERS, *MEMBERS]):
        at = turn * SESSION + chance.expovariate(1 / GAP)
        while at < (turn + 1) * SESSION:
            yield at, member
            at += chance.expovariate(1 / GAP)


def single() -> Iterator[tuple[float, str]]:
    """One task at a time, for each runtime in turn: every 60 s, for 20 minutes."""
    for turn in range(20):
        yield turn * 60.0, list(MEMBERS)[turn % len(MEMBERS)]


def mixed() -> Iterator[tuple[float, str]]:
    """A task per 20 s on average (Poisson) for 20 minutes, each for any of the runtimes."""
    chance = random.Random(SEED)
    at = chance.expovariate(1 / 20)
    while at < 1200:
        yield at, chance.choice(list(MEMBERS))
        at += chance.expovariate(1 / 20)


TRACES: dict[str, Callable[[], Iterator[tuple[float, str]]]] = {
    "sessions": sessions,
    "single": single,
    "mixed": mixed,
}


def _name(column: str, trace: str, member: str) -> str:
    return f"{column}-{trace}-{member}"


def _runtimes(traces: Sequence[str], faster: float) -> Iterator[Values]:
    for trace in traces:
        for column, pool in POOLS.items():
            for member, fields in MEMBERS.items():
                values = defaults().values(faster)
                values["karpenter"]["nodePool"] = pool if pool == OWN else f"{pool}-{trace}"
                name = _name(column, trace, member)
                yield {"name": name, "namespace": "bench", **fields, "extraValues": values}


def _arrivals(traces: Sequence[str]) -> Iterator[Arrival]:
    for trace in traces:
        for at, member in TRACES[trace]():
            yield from ((at, _name(column, trace, member)) for column in POOLS)


def bench(traces: Sequence[str], faster: float) -> dict[str, dict[str, Values]]:
    """Figures by trace and column."""
    groups = {
        f"{column}-{trace}": [_name(column, trace, member) for member in MEMBERS]
        for trace in traces
        for column in POOLS
    }
    measured = figures(list(_runtimes(traces, faster)), _arrivals(traces), groups, faster)
    return {trace: {column: measured[f"{column}-{trace}"] for column in POOLS} for trace in traces}


def main() -> None:
    """Print one table for each trace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("traces", nargs="*", default=list(TRACES), help=", ".join(TRACES))
    parser.add_argument("--faster", type=float, default=FASTER, help=f"divisor of all times ({FASTER})")
    parser.add_argument("--page", action="store_true", help="write the tables into docs/scaling.md, too")
    arguments = parser.parse_args()
    by_trace = bench(arguments.traces, arguments.faster)
    text = "\n\n".join(table(trace, columns) for trace, columns in by_trace.items()) + "\n"
    print(text)
    if arguments.page:
        fill(SCALING, "make bench-node-pools", text)


if __name__ == "__main__":
    main()
