"""A kubelet for tests: runs each pod bound to a kwok node as real processes on loopback.

The `queue-agent` container runs the real agent, the `runtime` container the simulation of its runtime type,
each with exactly the environment of the pod spec. As every pod shares 127.0.0.1, two things are mapped:
container ports to free ports, and `RUNTIME_URL`/`AGENT_PORT` to them. Probes, preStop hooks, SIGTERM and the
grace period are carried out as the pod spec says.
"""

import contextlib
import functools
import json
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controlplane import Cluster
from kubernetes import client, config

from local import processes
from local.emulator import free_port
from local.processes import Child

POLL_SECONDS = 0.3
# What a runtime without a model of its own finds in its bucket.
MODELS = ("a.safetensors", "b.safetensors", "model.safetensors")
READY = ("Initialized", "Ready", "ContainersReady", "PodScheduled")


@dataclass(frozen=True)
class Delays:
    """How long a cold start takes, in seconds: pulling the images on a new node, loading the model."""

    image_pull: float = 0.5
    model_load: float = 0.5


@dataclass(frozen=True)
class Simulation:
    """How simulated runtimes behave: seconds for one picture."""

    service_seconds: float = 0.3


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _http_ok(url: str, timeout: float) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return 200 <= int(answer.status) < 400
    except (urllib.error.URLError, OSError):
        return False


