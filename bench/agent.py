"""How busy the queue agent keeps one simulated GPU, compared with a sequential loop in the same run.

AWS is the local emulator behind a proxy that adds the latency of AWS: 20 ms to SQS and SNS, 60 ms to S3.
Heartbeat, retries and metrics are on. `busy` is the share of the time from the first start to the last end in
which the GPU works (with model loads: the nominal time of the tasks); `gap` is the rest per task. `own` is
the part of the gap between the runtime's response and the next request to it; the rest is the simulation's,
which encodes the response and reads the request. CPU is the agent's CPU time without its start, and `calls`
are those to AWS.

AWS has machines of its own. Here it shares the cores with the pod, so emulator and proxy run at a lower
priority: calls get slower by that, never faster.

Ratios are valid on a loaded machine, busy shares are not. Therefore the upper bound of the machine is
measured as well: `limit` only posts the tasks to the same runtime, without AWS, each when the response to the
one before begins.
"""

import argparse
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import time
import urllib.request
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from local.emulator import Emulator
from local.processes import Child
from testing.proxy import Proxy
from testing.world import Runtime, World, wait_for

DELAYS = {"sqs": 0.02, "sns": 0.02, "s3": 0.06}
MODELS = ("a.safetensors", "b.safetensors")
LOAD_SECONDS = 2.0
# A picture of 1024 x 1024 pixels as PNG.
PICTURE_BYTES = 1_500_000
RATIO_GOAL = 5.9
IDLE_MEGABYTES_GOAL = 80.0
TICKS = os.sysconf("SC_CLK_TCK")
AWS_NICENESS = 10


@dataclass(frozen=True)
class Work:
    """One workload: seconds per task, number of tasks, and the goals. The agents have run nothing before."""

    seconds: float
    tasks: int
    busy_goal: float = 0.0
    gap_goal: float = math.inf  # ms per task
    dynamic: bool = False
    pictures: int = 0  # of each task, large ones; 0: one small picture
    agents: int = 1

    @property
    def name(self) -> str:
        if self.dynamic:
            return f"two models in turn, load {LOAD_SECONDS:g} s"
        extra = f", {self.pictures} large pictures" if self.pictures else ""
        extra += f", {self.agents} agents" if self.agents > 1 else ""
        return f"{self.seconds:g} s, {self.tasks} tasks{extra}"


@dataclass(frozen=True)
class Figures:
    """The measured figures."""

    rate: float  # tasks per second
    busy: float
    gap: float  # ms per task
    own: float  # ms per task
    cpu: float  # ms per task
    calls: float  # per task
    idle: float  # MB
    peak: float  # MB


WORKS = (
    Work(1.5, 24, busy_goal=0.998),
    Work(0.3, 80, busy_goal=0.992),
    Work(0.05, 300, busy_goal=0.93),
    Work(0.3, 40, gap_goal=8.0),
    Work(0.05, 40, gap_goal=8.0),
    Work(0.4, 40, gap_goal=15.0, pictures=4),
    Work(0.3, 80, gap_goal=8.0, agents=2),
    Work(0.3, 60, dynamic=True),
)


