"""One simulated runtime for each runtime of a config, and one queue agent beside each."""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from generator.solution.model import Runtime
from local import processes
from local.emulator import free_port, outside
from local.processes import Child, LocalError
from local.rendered import Rendered

READY_SECONDS = 30.0
STOP_SECONDS = 1.0
# Of the user's environment, what any program needs; the rest of an agent's is the pod's.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "NO_PROXY", "no_proxy")


@dataclass(frozen=True)
class Pace:
    """How fast the simulated runtimes are, in seconds: for one picture, and to load a model."""

    service: float
    load: float


@dataclass(frozen=True)
class Pod:
    """A simulated runtime and its agent, as they would share a pod."""

    runtime: Runtime
    runtime_url: str
    agent: Child
    agent_url: str


@dataclass
class Fleet:
    """All pods. `client` is the environment in which an SDK talks to the emulator."""

    client: Mapping[str, str]
    pace: Pace
    logs: Path
    # What must run as well, though others end it: the emulator.
    beside: tuple[Child, ...]
    children: list[Child] = field(default_factory=list)

    def start(
        self, runtimes: Iterable[Runtime], rendered: Rendered, models: Mapping[str, Iterable[str]]
    ) -> tuple[Pod, ...]:
        """Start a pod for each runtime, wait until all are ready; `models` are the files that each has."""
        simulations = [(each, self._simulate(each, rendered, models.get(each.name, ()))) for each in runtimes]
        pods = [self._pod(runtime, self._url(child), rendered) for runtime, child in simulations]
        for pod in pods:
            self._wait(pod.agent, _answers(f"{pod.agent_url}/readyz"))
        return tuple(pods)

    def check(self) -> None:
        """Raise LocalError when a process has ended that should run."""
        processes.check((*self.beside, *self.children))

    def stop(self) -> None:
        """End all. An agent in a long poll takes its time; its queue goes too, so nobody waits for it."""
        processes.stop(self.children, STOP_SECONDS)
        self.children.clear()

    def _simulate(self, runtime: Runtime, rendered: Rendered, models: Iterable[str]) -> Child:
        command = simulation(runtime, rendered.agent_env(runtime.name), self.pace, models)
        return self._start(f"{runtime.name}-runtime", command, outside(os.environ))

    def _pod(self, runtime: Runtime, url: str, rendered: Rendered) -> Pod:
        port = free_port()
        environment = agent_environment(rendered.agent_env(runtime.name), self.client, url, port)
        command = [sys.executable, "-m", "queue_agent"]
        agent = self._start(f"{runtime.name}-agent", command, environment)
        return Pod(runtime, url, agent, f"http://127.0.0.1:{port}")

    def _url(self, simulation: Child) -> str:
        """Where a simulated runtime listens: it says so in its first line of JSON."""
        found: list[str] = []

        def listens() -> bool:
            lines = [line for line in processes.tail(simulation.log) if line.startswith('{"simulation"')]
            found.extend(str(json.loads(line)["url"]) for line in lines)
            return bool(found)

        self._wait(simulation, listens)
        return found[0]

    def _wait(self, child: Child, ready: Callable[[], bool]) -> None:
        """Until `child` is ready; any process that falls meanwhile ends the waiting."""
        end = time.monotonic() + READY_SECONDS
        while not ready():
            self.check()
            if time.monotonic() > end:
                help = "read its log; on a busy machine, try again"
                raise LocalError(f"{child.name} was not ready in {READY_SECONDS:.0f} s", help, child.log)
            time.sleep(0.05)

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        child = processes.start(name, command, environment, self.logs)
        self.children.append(child)
        return child


def simulation(runtime: Runtime, agent: Mapping[str, str], pace: Pace, models: Iterable[str]) -> list[str]:
    """The command line of the simulated runtime that stands for `runtime`."""
    command = [sys.executable, "-m", f"local.runtimes.{runtime.type}"]
    command += ["--service-time", str(pace.service), "--load-time", str(pace.load)]
    if runtime.dynamic_model:
        command += ["--dynamic"]
    if runtime.type == "custom":  # its paths are the user's choice: the agent is told them too
        command += ["--task-path", agent["TASK_PATH"], "--ready-path", agent["READY_PATH"]]
    return command + [word for model in models for word in ("--model", model)]


def agent_environment(
    pod: Mapping[str, str], client: Mapping[str, str], runtime_url: str, port: int
) -> dict[str, str]:
    """The pod's environment, but for where AWS, the runtime and the agent are reached on this machine."""
    aws = {key: value for key, value in client.items() if key.startswith("AWS_")}
    place = {"RUNTIME_URL": runtime_url, "AGENT_HOST": "127.0.0.1", "AGENT_PORT": str(port)}
    return {key: client[key] for key in KEPT if key in client} | dict(pod) | aws | place


def _answers(url: str) -> Callable[[], bool]:
    """Whether `url` answers 200, to be asked again and again."""

    def asked() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 (loopback)
                return bool(answer.status == 200)
        except OSError:
            return False

    return asked
