"""The order of tasks on this machine: the config of `make bench-fair`, and a backlog that others overtake."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from generator.solution import names
from local import config
from local.pipeline import Pipeline, running
from local.pods import Durations
from sd_on_eks import Client
from testing.two_queues import BURST_KEY, RUNTIMES, config_file

BURST, HIGH = 60, 12
CONTENT = {"prompt": "x", "steps": 1, "width": 64, "height": 64}


def test_the_config_of_the_benchmark_is_valid(tmp_path: Path) -> None:
    built = config.build(str(config_file(tmp_path)), tmp_path / "build")
    second = {runtime.name: bool(runtime.high_priority_queue) for runtime in built.solution.runtimes}

    assert second == RUNTIMES


def _client(pipeline: Pipeline) -> Client:
    name = names.api_key(pipeline.built.solution.stack, BURST_KEY)
    keys = pipeline.cloud.client("apigateway").get_api_keys(includeValues=True)["items"]
    return Client(pipeline.api.url, next(key["value"] for key in keys if key["name"] == name))


def _order(client: Client, runtime: str) -> list[str]:
    """The ids in the order of their runs: a burst, then tasks of high priority of the same key."""
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda n: client.submit(runtime, CONTENT, id=f"{runtime}-n{n}"), range(BURST)))
        sent += pool.map(
            lambda n: client.submit(runtime, CONTENT, id=f"{runtime}-h{n}", priority="high"), range(HIGH)
        )
    ended = [client.wait(task, timeout=180) for task in sent]
    return [status.id for status in sorted(ended, key=lambda status: status.started or 0.0)]


@pytest.mark.thorough
def test_tasks_of_high_priority_overtake_a_backlog_of_the_same_key(tmp_path: Path) -> None:
    built = config.build(str(config_file(tmp_path)), tmp_path / "build")
    with running(built, Durations(service=0.5, load=0.1), tmp_path / "logs") as pipeline:
        client = _client(pipeline)
        order = _order(client, "two-queues")

    last = max(place for place, name in enumerate(order) if name.startswith("two-queues-h"))
    after = [name for name in order[:last] if not name.startswith("two-queues-h")]
    later = sum(name.startswith("two-queues-n") for name in order[last:])
    # Those that ran while the burst was sent, and a fifth of the tasks that were received afterwards.
    assert later >= BURST / 4, (len(after), order)