def main() -> None:
    """Measure and print; exits with 1 if a goal was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1, help="each figure is the median of so many rounds")
    parser.add_argument("--only", help="only workloads whose name contains this text")
    options = parser.parse_args()
    print(f"{'workload':30} {'who':10}   tasks/s   busy  gap ms  own ms  CPU ms  calls  idle MB  peak MB")
    missed: list[str] = []
    for work in WORKS:
        if options.only is None or options.only in work.name:
            missed += compare(work, options.rounds)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for goal in missed:
        print(f"missed: {goal}")
    sys.exit(1 if missed else 0)


def compare(work: Work, rounds: int) -> list[str]:
    """Measure one workload and print its lines; the goals that were missed."""
    loop = measure(work, "bench.sequential", max(6, work.tasks // 4))
    show(work, "sequential", loop)
    floor = 0.0  # what encoding large pictures takes the simulation, in ms per task
    if not work.dynamic:
        limit = measure(work, "bench.sequential", max(8, work.tasks // 4), "--bare")
        show(work, "limit", limit)
        floor = limit.gap if work.pictures else 0.0
    runs = [astuple(measure(work, "queue_agent", work.tasks)) for _ in range(rounds)]
    agent = Figures(*(statistics.median(values) for values in zip(*runs, strict=True)))
    show(work, "agent", agent)
    ratio = agent.rate / loop.rate
    print(f"{'':30} {'ratio':10} {ratio:8.2f}")
    missed = []
    if agent.busy < work.busy_goal:
        missed.append(f"{work.name}: busy {agent.busy:.3f}, goal {work.busy_goal}")
    if agent.gap > work.gap_goal + floor:
        missed.append(f"{work.name}: gap of {agent.gap:.1f} ms a task, goal {work.gap_goal:g} ms")
    if work.dynamic and ratio < RATIO_GOAL:
        missed.append(f"{work.name}: {ratio:.2f} x the loop, goal {RATIO_GOAL:g} x")
    if agent.idle > IDLE_MEGABYTES_GOAL:
        missed.append(f"{work.name}: {agent.idle:.0f} MB idle, goal {IDLE_MEGABYTES_GOAL:g} MB")
    return missed


def show(work: Work, who: str, figures: Figures) -> None:
    print(
        f"{work.name:30} {who:10} {figures.rate:8.2f} {figures.busy:6.3f} {figures.gap:7.1f}"
        f" {figures.own:7.1f} {figures.cpu:7.1f} {figures.calls:6.1f} {figures.idle:8.0f}"
        f" {figures.peak:8.0f}",
        flush=True,
    )


def measure(work: Work, module: str, tasks: int, *arguments: str) -> Figures:
    """One run of one workload with `python -m module` in place of the agent."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator() as emulator,
        Proxy(emulator.url, DELAYS) as proxy,
        World(emulator.client_env(), proxy.url, Path(folder)) as world,
    ):
        for thread in (*(child.process.pid for child in emulator.children), proxy.thread):
            os.setpriority(os.PRIO_PROCESS, thread, AWS_NICENESS)
        runtimes = [world.runtime(*simulation(work)) for _ in range(work.agents if not arguments else 1)]
        for runtime in () if work.dynamic else runtimes:
            draw_first(runtime, content(work, 0))
        changes = {"DYNAMIC_SD_MODEL": "true", "MODEL_FILENAME": ""} if work.dynamic else {}
        workers = [
            world.agent(runtime.url, module, *arguments, VISIBILITY_TIMEOUT_SECONDS=3, **changes)
            for runtime in runtimes
        ]
        time.sleep(4)  # until they have started, warmed up and are idle
        idle, before = memory(workers[0], "VmRSS"), sum(map(cpu, workers))
        called = len(proxy.calls)
        for n in range(tasks):
            world.send([f"t{n}"], content(work, n))
        longest = 30 + tasks * (work.seconds + LOAD_SECONDS + 1)
        wait_for(lambda: sum(len(runtime.runs()) for runtime in runtimes) == tasks, longest, pause=0.5)
        wait_for(lambda: arguments or world.messages_left() == 0, 30, pause=0.2)
        spans = [span(runtime) for runtime in runtimes]
        own = sum(own_seconds(runtime) for runtime in runtimes)
        wall = sum(seconds for seconds, _ in spans)
        busy = tasks * work.seconds if work.dynamic else sum(seconds for _, seconds in spans)
        return Figures(
            rate=tasks * len(runtimes) / wall,
            busy=busy / wall,
            gap=(wall - busy) / tasks * 1000,
            own=own / tasks * 1000,
            cpu=(sum(map(cpu, workers)) - before) / tasks * 1000,
            calls=(len(proxy.calls) - called) / tasks,
            idle=idle,
            peak=max(memory(worker, "VmHWM") for worker in workers),
        )


def simulation(work: Work) -> list[str]:
    """The options of the simulated runtime. Its service time is for each picture."""
    options = ["--service-time", str(work.seconds / (work.pictures or 1))]
    if work.pictures:
        options += ["--picture-bytes", str(PICTURE_BYTES)]
    if work.dynamic:
        options += ["--dynamic", "--load-time", str(LOAD_SECONDS)]
        options += [option for model in MODELS for option in ("--model", model)]
    return options


def content(work: Work, n: int) -> dict[str, Any]:
    """The content of task number `n`."""
    if work.dynamic:
        return {"override_settings": {"sd_model_checkpoint": MODELS[n % 2]}}
    # The simulation draws the same picture only once: what it costs is not what is measured here.
    return {"prompt": "the same", "seed": 1, "batch_size": work.pictures} if work.pictures else {}


def draw_first(runtime: Runtime, body: dict[str, Any]) -> None:
    """Let the simulation load its libraries and draw the picture that it repeats: 50 ms and more."""
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{runtime.url}/sdapi/v1/txt2img", data, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        response.read()


def own_seconds(runtime: Runtime) -> float:
    """The seconds between each response of a runtime to a task and the next request, together."""
    report = runtime.report()
    first = next(run["started"] for run in report["runs"] if run["id"] != "task")
    exchanges = [exchange for exchange in report["exchanges"] if exchange["answered"] > first]
    return float(sum(after["asked"] - before["answered"] for before, after in itertools.pairwise(exchanges)))


def span(runtime: Runtime) -> tuple[float, float]:
    """Seconds from the first start to the last end of a runtime's tasks, and those of its runs."""
    runs = [run for run in runtime.report()["runs"] if run["id"] != "task"]
    return runs[-1]["ended"] - runs[0]["started"], sum(run["ended"] - run["started"] for run in runs)


def cpu(child: Child) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(child: Child, name: str) -> float:
    """A value of /proc/PID/status, in MB."""
    lines = Path(f"/proc/{child.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
