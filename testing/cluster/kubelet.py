"""A kubelet for tests: runs each pod bound to a kwok node as real processes on loopback.

The containers `queue-agent` and `model-loader` run the real agent's programs, the `runtime` container the
simulation of its runtime type, each with exactly the environment of the pod spec. Each is PID 1 of a process
namespace, or run by the init of the pod's command, unless the containers of the pod share one. Since all pods
share 127.0.0.1, container ports are mapped to free ports, and `RUNTIME_URL` and `AGENT_PORT` to those.
Probes, preStop hooks, SIGTERM and the grace period follow the pod spec.
"""

import contextlib
import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config

from testing import containers
from testing.cluster.controlplane import Cluster
from testing.cluster.pods import POLL_SECONDS, PodRunner, is_placeholder, of_daemon_set

# The models in the bucket of a runtime without a fixed model.
MODELS = ("a.safetensors", "b.safetensors", "model.safetensors")


@dataclass(frozen=True)
class Delays:
    """How long a cold start takes, in seconds: pulling the images on a new node, loading the model."""

    image_pull: float = 0.5
    model_load: float = 0.5


@dataclass(frozen=True)
class Simulation:
    """How long simulated runtimes take for one picture, in seconds."""

    service_seconds: float = 0.3


class Kubelet(threading.Thread):
    """Runs the pods of all nodes that kwok simulates."""

    def __init__(
        self,
        cluster: Cluster,
        aws: Mapping[str, str],
        delays: Delays = Delays(),
        simulation: Simulation = Simulation(),
    ) -> None:
        super().__init__(name="kubelet", daemon=True)
        containers.require_namespaces()
        self.cluster, self.aws, self.delays, self.simulation = cluster, dict(aws), delays, simulation
        self.folder = cluster.folder / "pods"
        self.folder.mkdir(exist_ok=True)
        self.api = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
        self._raw = client.ApiClient()
        self.runners: dict[str, PodRunner] = {}
        self.failed_nodes: set[str] = set()
        self.pulled_images: set[tuple[str, str]] = set()
        self.stopping = threading.Event()

    def command(
        self, pod: dict[str, Any], spec: dict[str, Any], ports: Mapping[str | int, int]
    ) -> tuple[list[str], dict[str, str]]:
        """Command and environment of the process for a container: the real agent or a simulated runtime."""
        env = self.environment(pod, spec)
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        if is_placeholder(pod):
            return spec["command"], base | env
        if spec["name"] == "queue-agent":
            mapped = {
                "AGENT_PORT": str(ports[int(env["AGENT_PORT"])]),
                "RUNTIME_URL": f"http://127.0.0.1:{ports['runtime']}",
            }
            return [sys.executable, "-m", "queue_agent"], base | env | self.aws | mapped
        if spec["name"] == "model-loader":
            document = self.document(pod, "direct-models.json", f"{pod['metadata']['uid']}-models")
            return [sys.executable, "-m", "queue_agent.models", str(document)], base | env | self.aws
        agent = next(item for item in pod["spec"]["containers"] if item["name"] == "queue-agent")
        settings = self.environment(pod, agent)
        models = [settings["MODEL_FILENAME"]] if settings.get("MODEL_FILENAME") else list(MODELS)
        arguments = [
            *("--port", str(ports["runtime"]), "--plain"),
            *("--service-time", str(self.simulation.service_seconds)),
            *("--load-time", str(self.delays.model_load)),
            *(word for model in models for word in ("--model", model)),
        ]
        simulated = [sys.executable, "-m", f"local.runtimes.{settings['RUNTIME_TYPE']}", *arguments]
        command = containers.expand(spec.get("command", []), env)
        return containers.program_replaced(command, simulated), base | env

    def document(self, pod: dict[str, Any], name: str, folder: str) -> Path:
        """A JSON document of the runtime's ConfigMap as a file, for a folder of its own on this machine."""
        volumes = pod["spec"]["volumes"]
        config_map = next(item["configMap"]["name"] for item in volumes if item["name"] == "runtime-config")
        data = self.api.read_namespaced_config_map(config_map, pod["metadata"]["namespace"]).data
        path = self.folder / f"{folder}.json"
        path.write_text(json.dumps({**json.loads(data[name]), "folder": str(self.folder / folder)}))
        return path

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
        """Reconcile the pods until stopped; errors of the API server are retried."""
        while not self.stopping.wait(POLL_SECONDS):
            with contextlib.suppress(client.ApiException, urllib3.exceptions.HTTPError):
                self._reconcile()

    def _reconcile(self) -> None:
        listed = self.api.list_pod_for_all_namespaces(watch=False)
        pods = self._raw.sanitize_for_serialization(listed)["items"]
        bound = [pod for pod in pods if "nodeName" in pod["spec"] and not of_daemon_set(pod)]
        nodes = {node.metadata.name: node.metadata.labels for node in self.api.list_node().items}
        for pod in bound:
            uid, leaving = pod["metadata"]["uid"], "deletionTimestamp" in pod["metadata"]
            node = pod["spec"]["nodeName"]
            if uid not in self.runners and not leaving and node in nodes.keys() - self.failed_nodes:
                self.runners[uid] = PodRunner(self, pod, nodes[node]["karpenter.sh/nodepool"])
                self.runners[uid].start()
            elif uid in self.runners and leaving:
                runner = self.runners[uid]
                runner.grace = float(pod["metadata"].get("deletionGracePeriodSeconds", runner.grace))
                runner.deleted.set()
        for uid in self.runners.keys() - {pod["metadata"]["uid"] for pod in bound}:
            if self.runners[uid].is_alive():
                self.runners[uid].kill()

    def pull_seconds(self, pod: dict[str, Any]) -> float:
        """Seconds to pull the runtime's image, the largest of a pod; 0 if the node has it."""
        image = next(item["image"] for item in pod["spec"]["containers"] if item["name"] == "runtime")
        pulled = pod["spec"]["nodeName"], image
        if pulled in self.pulled_images:
            return 0.0
        self.pulled_images.add(pulled)
        return self.delays.image_pull

    def fail_node(self, node: str) -> None:
        """Simulate a power failure of a node: its processes end at once, without notice to the API server."""
        self.failed_nodes.add(node)
        for runner in tuple(self.runners.values()):
            if runner.pod["spec"]["nodeName"] == node:
                runner.kill()

    def runtime_node_pools(self) -> set[tuple[str, str]]:
        """Pairs of runtime and NodePool, one for each node on which the runtime had a pod."""
        return {(runner.runtime, runner.node_pool) for runner in tuple(self.runners.values())}

    def busy_gpus(self) -> int:
        """How many simulated GPUs are busy."""
        return len(self.busy_pods())

    def busy_pods(self) -> set[str]:
        """The names of the pods whose simulated GPU is busy."""
        runners = tuple(self.runners.values())
        return {runner.pod_name for runner in runners if runner.busy and runner.is_alive()}

    def reset_history(self) -> None:
        """Drop the records of pods that have ended."""
        self.runners = {uid: runner for uid, runner in self.runners.items() if runner.is_alive()}

    def pod_counts(self, runtime: str) -> tuple[int, int]:
        """How many pods of a runtime there were so far, and how many of them completed a task."""
        runners = [runner for runner in tuple(self.runners.values()) if runner.runtime == runtime]
        return len(runners), sum(bool(runner.completed_tasks()) for runner in runners)

    def unfinished_tasks(self, runtime: str) -> set[str]:
        """The tasks that a pod of a runtime started and did not complete."""
        runners = [runner for runner in tuple(self.runners.values()) if runner.runtime == runtime]
        return {name for runner in runners for name in runner.started_tasks - runner.completed_tasks()}

    def gpu_runs(self) -> list[dict[str, Any]]:
        """All runs of all simulated GPUs so far."""
        return [run for runner in tuple(self.runners.values()) for run in tuple(runner.gpu_runs.values())]

    def stop(self) -> None:
        """Stop, and kill all pods."""
        self.stopping.set()
        self.join(10)
        for runner in self.runners.values():
            runner.kill()
        for runner in self.runners.values():
            runner.join(10)
