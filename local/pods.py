"""The pods of a config as processes: a simulated runtime and a queue agent for each runtime."""

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
from local.emulator import free_port, without_aws_settings
from local.manifests import Manifests
from local.processes import Child, LocalError

READY_SECONDS = 30.0
STOP_SECONDS = 1.0
# Variables of the user's environment that every program needs; an agent's other variables are the pod's.
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "NO_PROXY", "no_proxy")


@dataclass(frozen=True)
class Durations:
    """Seconds that a simulated runtime takes: to make one picture, and to load a model."""

    service: float
    load: float


@dataclass(frozen=True)
class Pod:
    """A simulated runtime and its agent, which share a pod in a cluster."""

    runtime: Runtime
    runtime_url: str
    agent: Child
    agent_url: str


@dataclass
class Pods:
    """Starts and stops the pods. `client` is the environment in which an SDK calls the emulator."""

    client: Mapping[str, str]
    durations: Durations
    logs: Path
    # Processes that the pods need and that are stopped elsewhere: the emulator.
    dependencies: tuple[Child, ...]
    children: list[Child] = field(default_factory=list)

    def start(
        self, runtimes: Iterable[Runtime], manifests: Manifests, models: Mapping[str, Iterable[str]]
    ) -> tuple[Pod, ...]:
        """Start a pod for each runtime and wait until all are ready; `models` are file names by runtime."""
        simulations = [
            (runtime, self._start_runtime(runtime, manifests, models.get(runtime.name, ())))
            for runtime in runtimes
        ]
        pods = [self._start_agent(runtime, self._url(child), manifests) for runtime, child in simulations]
        for pod in pods:
            self._wait(pod.agent, _http_ok(f"{pod.agent_url}/readyz"))
        return tuple(pods)

    def check(self) -> None:
        """Raise LocalError if a process has ended."""
        processes.check((*self.dependencies, *self.children))

    def stop(self) -> None:
        """Stop all processes. An agent in a long poll is not waited for: its queue is deleted, too."""
        processes.stop(self.children, STOP_SECONDS)
        self.children.clear()

    def _start_runtime(self, runtime: Runtime, manifests: Manifests, models: Iterable[str]) -> Child:
        command = simulation(runtime, manifests.agent_env(runtime.name), self.durations, models)
        return self._start(f"{runtime.name}-runtime", command, without_aws_settings(os.environ))

    def _start_agent(self, runtime: Runtime, url: str, manifests: Manifests) -> Pod:
        port = free_port()
        environment = agent_environment(manifests.agent_env(runtime.name), self.client, url, port)
        command = [sys.executable, "-m", "queue_agent"]
        agent = self._start(f"{runtime.name}-agent", command, environment)
        return Pod(runtime, url, agent, f"http://127.0.0.1:{port}")

    def _url(self, simulation: Child) -> str:
        """The URL of a simulated runtime, from the line of JSON that it prints when it listens."""
        urls: list[str] = []

        def listens() -> bool:
            lines = [line for line in processes.tail(simulation.log) if line.startswith('{"simulation"')]
            urls.extend(str(json.loads(line)["url"]) for line in lines)
            return bool(urls)

        self._wait(simulation, listens)
        return urls[0]

    def _wait(self, child: Child, ready: Callable[[], bool]) -> None:
        """Wait until `child` is ready. Raises LocalError if it is late, or if any process ends meanwhile."""
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


def simulation(
    runtime: Runtime, agent: Mapping[str, str], durations: Durations, models: Iterable[str]
) -> list[str]:
    """The command line of the simulated runtime for `runtime`; `agent` is the environment of its agent."""
    command = [sys.executable, "-m", f"local.runtimes.{runtime.type}"]
    command += ["--service-time", str(durations.service), "--load-time", str(durations.load)]
    if runtime.type == "sdwebui" and runtime.default_model is None:
        command += ["--dynamic"]
    if runtime.type == "custom":  # its paths are set by the user: the agent has them, too
        command += ["--task-path", agent["TASK_PATH"], "--ready-path", agent["READY_PATH"]]
    return command + [word for model in models for word in ("--model", model)]


def agent_environment(
    pod: Mapping[str, str], client: Mapping[str, str], runtime_url: str, port: int
) -> dict[str, str]:
    """The pod's environment, with the addresses of AWS, runtime and agent on this machine."""
    aws = {key: value for key, value in client.items() if key.startswith("AWS_")}
    addresses = {"RUNTIME_URL": runtime_url, "AGENT_HOST": "127.0.0.1", "AGENT_PORT": str(port)}
    return {key: client[key] for key in KEPT_VARIABLES if key in client} | dict(pod) | aws | addresses


def _http_ok(url: str) -> Callable[[], bool]:
    """A check of whether `url` answers 200."""

    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 (loopback)
                return bool(response.status == 200)
        except OSError:
            return False

    return check
