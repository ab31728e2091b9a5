"""How the pods of a solution started: what each stage took, from what the cluster and the agents recorded."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from generator.deploy import account, log_lines, logs
from generator.deploy.job import Job
from generator.deploy.log_lines import Line
from generator.errors import AwsError

RUNTIME = "runtime"
READY = "the runtime is ready"
Object = Mapping[str, Any]


@dataclass(frozen=True)
class MeasuredStage:
    """One stage, in seconds; None where nothing was recorded, or it is not over yet."""

    name: Literal["node", "image", "start", "picture"]
    seconds: float | None


@dataclass(frozen=True)
class PodStart:
    """The start of one pod, from its creation to its first task.

    `new_node`: whether its node was launched after the pod was created. `download_seconds`: how long its
    model loader worked, at the same time as the stages.
    """

    runtime: str
    pod: str
    node: str
    instance_type: str
    new_node: bool | None
    stages: tuple[MeasuredStage, ...]
    seconds: float | None
    download_seconds: float | None


def starts(job: Job) -> tuple[PodStart, ...]:
    """The start of each pod that exists, oldest first. Raises AwsError and RefusedError."""
    account.check(job)
    selector = f"app.kubernetes.io/part-of={job.stack},app.kubernetes.io/component=runtime"
    pods = _items(job, "pods", "--all-namespaces", "--selector", selector)
    events = _items(job, "events", "--all-namespaces", "--field-selector", "involvedObject.kind=Pod")
    claims = _items(job, "nodeclaims.karpenter.sh")
    measured = [pod_start(pod, claims, events, _log(job, pod)) for pod in sorted(pods, key=_created)]
    return tuple(measured)


def _items(job: Job, *words: str) -> list[Object]:
    answer = job.tools.answer("kubectl", "get", *words, "--output", "json")
    if answer.code:
        raise AwsError(f"`kubectl get {words[0]}` failed: {answer.reason}")
    return list(json.loads(answer.out)["items"])


def _log(job: Job, pod: Object) -> list[Line]:
    """The lines of the agent and of the model loader; none where they cannot be read."""
    metadata = pod["metadata"]
    command = ["kubectl", "logs", "--namespace", metadata["namespace"], metadata["name"], "--all-containers"]
    text = job.tools.read(*command, "--prefix", "--timestamps", "--ignore-errors")
    return logs.parsed((text or "").splitlines())


def pod_start(
    pod: Object, claims: Iterable[Object], events: Iterable[Object], lines: Sequence[Line]
) -> PodStart:
    """The start of one pod, from its object, the NodeClaims, the events of pods, and the lines of its log."""
    metadata, node = pod["metadata"], pod["spec"].get("nodeName", "")
    created, scheduled = _created(pod), _condition(pod, "PodScheduled")
    claim = next((one for one in claims if node and one.get("status", {}).get("nodeName") == node), None)
    pulled = _pulled(metadata, events)
    started = _started(pod)
    ready, first = _agent_times(lines)
    # The pull ends before the container starts; of an image that was there, only the start is recorded.
    stages = (
        MeasuredStage("node", _between(created, scheduled)),
        MeasuredStage("image", _between(scheduled, pulled or started)),
        MeasuredStage("start", _between(pulled or started, ready)),
        MeasuredStage("picture", _between(ready, first)),
    )
    labels = claim["metadata"].get("labels", {}) if claim else {}
    return PodStart(
        runtime=metadata["labels"]["app.kubernetes.io/instance"],
        pod=metadata["name"],
        node=node,
        instance_type=labels.get("node.kubernetes.io/instance-type", ""),
        new_node=None if claim is None or created is None else (_created(claim) or created) >= created,
        stages=stages,
        seconds=_between(created, first),
        download_seconds=_download(lines),
    )


def _created(item: Object) -> datetime:
    return _time(item["metadata"]["creationTimestamp"])


def _time(text: str) -> datetime:
    """A time of Kubernetes; its nanoseconds are more than Python's parser takes."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def _condition(item: Object, kind: str) -> datetime | None:
    """When a condition became true."""
    for condition in item.get("status", {}).get("conditions", ()):
        if condition["type"] == kind and condition["status"] == "True":
            return _time(condition["lastTransitionTime"])
    return None


def _pulled(metadata: Object, events: Iterable[Object]) -> datetime | None:
    """When the image of the runtime was there; None where no event says so any more."""
    field = f"spec.containers{{{RUNTIME}}}"
    for event in events:
        about = event["involvedObject"]
        if (
            about.get("uid") == metadata["uid"]
            and event["reason"] == "Pulled"
            and about.get("fieldPath") == field
        ):
            when = event.get("firstTimestamp") or event.get("eventTime")
            return _time(when) if when else None
    return None


def _started(pod: Object) -> datetime | None:
    """When the present container of the runtime started; None for one that was restarted."""
    for status in pod.get("status", {}).get("containerStatuses", ()):
        if status["name"] == RUNTIME and not status.get("restartCount"):
            running = status.get("state", {}).get("running")
            return _time(running["startedAt"]) if running else None
    return None


def _agent_times(lines: Iterable[Line]) -> tuple[datetime | None, datetime | None]:
    """When the agent first said that the runtime is ready, and when its first task after that ended."""
    ready = first = None
    for line in lines:
        event = log_lines.event(line)
        if event is None:
            continue
        if ready is None and event.name == READY:
            ready = line.time
        elif ready is not None and first is None and event.name == "task ended":
            first = line.time
    return ready, first


def _download(lines: Iterable[Line]) -> float | None:
    """The seconds of all downloads of the model loader."""
    seconds = list(_downloads(lines))
    return round(sum(seconds), 1) if seconds else None


def _downloads(lines: Iterable[Line]) -> Iterator[float]:
    for line in lines:
        if line.container == "model-loader" and line.message.startswith("{"):
            fields = json.loads(line.message)
            if isinstance(fields.get("seconds"), int | float):
                yield float(fields["seconds"])


def _between(first: datetime | None, last: datetime | None) -> float | None:
    """The seconds from one time to another, at least 0: clocks of nodes and of the API server differ."""
    if first is None or last is None:
        return None
    return round(max(0.0, (last - first).total_seconds()), 1)
