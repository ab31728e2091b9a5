"""Soak test: thousands of tasks while agents, runtimes and AWS fail at random. No task is lost or ends twice.

Agents get SIGKILL, SIGTERM, or SIGSTOP for longer than their visibility timeout, and their clocks jump;
runtimes crash, run out of memory or disk, and lose their GPU; calls to AWS fail, are slow, lose their
responses, or answer 200 with an error. Some tasks are sent twice, some messages go to two agents at once,
some are malformed, some have inputs or a context of the largest size. In the end each task has one result,
and only those that cannot succeed have failed.
"""

import argparse
import collections
import contextlib
import io
import json
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from bench.soak_faults import INPUTS, Pod, aws_faults, disrupt, keep_running, start_pod
from local.emulator import Emulator
from testing.proxy import Proxy
from testing.world import LARGEST_CONTEXT, World

AGENTS = 4
# The faults hit a fifth of all deliveries. With 5 attempts, the default, one task in a thousand would use up
# its attempts although nothing is wrong with it.
ATTEMPTS = 7
POISON = "poison"  # in the id of a task that fails on every runtime
SETTINGS: dict[str, object] = {
    "VISIBILITY_TIMEOUT_SECONDS": 3,
    "MAX_ATTEMPTS": ATTEMPTS,
    "CANCEL_GRACE_SECONDS": 2,
    "AWS_RETRY_SECONDS": 20,
    "INPUT_TIMEOUT_SECONDS": 3,
}
SENT_TWICE, MALFORMED, POISONED, WITH_INPUT, LARGE, TOO_LARGE = 0.03, 0.01, 0.05, 0.05, 0.03, 0.01


@dataclass
class Tally:
    """What was sent and received, and how often each kind of failure happened."""

    sent: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    malformed: int = 0
    too_large: set[str] = field(default_factory=set)
    callbacks: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: collections.defaultdict(list))
    dead_letters: list[str] = field(default_factory=list)
    events: collections.Counter[str] = field(default_factory=collections.Counter)

    def add(self, callbacks: list[dict[str, Any]], dead_letters: list[str]) -> None:
        """Add what was received."""
        for callback in callbacks:
            self.callbacks[callback["id"]].append(callback)
        self.dead_letters += dead_letters

    def violations(self, results: dict[str, dict[str, Any]]) -> list[str]:
        """Every broken guarantee, given the result.json of each task."""
        tasks = [json.loads(body)["metadata"]["id"] for body in self.dead_letters if body != "{"]
        dead = collections.Counter(tasks)
        violations = [f"{task}: lost" for task in sorted(self.sent - results.keys())]
        violations += [
            f"{task}: its context is too large, and it was not refused"
            for task in self.too_large
            if {end["status"] for end in self.callbacks.get(task, [])} != {"failed"} or not dead[task]
        ]
        for task, result in results.items():
            violations += self._of_task(task, result, dead[task])
        if self.dead_letters.count("{") < self.malformed:
            violations.append("a malformed message was lost")
        return violations

    def _of_task(self, task: str, result: dict[str, Any], dead: int) -> Iterator[str]:
        """What is wrong with the result of a task that was `dead` times in the dead-letter queue."""
        callbacks = self.callbacks.get(task, [])
        ends = {(end["status"], end.get("seed"), end["output_url"]) for end in callbacks}
        completed = {end for end in ends if end[0] == "completed"}
        if len(completed) > 1:
            yield f"{task}: two results {completed}"
        if result["status"] not in {end[0] for end in ends}:
            yield f"{task}: {result['status']} without a callback"
        if result["status"] == "failed":
            if POISON not in task:
                yield f"{task}: failed ({result['error']}), although nothing is wrong with it"
            if not dead:
                yield f"{task}: failed ({result['error']}) and not in the dead-letter queue"
            return
        if {result["seed"]} != {end[1] for end in completed}:
            yield f"{task}: the callback and result.json differ"
        if POISON in task:
            yield f"{task}: completed, although it fails on every runtime"
        if dead and task not in self.twice:
            yield f"{task}: completed, and in the dead-letter queue"