def _gpu_report(url: str) -> dict[str, Any] | None:
    """What a simulated runtime says of its GPU; None when it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/_simulation/gpu", timeout=1) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except OSError:
        return None


@dataclass
class Container:
    """One container of a pod as one process."""

    spec: dict[str, Any]
    ports: dict[str | int, int]
    start: Callable[[], Child]
    process: Child | None = None
    started: bool = False
    ready: bool = False
    restarts: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    probed: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return str(self.spec["name"])

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.alive

    def url(self, http_get: Mapping[str, Any]) -> str:
        """Where an httpGet of the pod spec really goes."""
        return f"http://127.0.0.1:{self.ports[http_get['port']]}{http_get.get('path', '/')}"

    def probe(self, kind: str) -> bool | None:
        """Run one probe if it is due: True; False after `failureThreshold` failures; else None."""
        probe = self.spec.get(kind)
        if probe is None:
            return True
        if time.monotonic() - self.probed.get(kind, 0.0) < probe.get("periodSeconds", 10):
            return None
        self.probed[kind] = time.monotonic()
        if _http_ok(self.url(probe["httpGet"]), probe.get("timeoutSeconds", 1)):
            self.failures[kind] = 0
            return True
        self.failures[kind] = self.failures.get(kind, 0) + 1
        return False if self.failures[kind] >= probe.get("failureThreshold", 3) else None

    def restart(self) -> None:
        """What a kubelet does after a crash or a failed liveness probe."""
        if self.process is not None:
            processes.stop([self.process], 2)
        self.process, self.started, self.ready = self.start(), False, False
        self.restarts += 1
        self.failures.clear()

    def observe(self) -> None:
        """Probe once, and act on the answers."""
        if not self.running:
            self.restart()
            return
        if not self.started:
            answer = self.probe("startupProbe")
            if answer is False:
                self.restart()
            self.started = answer is True
            return
        if (answer := self.probe("readinessProbe")) is not None:
            self.ready = answer
        if self.probe("livenessProbe") is False:
            self.restart()

    def status(self) -> dict[str, Any]:
        """Its containerStatus."""
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": self.spec["image"],
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": {"running": {"startedAt": _now()}}
            if self.running
            else {"waiting": {"reason": "Starting"}},
        }


class PodRunner(threading.Thread):
    """Runs one pod from its binding to its deletion."""

    def __init__(self, kubelet: "Kubelet", pod: dict[str, Any]) -> None:
        super().__init__(name=pod["metadata"]["name"], daemon=True)
        self.kubelet, self.pod = kubelet, pod
        self.namespace, self.pod_name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.pod_name}-", dir=kubelet.folder))
        self.deleted = threading.Event()
        self.killed = threading.Event()
        self.grace = float(pod["spec"].get("terminationGracePeriodSeconds", 30))
        self.containers = self._containers()
        self.busy = False
        self.gpu_runs: dict[tuple[str, float], dict[str, Any]] = {}
        self._last: Any = None

    def observe_gpu(self) -> None:
        """Take in what the simulated GPU ran; kept when its process is gone."""
        report = _gpu_report(f"http://127.0.0.1:{self.containers[0].ports['runtime']}")
        self.busy = report is not None and report["running"] is not None
        for run in report["runs"] if report else ():
            self.gpu_runs[run["id"], run["started"]] = run

    def _containers(self) -> list[Container]:
        specs = self.pod["spec"]["containers"]
        ports: dict[str | int, int] = {}
        for port in (port for spec in specs for port in spec.get("ports", [])):
            ports[port["containerPort"]] = ports[port.get("name", "")] = free_port()
        found = []
        for spec in specs:
            command, env = self.kubelet.command(self.pod, spec, ports)
            start = functools.partial(processes.start, spec["name"], command, env, self.folder)
            found.append(Container(spec, ports, start))
        return found

    def run(self) -> None:
        """Pull, start, probe until deleted, then end as the pod spec says."""
        if self.deleted.wait(self.kubelet.delays.image_pull):
            self._report_gone()
            return
        for container in self.containers:
            container.process = container.start()
        while not self.deleted.wait(POLL_SECONDS) and not self.killed.is_set():
            for container in self.containers:
                container.observe()
            self.observe_gpu()
            self._report()
        if self.killed.is_set():
            self._kill()
            self.busy = False
            return
        self._terminate()
        self.busy = False
        self._report_gone()

    def _terminate(self) -> None:
        """preStop, SIGTERM and SIGKILL of every container side by side, within one grace period."""
        end = time.monotonic() + self.grace
        threads = [threading.Thread(target=self._end, args=(c, end), daemon=True) for c in self.containers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _end(self, container: Container, end: float) -> None:
        self.observe_gpu()
        hook = container.spec.get("lifecycle", {}).get("preStop", {}).get("httpGet")
        if hook is not None:
            _http_ok(container.url(hook), max(0.1, end - time.monotonic()))
            self.observe_gpu()
        if container.process is not None:
            processes.stop([container.process], max(0.1, end - time.monotonic()))

    def _kill(self) -> None:
        for container in self.containers:
            if container.process is not None:
                container.process.signal(signal.SIGKILL)

    def _report(self) -> None:
        ready = all(container.ready for container in self.containers)
        statuses = [container.status() for container in self.containers]
        seen = (ready, [(s["ready"], s["started"], s["restartCount"]) for s in statuses])
        if seen == self._last:
            return
        self._last = seen
        conditions = [
            {
                "type": kind,
                "status": str(kind in ("Initialized", "PodScheduled") or ready),
                "lastTransitionTime": _now(),
            }
            for kind in READY
        ]
        body = {
            "status": {
                "phase": "Running",
                "conditions": conditions,
                "containerStatuses": statuses,
                "podIP": "127.0.0.1",
                "hostIP": "127.0.0.1",
                "startTime": self.pod["metadata"]["creationTimestamp"],
            }
        }
        with contextlib.suppress(client.ApiException):
            self.kubelet.api.patch_namespaced_pod_status(self.pod_name, self.namespace, body)

    def _report_gone(self) -> None:
        this_one = client.V1Preconditions(uid=self.pod["metadata"]["uid"])
        at_once = client.V1DeleteOptions(grace_period_seconds=0, preconditions=this_one)
        with contextlib.suppress(client.ApiException):
            self.kubelet.api.delete_namespaced_pod(self.pod_name, self.namespace, body=at_once)


class Kubelet(threading.Thread):
    """Runs the pods of every node that kwok keeps alive."""

    def __init__(
        self,
        cluster: Cluster,
        aws: Mapping[str, str],
        delays: Delays = Delays(),
        simulation: Simulation = Simulation(),
    ) -> None:
        super().__init__(name="kubelet", daemon=True)
        self.cluster, self.aws, self.delays, self.simulation = cluster, dict(aws), delays, simulation
        self.folder = cluster.folder / "pods"
        self.folder.mkdir(exist_ok=True)
        self.api = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
        self.runners: dict[str, PodRunner] = {}
        self.stopping = threading.Event()

    def command(
        self, pod: dict[str, Any], spec: dict[str, Any], ports: Mapping[str | int, int]
    ) -> tuple[list[str], dict[str, str]]:
        """What stands for a container: the real agent or a simulation, in the container's environment."""
        env = self.environment(pod, spec)
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        if spec["name"] == "queue-agent":
            mapped = {
                "AGENT_PORT": str(ports[int(env["AGENT_PORT"])]),
                "RUNTIME_URL": f"http://127.0.0.1:{ports['runtime']}",
            }
            return [sys.executable, "-m", "queue_agent"], base | env | self.aws | mapped
        agent = next(each for each in pod["spec"]["containers"] if each["name"] == "queue-agent")
        told = self.environment(pod, agent)
        models = [told["MODEL_FILENAME"]] if told.get("MODEL_FILENAME") else list(MODELS)
        arguments = [
            *("--port", str(ports["runtime"]), "--plain"),
            *("--service-time", str(self.simulation.service_seconds)),
            *("--load-time", str(self.delays.model_load)),
            *(word for model in models for word in ("--model", model)),
        ]
        return [sys.executable, "-m", f"local.runtimes.{told['RUNTIME_TYPE']}", *arguments], base | env

    def environment(self, pod: dict[str, Any], spec: dict[str, Any]) -> dict[str, str]:
        """`envFrom` ConfigMaps, then `env`, as a kubelet resolves them."""
        namespace, env = pod["metadata"]["namespace"], {}
        for source in spec.get("envFrom", []):
            name = source["configMapRef"]["name"]
            env.update(self.api.read_namespaced_config_map(name, namespace).data or {})
        for item in spec.get("env", []):
            if "value" in item:
                env[item["name"]] = item["value"]
            elif "fieldRef" in item.get("valueFrom", {}):
                env[item["name"]] = pod["metadata"]["name"]
        return env

    def run(self) -> None:
        """Follow the pods until stopped."""
        raw = client.ApiClient()
        while not self.stopping.wait(POLL_SECONDS):
            nodes = {node.metadata.name for node in self.api.list_node().items}
            pods = raw.sanitize_for_serialization(self.api.list_pod_for_all_namespaces(watch=False))["items"]
            seen = set()
            for pod in pods:
                uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
                if node is None:
                    continue
                seen.add(uid)
                if uid not in self.runners and "deletionTimestamp" not in pod["metadata"]:
                    self.runners[uid] = PodRunner(self, pod)
                    self.runners[uid].start()
                elif uid in self.runners and "deletionTimestamp" in pod["metadata"]:
                    runner = self.runners[uid]
                    runner.grace = float(pod["metadata"].get("deletionGracePeriodSeconds", runner.grace))
                    runner.deleted.set()
                if uid in self.runners and node not in nodes:
                    self.runners[uid].killed.set()
            for uid in self.runners.keys() - seen:
                self.runners[uid].killed.set()

    def busy_gpus(self) -> int:
        """How many simulated GPUs work now."""
        return sum(runner.busy for runner in self.runners.values() if runner.is_alive())

    def busy_pods(self) -> set[str]:
        """The names of the pods whose simulated GPU works now."""
        return {runner.pod_name for runner in self.runners.values() if runner.busy and runner.is_alive()}

    def gpu_runs(self) -> list[dict[str, Any]]:
        """Every occupation of every simulated GPU so far."""
        return [run for runner in self.runners.values() for run in runner.gpu_runs.values()]

    def stop(self) -> None:
        """Stop following, and kill what runs."""
        self.stopping.set()
        self.join(10)
        for runner in self.runners.values():
            runner.killed.set()
        for runner in self.runners.values():
            runner.join(10)
