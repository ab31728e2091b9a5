"""One pod as processes: its containers, their probes, their termination."""

import contextlib
import functools
import json
import signal
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes import client

from local import processes
from local.emulator import free_port
from local.processes import Child
from testing.containers import start as start_as_pid_1

if TYPE_CHECKING:
    from testing.cluster.kubelet import Kubelet

POLL_SECONDS = 0.3
READY = ("Initialized", "Ready", "ContainersReady", "PodScheduled")


def of_daemon_set(pod: dict[str, Any]) -> bool:
    """Whether a DaemonSet owns the pod, as Fluent Bit's: it has no part in a task, and is not run here."""
    return any(owner["kind"] == "DaemonSet" for owner in pod["metadata"].get("ownerReferences", ()))


def is_placeholder(pod: dict[str, Any]) -> bool:
    """Whether the pod only holds the place of a runtime's pod."""
    return bool(pod["metadata"]["labels"].get("app.kubernetes.io/name") == "sd-placeholder")


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _http_ok(url: str, timeout: float) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return 200 <= int(answer.status) < 400
    except (urllib.error.URLError, OSError):
        return False


def _gpu_report(url: str) -> dict[str, Any] | None:
    """The GPU record of a simulated runtime; None if it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/_simulation/gpu", timeout=1) as answer:
            report: dict[str, Any] = json.loads(answer.read())
            return report
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
        """Whether its process is running."""
        return self.process is not None and self.process.alive

    def url(self, http_get: Mapping[str, Any]) -> str:
        """The local URL of an httpGet in the pod spec."""
        return f"http://127.0.0.1:{self.ports[http_get['port']]}{http_get.get('path', '/')}"

    def probe(self, kind: str) -> bool | None:
        """Run one probe if it is due. True: success; False: `failureThreshold` reached; None: undecided."""
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
        """Restart the process, as a kubelet does after a crash or a failed liveness probe."""
        if self.process is not None:
            processes.stop([self.process], 2)
        self.process, self.started, self.ready = self.start(), False, False
        self.restarts += 1
        self.failures.clear()

    def observe(self) -> None:
        """Run the probes that are due, and act on the results."""
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
    """Runs one pod until it is deleted."""

    def __init__(self, kubelet: "Kubelet", pod: dict[str, Any], node_pool: str) -> None:
        super().__init__(name=pod["metadata"]["name"], daemon=True)
        self.kubelet, self.pod = kubelet, pod
        self.namespace, self.pod_name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self.runtime = pod["metadata"]["labels"]["app.kubernetes.io/instance"]
        self.runtime += "-placeholder" if is_placeholder(pod) else ""
        self.node_pool = node_pool
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.pod_name}-", dir=kubelet.folder))
        self.deleted = threading.Event()
        self.killed = threading.Event()
        self.grace = float(pod["spec"].get("terminationGracePeriodSeconds", 30))
        self.containers = self._containers()
        self.busy = False
        self.started_tasks: set[str] = set()
        self.gpu_runs: dict[tuple[str, float], dict[str, Any]] = {}
        self._last: Any = None

    def observe_gpu(self) -> None:
        """Read the record of the simulated GPU; it is kept when the process has ended."""
        if is_placeholder(self.pod):
            return
        report = _gpu_report(f"http://127.0.0.1:{self.containers[0].ports['runtime']}")
        self.busy = report is not None and report["running"] is not None
        if report and self.busy:
            self.started_tasks.add(report["running"])
        for run in report["runs"] if report else ():
            self.gpu_runs[run["id"], run["started"]] = run

    def completed_tasks(self) -> set[str]:
        """The tasks that its GPU completed."""
        return {run["id"] for run in self.gpu_runs.values() if run["outcome"] == "done"}

    def _containers(self) -> list[Container]:
        specs = self.pod["spec"]["containers"]
        ports: dict[str | int, int] = {}
        for port in (port for spec in specs for port in spec.get("ports", [])):
            ports[port["containerPort"]] = ports[port.get("name", "")] = free_port()
        containers = []
        for spec in specs:
            command, env = self.kubelet.command(self.pod, spec, ports)
            # In a shared namespace PID 1 is not the container's, but that of the pod.
            shared = self.pod["spec"].get("shareProcessNamespace", False)
            program = processes.start if shared else start_as_pid_1
            start = functools.partial(program, spec["name"], command, env, self.folder)
            containers.append(Container(spec, ports, start))
        return containers

    def run(self) -> None:
        """Pull the images, start, run the probes until deleted, then terminate as the pod spec says."""
        if self.deleted.wait(self.kubelet.pull_seconds(self.pod)):
            self._report_gone()
            return
        for container in self.containers:
            container.process = container.start()
        while not self.deleted.wait(POLL_SECONDS) and not self.killed.is_set():
            for container in self.containers:
                container.observe()
            self.observe_gpu()
            self._report()
        if not self.killed.is_set():
            self._terminate()
        if not self.killed.is_set():
            self._report_gone()
        self._kill()
        self.busy = False

    def _terminate(self) -> None:
        """Run preStop, SIGTERM and SIGKILL for all containers in parallel, within one grace period."""
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

    def kill(self) -> None:
        """Kill its processes at once, without informing the API server."""
        self.killed.set()
        self._kill()

    def _kill(self) -> None:
        for container in self.containers:
            if container.process is not None and container.running:
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
