"""A kubelet for tests: runs each pod bound to a kwok node as real processes on loopback.

The `queue-agent` container runs the real agent, the `runtime` container the simulation of its runtime type,
each with exactly the environment of the pod spec. As every pod shares 127.0.0.1, two things are mapped:
container ports to free ports, and `RUNTIME_URL`/`AGENT_PORT` to them. Probes, preStop hooks, SIGTERM and the
grace period are carried out as the pod spec says.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client, config

from testing.cluster.controlplane import Cluster
from testing.cluster.pods import POLL_SECONDS, PodRunner

# What a runtime without a model of its own finds in its bucket.
MODELS = ("a.safetensors", "b.safetensors", "model.safetensors")


@dataclass(frozen=True)
class Delays:
    """How long a cold start takes, in seconds: pulling the images on a new node, loading the model."""

    image_pull: float = 0.5
    model_load: float = 0.5


@dataclass(frozen=True)
class Simulation:
    """How simulated runtimes behave: seconds for one picture."""

    service_seconds: float = 0.3


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
        self._raw = client.ApiClient()
        self.runners: dict[str, PodRunner] = {}
        self.dead: set[str] = set()
        self.pulled: set[str] = set()
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
        namespace = pod["metadata"]["namespace"]
        env: dict[str, str] = {}
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
        """Follow the pods until stopped. An API server that does not answer is asked again."""
        while not self.stopping.wait(POLL_SECONDS):
            with contextlib.suppress(client.ApiException, urllib3.exceptions.HTTPError):
                self._follow()

    def _follow(self) -> None:
        listed = self.api.list_pod_for_all_namespaces(watch=False)
        pods = self._raw.sanitize_for_serialization(listed)["items"]
        bound = [pod for pod in pods if "nodeName" in pod["spec"]]
        nodes = {node.metadata.name: node.metadata.labels for node in self.api.list_node().items}
        for pod in bound:
            uid, leaving = pod["metadata"]["uid"], "deletionTimestamp" in pod["metadata"]
            node = pod["spec"]["nodeName"]
            if uid not in self.runners and not leaving and node in nodes.keys() - self.dead:
                self.runners[uid] = PodRunner(self, pod, nodes[node]["karpenter.sh/nodepool"])
                self.runners[uid].start()
            elif uid in self.runners and leaving:
                runner = self.runners[uid]
                runner.grace = float(pod["metadata"].get("deletionGracePeriodSeconds", runner.grace))
                runner.deleted.set()
        for uid in self.runners.keys() - {pod["metadata"]["uid"] for pod in bound}:
            if self.runners[uid].is_alive():
                self.runners[uid].kill()

    def pull_seconds(self, node: str) -> float:
        """How long the images take: a node keeps what it has pulled."""
        if node in self.pulled:
            return 0.0
        self.pulled.add(node)
        return self.delays.image_pull

    def fail(self, node: str) -> None:
        """The power of a node fails: its pods' processes end at once, and nobody says so."""
        self.dead.add(node)
        for runner in tuple(self.runners.values()):
            if runner.pod["spec"]["nodeName"] == node:
                runner.kill()

    def tenants(self) -> set[tuple[str, str]]:
        """Each runtime that had a pod, with the NodePool of the node on which it ran."""
        return {(runner.runtime, runner.node_pool) for runner in tuple(self.runners.values())}

    def busy_gpus(self) -> int:
        """How many simulated GPUs work now."""
        return len(self.busy_pods())

    def busy_pods(self) -> set[str]:
        """The names of the pods whose simulated GPU works now."""
        runners = tuple(self.runners.values())
        return {runner.pod_name for runner in runners if runner.busy and runner.is_alive()}

    def forget(self) -> None:
        """Count from here on: leave out the pods that have ended."""
        self.runners = {uid: runner for uid, runner in self.runners.items() if runner.is_alive()}

    def starts(self, runtime: str) -> tuple[int, int]:
        """How many pods of a runtime there were so far, and how many of them did a task."""
        runners = [each for each in tuple(self.runners.values()) if each.runtime == runtime]
        return len(runners), sum(bool(each.done()) for each in runners)

    def broken_off(self, runtime: str) -> set[str]:
        """The tasks that a pod of a runtime began and did not end."""
        runners = tuple(self.runners.values())
        return {name for each in runners if each.runtime == runtime for name in each.begun - each.done()}

    def gpu_runs(self) -> list[dict[str, Any]]:
        """Every occupation of every simulated GPU so far."""
        return [run for runner in tuple(self.runners.values()) for run in tuple(runner.gpu_runs.values())]

    def stop(self) -> None:
        """Stop following, and kill what runs."""
        self.stopping.set()
        self.join(10)
        for runner in self.runners.values():
            runner.kill()
        for runner in self.runners.values():
            runner.join(10)
