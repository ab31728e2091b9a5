"""How long one task waits behind a burst: of another key, and of high priority. `python -m bench.fair`

The whole path on this machine: HTTP API, topic, queues, agents, simulated SD WebUIs. One key sends a burst;
then three tasks are sent at once: one of another key, one of the first key with high priority, and one more
of the first key, which is the baseline. This is done for a runtime with a queue for tasks of high priority,
and for one without, where both classes are groups of one queue. The queues are the emulator's, fair by the
rules that AWS documents (local/fair_queues.py); AWS itself decides approximately.

Bound: the task that runs, as many as an agent receives ahead at most, and the task itself.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from queue_agent.flow.lookahead import MAX_AHEAD

from generator.solution import names
from local import config
from local.pipeline import Pipeline, running
from local.pods import Durations
from sd_on_eks import Client, TaskStatus
from testing.two_queues import BURST_KEY, OTHER_KEY, RUNTIMES, config_file

THREADS = 8
# From the API to the queue, and from the queue to the runtime, on a busy machine.
PATH_SECONDS = 2.0


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a task waited longer than the bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--burst", type=int, default=500, help="tasks of the first key (default: 500)")
    parser.add_argument("--service", type=float, default=0.1, help="seconds of a task (default: 0.1)")
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        built = config.build(str(config_file(Path(folder))), Path(folder) / "build")
        durations = Durations(service=args.service, load=0.1)
        with running(built, durations, Path(folder) / "logs") as pipeline:
            late = [
                f"{runtime}: {name}"
                for runtime in RUNTIMES
                for name in _report(pipeline, runtime, args.burst, args.service)
            ]
    print(f"above the bound: {', '.join(late)}" if late else "within the bound")
    return 1 if late else 0


def _report(pipeline: Pipeline, runtime: str, burst: int, service: float) -> list[str]:
    """Measure and print; those of the first two tasks that waited too long."""
    waits, interval = _measure(pipeline, runtime, burst)
    bound = PATH_SECONDS + (MAX_AHEAD + 2) * max(service, interval)
    print(f"{runtime}: burst of {burst} tasks, {service:g} s each, one every {interval:.2f} s")
    for name, seconds in waits.items():
        print(f"  {name:<40} waited {seconds:6.2f} s")
    print(f"  bound for the first two: {bound:.2f} s")
    return [name for name, seconds in list(waits.items())[:2] if seconds > bound]


def _measure(pipeline: Pipeline, runtime: str, count: int) -> tuple[dict[str, float], float]:
    """Seconds that each of the three tasks waited, by what it is; seconds from run to run of the burst."""
    burst, other = (_client(pipeline, name) for name in (BURST_KEY, OTHER_KEY))
    with ThreadPoolExecutor(THREADS) as pool:
        sent = list(pool.map(lambda n: burst.submit(runtime, _content(n)), range(count)))
    rest = pipeline.cloud.depth(next(r for r in pipeline.built.solution.runtimes if r.name == runtime))
    print(f"{rest.waiting} tasks of the burst still wait", file=sys.stderr)
    tasks = {
        "one task of another key": (other, other.submit(runtime, _content(0))),
        "one of the same key, high priority": (burst, burst.submit(runtime, _content(0), priority="high")),
        "one more of the same key (baseline)": (burst, burst.submit(runtime, _content(0))),
    }
    waits = {name: _waited(client.wait(task, timeout=600)) for name, (client, task) in tasks.items()}
    runs = sorted(_started(burst.status(runtime, task.id)) for task in sent[-50:])
    return waits, (runs[-1] - runs[0]) / (len(runs) - 1)


def _content(seed: int) -> dict[str, object]:
    return {"prompt": "x", "seed": seed, "steps": 1, "width": 64, "height": 64}


def _started(status: TaskStatus) -> float:
    return status.started or 0.0


def _waited(status: TaskStatus) -> float:
    return _started(status) - datetime.fromisoformat(status.created).timestamp()


def _client(pipeline: Pipeline, name: str) -> Client:
    gateway = pipeline.cloud.client("apigateway")
    wanted = names.api_key(pipeline.built.solution.stack, name)
    keys = gateway.get_api_keys(includeValues=True)["items"]
    return Client(pipeline.api.url, next(key["value"] for key in keys if key["name"] == wanted))


if __name__ == "__main__":
    sys.exit(main())
