"""What goes wrong in the soak: processes of pods are killed, stopped or confused, calls to AWS fail."""

import random
import signal
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from local.processes import Child
from testing.proxy import Call, Fault, calls_to
from testing.world import Runtime, World, port_of

RUNTIME_FAULTS = (
    "oom@0.02",
    "mount@0.01",
    "disk@0.01",
    "device@0.001",
    "crash@0.004",
    "slow@0.01",
    "no-output@0.01",
    "disconnect@0.01",
    "partial@0.01",
)
STOPPED_SECONDS = 5.0  # longer than the visibility timeout
PROBE_SECONDS = 1.0
SLOW_INPUT_SECONDS = 4.0  # longer than INPUT_TIMEOUT_SECONDS
INPUTS = "inputs/"


@dataclass
class Pod:
    """One pod: a runtime and its agent. A process that ends is started again, as the kubelet does."""

    runtime: Runtime
    agent: Child
    poison: str  # in the id of a task that fails on every runtime
    stopped: float = 0.0
    port: int = 0
    probed: float = 0.0


def start_pod(world: World, rng: random.Random, settings: dict[str, object], poison: str) -> Pod:
    """Start a runtime and its agent, whose wall clock may jump."""
    faults = [option for fault in RUNTIME_FAULTS for option in ("--fault", fault)]
    seed = str(rng.randrange(10**6))
    runtime = world.runtime("--service-time", "0.03", *faults, "--fault-seed", seed)
    runtime.fault("oom", match=poison, times=-1)
    return Pod(runtime, _agent(world, runtime, settings), poison)


def _agent(world: World, runtime: Runtime, settings: dict[str, object]) -> Child:
    return world.agent(runtime.url, "testing.jumping_clock", **settings)


def keep_running(world: World, pod: Pod, settings: dict[str, object], events: Counter[str]) -> None:
    """Do what the kubelet does: start containers that have ended, restart a runtime that is not healthy.

    An agent that was stopped for long enough goes on.
    """
    if pod.stopped and time.monotonic() - pod.stopped > STOPPED_SECONDS:
        pod.agent.signal(signal.SIGCONT)
        pod.stopped = 0.0
    if not pod.agent.alive:
        pod.agent, pod.port, pod.stopped = _agent(world, pod.runtime, settings), 0, 0.0
    elif not pod.stopped and time.monotonic() - pod.probed > PROBE_SECONDS and not _is_healthy(pod):
        events["runtime restarted by its liveness probe"] += 1
        pod.runtime.child.signal(signal.SIGKILL)
        pod.runtime.child.process.wait()
    if not pod.runtime.child.alive:
        events["runtime ended"] += 1
        pod.runtime = world.restart(pod.runtime)
        pod.runtime.fault("oom", match=pod.poison, times=-1)


def _is_healthy(pod: Pod) -> bool:
    """Whether the agent says that the runtime need not be restarted; an agent that says nothing does not."""
    pod.probed = time.monotonic()
    if not pod.port:
        try:
            pod.port = port_of(pod.agent, 0)
        except TimeoutError:
            return True
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{pod.port}/runtime/healthz", timeout=1):
            return True
    except urllib.error.HTTPError:
        return False
    except OSError:
        return True


def disrupt(pod: Pod, rng: random.Random, events: Counter[str]) -> None:
    """Kill a container of a pod for its memory, end it, stop it, or set its clock."""
    if pod.stopped:
        return
    kinds: dict[str, Callable[[], None]] = {
        "agent killed for memory": lambda: pod.agent.signal(signal.SIGKILL),
        "runtime killed for memory": lambda: pod.runtime.child.signal(signal.SIGKILL),
        "agent ended": lambda: pod.agent.signal(signal.SIGTERM),
        "agent stopped": lambda: _stop(pod),
        # Not before it has started: until then the signal would end it.
        "clock set": lambda: pod.agent.signal(signal.SIGUSR1) if pod.port else None,
    }
    kind = rng.choice(sorted(kinds))
    events[kind] += 1
    kinds[kind]()


def _stop(pod: Pod) -> None:
    pod.agent.signal(signal.SIGSTOP)
    pod.stopped = time.monotonic()


def aws_faults(rng: random.Random) -> dict[str, Fault]:
    """By name, faults that each apply to a random share of the calls that match."""

    def sometimes(share: float, matches: Callable[[Call], bool] = lambda _: True) -> Callable[[Call], bool]:
        return lambda call: matches(call) and rng.random() < share

    return {
        "503": Fault(sometimes(0.01), times=-1, answer="503 ServiceUnavailable"),
        "request lost": Fault(sometimes(0.005), times=-1, answer="drop"),
        "response lost": Fault(sometimes(0.005), times=-1, reaches=True, answer="drop"),
        "slow": Fault(sometimes(0.002), times=-1, delay=1.0),
        "200 with an error, not carried out": Fault(
            sometimes(0.01, calls_to("s3")), times=-1, answer="200 InternalError"
        ),
        "200 with an error, carried out": Fault(
            sometimes(0.01, calls_to("s3")), times=-1, reaches=True, answer="200 InternalError"
        ),
        "message to a second agent": Fault(
            sometimes(0.03, calls_to("ReceiveMessage")), times=-1, answer="repeat"
        ),
        "slow input": Fault(
            sometimes(0.1, calls_to("GetObject", INPUTS)), times=-1, delay=SLOW_INPUT_SECONDS
        ),
    }
