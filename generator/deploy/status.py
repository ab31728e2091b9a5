"""The current state of a solution: queues, pods and nodes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.aws import errors
from generator.deploy import account, eks, stacks
from generator.deploy.job import Job
from generator.solution.model import Runtime


@dataclass(frozen=True)
class Row:
    """One runtime. `None` where the number could not be read."""

    runtime: str
    waiting: int | None
    running: int | None
    dead: int | None
    pods: str | None
    nodes: str | None


@dataclass(frozen=True)
class SolutionStatus:
    """The whole solution."""

    stack: str
    cluster: str
    api: str
    rows: tuple[Row, ...]


def status(job: Job) -> SolutionStatus:
    """Ask AWS and the cluster. Raises AwsError and RefusedError."""
    account.check(job)
    stack, cluster = stacks.find(job, job.stack), eks.find(job)
    pods = _pods(job) if cluster else None
    nodes = _nodes(job) if cluster else None
    return SolutionStatus(
        stack=stack.status if stack else "does not exist",
        cluster=f"EKS {cluster.version}, {cluster.status}" if cluster else "does not exist",
        api=stack.outputs.get("ApiUrl", "") if stack else "",
        rows=tuple(_row(job, runtime, pods, nodes) for runtime in job.solution.runtimes),
    )


def _row(job: Job, runtime: Runtime, pods: Mapping[str, str] | None, nodes: Mapping[str, str] | None) -> Row:
    depths = [_depth(job, queue.url) for queue in runtime.task_queues]
    waiting, running = (_sum(values) for values in zip(*depths, strict=True))
    dead, _ = _depth(job, runtime.dead_letter_queue.url)
    shared = sum(one.node_pool == runtime.node_pool for one in job.solution.runtimes) > 1
    return Row(
        runtime=runtime.name,
        waiting=waiting,
        running=running,
        dead=dead,
        pods=pods.get(runtime.name, "0") if pods is not None else None,
        nodes=nodes.get(runtime.node_pool, "0") + " (shared)" * shared if nodes is not None else None,
    )


def _sum(values: Sequence[int | None]) -> int | None:
    """The sum of what is known; None when nothing is."""
    counts = [value for value in values if value is not None]
    return sum(counts) if counts else None


def _depth(job: Job, url: str) -> tuple[int | None, int | None]:
    """Messages that are visible, and those in flight; None for a queue that does not exist."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    try:
        answer = job.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        attributes = answer["Attributes"]
    except errors.refusals():
        return None, None
    return int(attributes[names[0]]), int(attributes[names[1]])


def _pods(job: Job) -> Mapping[str, str] | None:
    """Pods by runtime, as in `2 Running, 1 Pending`."""
    selector = f"app.kubernetes.io/part-of={job.stack},app.kubernetes.io/component=runtime"
    pods = _items(job, "pods", "--all-namespaces", "--selector", selector)
    if pods is None:
        return None
    return _counted(
        (pod["metadata"]["labels"]["app.kubernetes.io/instance"], pod["status"]["phase"]) for pod in pods
    )


def _nodes(job: Job) -> Mapping[str, str] | None:
    """GPU nodes by NodePool, as in `2 g5.xlarge spot`."""
    nodes = _items(job, "nodes", "--selector", "karpenter.sh/nodepool")
    if nodes is None:
        return None
    labels = [node["metadata"]["labels"] for node in nodes]
    kind, market = "node.kubernetes.io/instance-type", "karpenter.sh/capacity-type"
    return _counted(
        (
            label["karpenter.sh/nodepool"],
            f"{label.get(kind, '?')} {label.get(market, '')}",
        )
        for label in labels
    )


def _items(job: Job, *words: str) -> list[Mapping[str, Any]] | None:
    text = job.tools.read("kubectl", "get", *words, "--output", "json")
    return None if text is None else list(json.loads(text)["items"])


def _counted(pairs: Any) -> dict[str, str]:
    """The number of each kind by owner, as text."""
    counts = Counter(pairs)
    owners: dict[str, list[str]] = {}
    for (owner, kind), number in sorted(counts.items()):
        owners.setdefault(owner, []).append(f"{number} {kind}".strip())
    return {owner: ", ".join(kinds) for owner, kinds in owners.items()}
