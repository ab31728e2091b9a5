"""Soak test: thousands of tasks while agents, runtimes and AWS fail at random. No task is lost or ends twice.

Agents get SIGKILL, SIGTERM, or SIGSTOP for longer than their visibility timeout; runtimes crash and run out
of memory; calls to AWS fail, are slow, or lose their responses; some tasks are sent twice, some messages are
malformed. In the end each task has one result, or is in the dead-letter queue with a `failed` callback.
"""

import argparse
import collections
import json
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.emulator import Emulator
from local.processes import Child
from testing.proxy import Call, Fault, Proxy
from testing.world import Runtime, World

AGENTS = 4
ATTEMPTS = 3
POISON = "poison"  # in the id of a task that fails on every runtime
RUNTIME_FAULTS = (
    "oom@0.02",
    "mount@0.01",
    "crash@0.004",
    "slow@0.01",
    "no-output@0.01",
    "disconnect@0.01",
    "partial@0.01",
)
SETTINGS = {
    "VISIBILITY_TIMEOUT_SECONDS": 3,
    "MAX_ATTEMPTS": ATTEMPTS,
    "CANCEL_GRACE_SECONDS": 2,
    "AWS_RETRY_SECONDS": 20,
}
STOPPED_SECONDS = 5.0  # longer than the visibility timeout
SENT_TWICE, MALFORMED, POISONED = 0.03, 0.01, 0.01


@dataclass
class Pod:
    """One pod: a runtime and its agent. A process that ends is started again, as the kubelet does."""

    runtime: Runtime
    agent: Child
    stopped: float = 0.0


@dataclass
class Tally:
    """What was sent and received, and how often each kind of failure happened."""

    sent: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    malformed: int = 0
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
        for task, result in results.items():
            ends = {
                (end["status"], end.get("seed"), end["output_url"]) for end in self.callbacks.get(task, [])
            }
            completed = {end for end in ends if end[0] == "completed"}
            if len(completed) > 1:
                violations.append(f"{task}: two results {completed}")
            if result["status"] not in {end[0] for end in ends}:
                violations.append(f"{task}: {result['status']} without a callback")
            if result["status"] == "completed" and {result["seed"]} != {end[1] for end in completed}:
                violations.append(f"{task}: the callback and result.json differ")
            if result["status"] == "completed" and POISON in task:
                violations.append(f"{task}: completed, although it fails on every runtime")
            if result["status"] == "failed" and not dead[task]:
                violations.append(f"{task}: failed ({result['error']}) and not in the dead-letter queue")
            if result["status"] == "completed" and dead[task] and task not in self.twice:
                violations.append(f"{task}: completed, and in the dead-letter queue")
        if self.dead_letters.count("{") < self.malformed:
            violations.append("a malformed message was lost")
        return violations


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
        World(emulator.client_env(), proxy.url, Path(folder), ATTEMPTS) as world,
    ):
        tally, violations = soak(world, proxy, options.tasks, options.seed, options.seconds)
    counts = collections.Counter(callbacks[-1]["status"] for callbacks in tally.callbacks.values())
    print(f"{options.tasks} tasks in {time.monotonic() - began:.0f} s: {dict(counts)}, {dict(tally.events)}")
    print(f"lost or done twice: {len(violations)}")
    for violation in violations:
        print(f"  {violation}")
    sys.exit(1 if violations else 0)


def soak(world: World, proxy: Proxy, tasks: int, seed: int, seconds: float) -> tuple[Tally, list[str]]:
    """Send the tasks, inject failures until all have ended; what happened, and every broken guarantee."""
    rng = random.Random(seed)
    tally = Tally()
    pods = [start_pod(world, rng) for _ in range(AGENTS)]
    proxy.faults += aws_faults(rng)
    send(world, rng, tally, tasks)
    end = time.monotonic() + seconds
    next_event = 0.0
    while time.monotonic() < end and not (world.messages_left() == 0 and all_announced(tally)):
        tally.add(world.receive_callbacks(), world.take_dead_letters())
        for pod in pods:
            restart_ended(world, pod, tally)
        # Near the end the remaining tasks wait for their next attempt, which must be allowed to succeed.
        if time.monotonic() > next_event and len(tally.callbacks) < 0.9 * tasks:
            disrupt(rng.choice(pods), rng, tally)
            next_event = time.monotonic() + rng.uniform(0.2, 1.5)
    for pod in pods:
        pod.agent.signal(signal.SIGCONT)
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
    return tally.sent <= tally.callbacks.keys()


def start_pod(world: World, rng: random.Random) -> Pod:
    """Start a runtime and its agent."""
    faults = [option for fault in RUNTIME_FAULTS for option in ("--fault", fault)]
    seed = str(rng.randrange(10**6))
    runtime = world.runtime("--service-time", "0.03", *faults, "--fault-seed", seed)
    runtime.fault("oom", match=POISON, times=-1)
    return Pod(runtime, world.agent(runtime.url, **SETTINGS))


def restart_ended(world: World, pod: Pod, tally: Tally) -> None:
    """Start processes that have ended, as the kubelet does, and continue an agent stopped for long enough."""
    if not pod.runtime.child.alive:
        tally.events["runtime crashed"] += 1
        pod.runtime = world.restart(pod.runtime)
        pod.runtime.fault("oom", match=POISON, times=-1)
    if not pod.agent.alive:
        pod.agent = world.agent(pod.runtime.url, **SETTINGS)
    if pod.stopped and time.monotonic() - pod.stopped > STOPPED_SECONDS:
        pod.agent.signal(signal.SIGCONT)
        pod.stopped = 0.0


def disrupt(pod: Pod, rng: random.Random, tally: Tally) -> None:
    """Send a random signal to the agent of one pod, unless it is stopped."""
    if pod.stopped:
        return
    number = rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP))
    tally.events[number.name] += 1
    pod.agent.signal(number)
    pod.stopped = time.monotonic() if number is signal.SIGSTOP else 0.0


def send(world: World, rng: random.Random, tally: Tally, tasks: int) -> None:
    """Send all tasks, some of them twice, and some malformed messages."""
    for n in range(tasks):
        name = f"{POISON if rng.random() < POISONED else 'task'}-{n}"
        world.send([name], prefix=rng.choice(("", "a", "a/b")))
        tally.sent.add(name)
        if rng.random() < SENT_TWICE:
            world.send_body(world.last_sent)
            tally.twice.add(name)
        if rng.random() < MALFORMED:
            world.send_body("{")
            tally.malformed += 1


def aws_faults(rng: random.Random) -> list[Fault]:
    """Faults that each apply to a random share of all calls."""

    def sometimes(share: float) -> Callable[[Call], bool]:
        return lambda _: rng.random() < share

    return [
        Fault(sometimes(0.01), times=-1, answer="503 ServiceUnavailable"),
        Fault(sometimes(0.005), times=-1, answer="drop"),
        Fault(sometimes(0.005), times=-1, reaches=True, answer="drop"),
        Fault(sometimes(0.002), times=-1, delay=1.0),
    ]


if __name__ == "__main__":
    main()