def main() -> None:
    """`python -m bench.soak`; ends with 1 when a task was lost or ended twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--seconds", type=float, default=1800.0, help="stop waiting after so many seconds")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator() as emulator,
        Proxy(emulator.url) as proxy,
        World(emulator.client_env(), proxy.url, Path(folder)) as world,
    ):
        tally, violations = soak(world, proxy, options.tasks, options.seed, options.seconds)
    counts = collections.Counter(callbacks[-1]["status"] for callbacks in tally.callbacks.values())
    print(f"{options.tasks} tasks in {time.monotonic() - began:.0f} s: {dict(counts)}, {dict(tally.events)}")
    print(f"lost or done twice: {len(violations)}")
    for violation in violations:
        print(f"  {violation}")
    sys.exit(1 if violations else 0)


def soak(
    world: World, proxy: Proxy, tasks: int, seed: int, seconds: float, poisoned: float = POISONED
) -> tuple[Tally, list[str]]:
    """Send the tasks, inject failures until all have ended; what happened, and every broken guarantee.

    `poisoned`: the share of tasks that fail on every runtime, among the first fifth.
    """
    rng = random.Random(seed)
    tally = Tally()
    world.s3.put_object(Bucket=world.bucket, Key=f"{INPUTS}a.png", Body=_picture())
    settings = {**SETTINGS, "INPUT_BUCKETS": world.bucket}
    pods = [start_pod(world, rng, settings, POISON) for _ in range(AGENTS)]
    faults = aws_faults(rng)
    proxy.faults += faults.values()
    send(world, rng, tally, tasks, poisoned)
    end = time.monotonic() + seconds
    next_event = 0.0
    while time.monotonic() < end and not (world.messages_left() == 0 and all_announced(tally)):
        tally.add(world.receive_callbacks(), world.take_dead_letters())
        for pod in pods:
            keep_running(world, pod, settings, tally.events)
        # Near the end the remaining tasks wait for their next attempt, which must be allowed to succeed.
        if time.monotonic() > next_event and len(tally.callbacks) < 0.9 * tasks:
            disrupt(rng.choice(pods), rng, tally.events)
            next_event = time.monotonic() + rng.uniform(0.2, 1.5)
    for pod in pods:
        pod.agent.signal(signal.SIGCONT)
        _count_runtime_faults(pod, tally)
    tally.events.update({f"AWS: {name}": fault.seen for name, fault in faults.items()})
    time.sleep(1)
    while callbacks := world.receive_callbacks(wait=1):
        tally.add(callbacks, [])
    tally.add([], world.take_dead_letters())
    results = {
        key.split("/")[-2]: world.object(key) for key in world.outputs() if key.endswith("/result.json")
    }
    return tally, tally.violations(results)


def all_announced(tally: Tally) -> bool:
    """Whether every task has had at least one callback."""
    return tally.sent | tally.too_large <= tally.callbacks.keys()


def _count_runtime_faults(pod: Pod, tally: Tally) -> None:
    """Add what happened on a runtime since it was last started."""
    with contextlib.suppress(OSError):  # it has just ended
        tally.events.update({f"runtime: {kind}": count for kind, count in pod.runtime.occurred().items()})


def _picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64)).save(data, "PNG")
    return data.getvalue()


def send(world: World, rng: random.Random, tally: Tally, tasks: int, poisoned: float) -> None:
    """Send all tasks, some of them twice, and some malformed messages."""
    for n in range(tasks):
        # Early, because the delays between the attempts at such a task take nine minutes together.
        kind = POISON if n < tasks // 5 and rng.random() < poisoned else "task"
        name = f"{kind}-{n}"
        content: dict[str, Any] = {}
        metadata: dict[str, Any] = {"prefix": rng.choice(("", "a", "a/b"))}
        if rng.random() < WITH_INPUT:
            metadata["tasktype"] = "image-to-image"
            content["init_images"] = [f"s3://{world.bucket}/{INPUTS}a.png"]
        if rng.random() < LARGE:
            metadata["context"] = LARGEST_CONTEXT
        world.send([name], content, **metadata)
        tally.sent.add(name)
        if rng.random() < SENT_TWICE:
            world.send_body(world.last_sent)
            tally.twice.add(name)
        if rng.random() < MALFORMED:
            world.send_body("{")
            tally.malformed += 1
        if rng.random() < TOO_LARGE:
            world.send([f"large-{n}"], context=LARGEST_CONTEXT + "more")
            tally.too_large.add(f"large-{n}")


if __name__ == "__main__":
    main()
