"""Thousands of tasks through agents, runtimes and an AWS that fail at random: none is lost, none ends twice.

Agents are killed, stopped for longer than their lease and told to end; runtimes crash and run out of memory;
calls to AWS are refused, late, or lose their answers; some tasks are sent twice, some messages are nonsense.
In the end each task has one result, or is in the dead-letter queue with a `failed` callback.
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
POISON = "poison"  # in the id of a task that no runtime can do
RUNTIME_FAULTS = (
    "oom@0.02",
    "error@0.01",
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
STOPPED_SECONDS = 5.0  # longer than a lease
SENT_TWICE, NONSENSE, POISONED = 0.03, 0.01, 0.01


@dataclass
class Seat:
    """One pod: a runtime and the agent beside it. What dies is started again, as the kubelet does."""

    runtime: Runtime
    agent: Child
    stopped: float = 0.0


@dataclass
class Tally:
    """What happened."""

    sent: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    nonsense: int = 0
    heard: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: collections.defaultdict(list))
    aside: list[str] = field(default_factory=list)
    events: collections.Counter[str] = field(default_factory=collections.Counter)

    def hear(self, callbacks: list[dict[str, Any]], aside: list[str]) -> None:
        """Add what came."""
        for each in callbacks:
            self.heard[each["id"]].append(each)
        self.aside += aside

    def faults(self, records: dict[str, dict[str, Any]]) -> list[str]:
        """What must not be, given each task's result.json."""
        aside = collections.Counter(json.loads(body)["metadata"]["id"] for body in self.aside if body != "{")
        found = [f"{each}: lost" for each in sorted(self.sent - records.keys())]
        for each, record in records.items():
            told = self.heard.get(each, [])
            ends = {(end["status"], end.get("seed"), end["output_url"]) for end in told}
            completed = {end for end in ends if end[0] == "completed"}
            if len(completed) > 1:
                found.append(f"{each}: two results {completed}")
            if record["status"] not in {end[0] for end in ends}:
                found.append(f"{each}: {record['status']} and never told")
            if record["status"] == "completed" and {record["seed"]} != {end[1] for end in completed}:
                found.append(f"{each}: the callback tells of another result than result.json")
            if record["status"] == "completed" and POISON in each:
                found.append(f"{each}: done, which nobody can do")
            if record["status"] == "failed" and not aside[each]:
                found.append(f"{each}: failed ({record['error']}) and not in the dead-letter queue")
            if record["status"] == "completed" and aside[each] and each not in self.twice:
                found.append(f"{each}: a result, and in the dead-letter queue")
        if self.aside.count("{") < self.nonsense:
            found.append("a message that is no task was lost")
        return found


def main() -> None:
    """`python -m bench.soak`; ends with 1 when a task was lost or ended twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--seconds", type=float, default=1800.0, help="give up after so long")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator() as emulator,
        Proxy(emulator.url) as proxy,
        World(emulator.client_env(), proxy.url, Path(folder), ATTEMPTS) as world,
    ):
        tally, faults = soak(world, proxy, options.tasks, options.seed, options.seconds)
    counts = collections.Counter(told[-1]["status"] for told in tally.heard.values())
    print(f"{options.tasks} tasks in {time.monotonic() - began:.0f} s: {dict(counts)}, {dict(tally.events)}")
    print(f"lost or doubled: {len(faults)}")
    for fault in faults:
        print(f"  {fault}")
    sys.exit(1 if faults else 0)


def soak(world: World, proxy: Proxy, tasks: int, seed: int, seconds: float) -> tuple[Tally, list[str]]:
    """Send tasks while everything fails, wait for their ends, and say what must not be."""
    rng = random.Random(seed)
    tally = Tally()
    seats = [seat(world, rng) for _ in range(AGENTS)]
    proxy.faults += aws_faults(rng)
    send(world, rng, tally, tasks)
    end = time.monotonic() + seconds
    next_event = 0.0
    while time.monotonic() < end and not (world.left() == 0 and settled(tally)):
        tally.hear(world.callbacks_now(), world.set_aside())
        for each in seats:
            revive(world, each, tally)
        # What is left near the end waits for its next attempt: let it have one.
        if time.monotonic() > next_event and len(tally.heard) < 0.9 * tasks:
            strike(rng.choice(seats), rng, tally)
            next_event = time.monotonic() + rng.uniform(0.2, 1.5)
    for each in seats:
        each.agent.signal(signal.SIGCONT)
    time.sleep(1)
    while heard := world.callbacks_now(wait=1):
        tally.hear(heard, [])
    tally.hear([], world.set_aside())
    records = {
        key.split("/")[-2]: world.object(key) for key in world.outputs() if key.endswith("/result.json")
    }
    return tally, tally.faults(records)


def settled(tally: Tally) -> bool:
    """Whether everybody has been told something, so that what is left is on its way."""
    return tally.sent <= tally.heard.keys()


def seat(world: World, rng: random.Random) -> Seat:
    """A pod."""
    faults = [option for fault in RUNTIME_FAULTS for option in ("--fault", fault)]
    seed = str(rng.randrange(10**6))
    runtime = world.runtime("--service-time", "0.03", *faults, "--fault-seed", seed)
    runtime.fault("oom", match=POISON, times=-1)
    return Seat(runtime, world.agent(runtime.url, **SETTINGS))


def revive(world: World, seat: Seat, tally: Tally) -> None:
    """What the kubelet does: start again what has ended; and let go what was stopped long enough."""
    if not seat.runtime.child.alive:
        tally.events["runtime crashed"] += 1
        seat.runtime = world.restart(seat.runtime)
        seat.runtime.fault("oom", match=POISON, times=-1)
    if not seat.agent.alive:
        seat.agent = world.agent(seat.runtime.url, **SETTINGS)
    if seat.stopped and time.monotonic() - seat.stopped > STOPPED_SECONDS:
        seat.agent.signal(signal.SIGCONT)
        seat.stopped = 0.0


def strike(seat: Seat, rng: random.Random, tally: Tally) -> None:
    """Do something to the agent of one pod."""
    if seat.stopped:
        return
    what = rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP))
    tally.events[what.name] += 1
    seat.agent.signal(what)
    seat.stopped = time.monotonic() if what is signal.SIGSTOP else 0.0


def send(world: World, rng: random.Random, tally: Tally, tasks: int) -> None:
    """All tasks, some of them twice, and some nonsense."""
    for n in range(tasks):
        name = f"{POISON if rng.random() < POISONED else 'task'}-{n}"
        world.send([name], prefix=rng.choice(("", "a", "a/b")))
        tally.sent.add(name)
        if rng.random() < SENT_TWICE:
            world.send_body(world.last_sent)
            tally.twice.add(name)
        if rng.random() < NONSENSE:
            world.send_body("{")
            tally.nonsense += 1


def aws_faults(rng: random.Random) -> list[Fault]:
    """Each call fails in each of these ways now and then."""

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
