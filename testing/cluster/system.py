"""The whole system on the real control plane: its stack in the emulator, its chart on the API server."""

import json
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from queue_agent.adapters.comfyui.prompts import prompt_id
from queue_agent.task.protocol import DEFAULT_TASK_TYPES, TaskState

from generator import paths
from generator.solution.model import Runtime, Solution
from local.cloud import Cloud
from testing.cluster.chart import CHART
from testing.cluster.controlplane import Cluster
from testing.cluster.kubelet import Kubelet
from testing.cluster.pods import of_daemon_set
from testing.cluster.timeline import FinishedTask, Sample

RELEASE = "sd"
FINISHED = (TaskState.COMPLETED, TaskState.FAILED)


class HelmError(Exception):
    """Helm failed; the text is its error output."""


def helm(cluster: Cluster, *arguments: str) -> str:
    """Run helm against the cluster."""
    program = shutil.which("helm") or str(paths.root() / ".cache" / "bin" / "helm")
    done = subprocess.run(
        [program, "--kubeconfig", str(cluster.kubeconfig), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HelmError(done.stderr.strip())
    return done.stdout


@dataclass
class System:
    """One deployed solution: its stack, its release and its pods."""

    cluster: Cluster
    cloud: Cloud
    kubelet: Kubelet
    folder: Path
    solution: Solution
    callbacks: str = ""
    sent: dict[str, float] = field(default_factory=dict)
    finished: dict[str, list[FinishedTask]] = field(default_factory=dict)

    def create_stack(self) -> None:
        """Create the stack in the emulator, and subscribe a queue to the results topic."""
        self.cloud.create({self.solution.stack: (self.folder / "stack.yaml").read_text("utf-8")})
        self.callbacks = self.cloud.subscribe_to_results()

    def values(self) -> list[str]:
        """Helm's flags for every values file that `generator build` wrote."""
        return [
            flag for path in sorted((self.folder / "values").glob("*.yaml")) for flag in ("-f", str(path))
        ]

    def upgrade(self, *extra: str) -> str:
        """Run `helm upgrade --install` as a user does; KEDA reads the emulator's queues."""
        return helm(
            self.cluster,
            "upgrade",
            "--install",
            RELEASE,
            str(CHART),
            "--namespace",
            "default",
            *self.values(),
            "--set",
            f"global.awsEndpoint={self.cloud.emulator.url},createNamespaces=true",
            "--post-renderer",
            str(Path(__file__).with_name("post_render.py")),
            *extra,
        )

    def send(self, runtime: str, name: str, **content: Any) -> str:
        """Publish one task as the HTTP API does; its id."""
        self.cloud.client("sns").publish(
            TopicArn=self.solution.requests_topic_arn,
            Message=json.dumps(self._task(runtime, name, content)),
            MessageAttributes={"runtime": {"DataType": "String", "StringValue": runtime}},
        )
        return name

    def send_high(self, runtime: str, name: str) -> str:
        """Send one task of high priority, to the queue of such tasks, as the HTTP API does; its id."""
        sqs = self.cloud.client("sqs")
        [entry] = [one for one in self.solution.runtimes if one.name == runtime]
        body = json.dumps(self._task(runtime, name, {}))
        url = sqs.get_queue_url(QueueName=entry.task_queues[-1].name)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=body)
        return name

    def _task(self, runtime: str, name: str, content: dict[str, Any]) -> dict[str, Any]:
        kind = next(r.type for r in self.solution.runtimes if r.name == runtime)
        metadata = {
            "id": name,
            "runtime": runtime,
            "tasktype": DEFAULT_TASK_TYPES.get(kind, "text-to-image"),
            "prefix": "e2e",
            "context": {},
        }
        self.sent[name] = time.monotonic()
        return {"metadata": metadata, "content": content or CONTENT[kind](name)}

    def content(self, runtime: Runtime, model: str) -> dict[str, Any]:
        """Task content that names the model, for a dynamic runtime; empty for others."""
        if not runtime.dynamic_model:
            return {}
        return {**CONTENT["sdwebui"](model), "override_settings": {"sd_model_checkpoint": model}}

    def uninstall(self) -> None:
        """Uninstall as `make uninstall` does: remove the runtimes, wait for the nodes, remove the release."""
        if not helm(self.cluster, "list", "--namespace", "default", "--short"):
            return
        helm(self.cluster, "upgrade", "--reset-values", RELEASE, str(CHART), "--namespace", "default")
        self.require("every node of Karpenter is gone", lambda: not self.cluster.items("nodeclaims"), 180)
        helm(self.cluster, "uninstall", RELEASE, "--namespace", "default", "--wait", "--timeout", "60s")

    def collect_callbacks(self) -> None:
        """Receive the callbacks that have arrived since the last call."""
        while callbacks := self.cloud.receive_callbacks(self.callbacks, 0):
            now = time.monotonic()
            for callback in callbacks:
                if callback["status"] in FINISHED:
                    seconds = now - self.sent.get(callback["id"], now)
                    self.finished.setdefault(callback["id"], []).append(FinishedTask(callback, seconds, now))

    def all_announced(self, names: Iterable[str]) -> bool:
        """Whether every one of these tasks has a final callback."""
        self.collect_callbacks()
        return self.finished.keys() >= set(names)

    def wait(self, event: str, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition; whether it became true in time. If not, print the state of the cluster."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                print(f"not after {seconds:.0f} s: {event}\n{self.describe()}")
                return False
            time.sleep(0.3)
        return True

    def require(self, event: str, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for a condition. Raises AssertionError if it does not become true in time."""
        if not self.wait(event, condition, seconds):
            raise AssertionError(f"not after {seconds:.0f} s: {event}")

    def pods(self, runtime: str | None = None) -> list[dict[str, Any]]:
        """The pods of one runtime, or of all runtimes."""
        selector = "app.kubernetes.io/name=sd-runtime" + (
            f",app.kubernetes.io/instance={runtime}" if runtime else ""
        )
        pods = self.cluster.items("pods", "-A", "-l", selector)
        return [pod for pod in pods if not of_daemon_set(pod)]

    def placeholders(self, runtime: str) -> list[dict[str, Any]]:
        """The placeholders of one runtime."""
        selector = f"app.kubernetes.io/name=sd-placeholder,app.kubernetes.io/instance={runtime}"
        return self.cluster.items("pods", "-A", "-l", selector)

    def nodes(self) -> list[dict[str, Any]]:
        """The nodes that Karpenter created."""
        return self.cluster.items("nodes", "-l", "karpenter.sh/nodepool")

    def replicas(self) -> dict[str, tuple[int, int]]:
        """Desired and ready replicas by runtime."""
        deployments = self.cluster.items("deployments", "-A", "-l", "app.kubernetes.io/name")
        return {
            item["metadata"]["name"]: (
                item["spec"].get("replicas", 0),
                item["status"].get("readyReplicas", 0),
            )
            for item in deployments
        }

    def scaled_to_zero(self) -> bool:
        """Whether no replica is desired and no pod and no GPU node is left.

        A Deployment starts with one replica, since the chart leaves the number to KEDA: right after an
        install there is no pod *yet*.
        """
        desired = any(desired for desired, _ in self.replicas().values())
        return not desired and not self.pods() and not self.nodes()

    def sample(self, at: float) -> Sample:
        """One sample for the timeline, `at` seconds after its start."""
        depths = [self.cloud.depth(runtime) for runtime in self.solution.runtimes]
        replicas = self.replicas()
        types = (node["metadata"]["labels"]["node.kubernetes.io/instance-type"] for node in self.nodes())
        return Sample(
            at,
            sum(depth.waiting for depth in depths),
            sum(depth.running for depth in depths),
            {name: desired for name, (desired, _) in replicas.items()},
            {name: ready for name, (_, ready) in replicas.items()},
            Counter(types),
            self.kubelet.busy_gpus(),
        )

    def describe(self) -> str:
        """The state of the cluster and of the queues, for an error message."""
        parts = [
            self.cluster.kubectl("get", "pods,nodes,nodeclaims,hpa", "-A", "-o", "wide", check=False),
            self.cluster.kubectl("get", "events", "-A", "--sort-by=.lastTimestamp", check=False)[-3000:],
            str([(r.name, self.cloud.depth(r)) for r in self.solution.runtimes]),
        ]
        return "\n".join(parts)

    def result_keys(self, runtime: str) -> list[str]:
        """The keys of every result.json in the runtime's bucket."""
        bucket = next(r.output_bucket for r in self.solution.runtimes if r.name == runtime)
        pages = self.cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return [key for key in keys if key.endswith("/result.json")]

    def completed_runs(self) -> dict[str, int]:
        """How often the simulated GPUs completed each task."""
        # ComfyUI knows a task by the id of its prompt.
        names = {prompt_id(name): name for name in self.sent}
        done = (run["id"] for run in self.kubelet.gpu_runs() if run["outcome"] == "done")
        return dict(Counter(names.get(run, run) for run in done))


def _text_to_image(name: str) -> dict[str, Any]:
    return {"prompt": name, "seed": 7, "steps": 4, "width": 64, "height": 64}


def _workflow(name: str) -> dict[str, Any]:
    return {
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": name, "clip": ["4", 1]}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "model.safetensors"}},
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 7,
                "steps": 4,
                "cfg": 1.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["6", 0],
                "latent_image": ["5", 0],
            },
        },
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": name, "images": ["8", 0]}},
    }


def _graph(name: str) -> dict[str, Any]:
    nodes = {"n": {"id": "n", "type": "blank_image", "width": 64, "height": 64, "is_intermediate": False}}
    return {"id": name, "nodes": nodes, "edges": []}


CONTENT: dict[str, Callable[[str], dict[str, Any]]] = {
    "sdwebui": _text_to_image,
    "comfyui": _workflow,
    "invokeai": _graph,
    "custom": lambda name: {"prompt": name},
}
