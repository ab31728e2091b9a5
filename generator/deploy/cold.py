"""How the pods of a solution started: what each stage took, from what the cluster and the agents recorded."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, get_args

from generator.deploy import account, log_lines, logs
from generator.deploy.job import Job
from generator.deploy.log_lines import Line
from generator.errors import AwsError

RUNTIME = "runtime"
READY = "the runtime is ready"
# A longer time between the runtime and its first task is one without a task: a poll of SQS lasts 20 s.
IDLE_SECONDS = 20.0
# Reasons of containers that wait as every container does.
_USUAL = ("", "ContainerCreating", "PodInitializing")
Object = Mapping[str, Any]
Name = Literal["node", "image", "start", "picture"]
STAGES: tuple[Name, ...] = get_args(Name)


@dataclass(frozen=True)
class MeasuredStage:
    """One stage, in seconds; None where nothing was recorded, or it is not over yet."""

    name: Name
    seconds: float | None


@dataclass(frozen=True)
class PodStart:
    """The start of one pod, from its creation to its first task that succeeded.

    `new_node`: whether its node was not there yet when the pod was created. `seconds`: of all stages.
    `idle_seconds`: how long the pod was ready before it had that task; no stage has them. `download_seconds`:
    how long its model loader worked, at the same time as the stages. `problems`: what keeps it from being
    ready, and restarts, which leave stages unknown.
    """

    runtime: str
    pod: str
    node: str
    instance_type: str
    new_node: bool | None
    stages: tuple[MeasuredStage, ...]
    seconds: float | None
    idle_seconds: float
    download_seconds: float | None
    problems: tuple[str, ...]


def starts(job: Job) -> tuple[PodStart, ...]:
    """The start of each pod that exists, oldest first. Raises AwsError and RefusedError."""
    account.check(job)
    selector = f"app.kubernetes.io/part-of={job.stack},app.kubernetes.io/component=runtime"
    pods = _items(job, "pods", "--all-namespaces", "--selector", selector)
    events = _items(job, "events", "--all-namespaces", "--field-selector", "involvedObject.kind=Pod")
    try:
        claims = _items(job, "nodeclaims.karpenter.sh")
    except AwsError as error:  # without Karpenter, or without the right to see its objects
        job.say(f"the types of nodes are not known: {error}")
        claims = []
    oldest_first = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
    return tuple(pod_start(pod, claims, events, _log(job, pod)) for pod in oldest_first)


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
    metadata, node = pod["metadata"], _object(pod, "spec").get("nodeName") or ""
    created = _time(metadata.get("creationTimestamp"))
    claim = next((one for one in claims if node and _object(one, "status").get("nodeName") == node), {})
    # The log of an agent that was restarted begins with its last start.
    ready, first, idle = (None, None, 0.0) if _restarts(pod, log_lines.AGENT) else _agent_times(lines)
    # The pull ends before the container starts; of an image that was there, only the start is recorded.
    image = _pulled(pod, events) or _started(pod)
    times = tuple(_in_order((created, _condition(pod, "PodScheduled"), image, ready, first)))
    seconds = [_between(*pair) for pair in pairwise(times)]
    seconds[-1] = None if seconds[-1] is None else round(max(0.0, seconds[-1] - idle), 1)
    total = _between(times[0], times[-1])
    return PodStart(
        runtime=_object(metadata, "labels").get("app.kubernetes.io/instance", ""),
        pod=metadata["name"],
        node=node,
        instance_type=_object(_object(claim, "metadata"), "labels").get(
            "node.kubernetes.io/instance-type", ""
        ),
        new_node=_is_new(claim, created),
        stages=tuple(MeasuredStage(name, one) for name, one in zip(STAGES, seconds, strict=True)),
        seconds=None if total is None else round(max(0.0, total - idle), 1),
        idle_seconds=round(idle, 1),
        download_seconds=_download(lines),
        problems=tuple(_problems(pod)),
    )


def _is_new(claim: Object, created: datetime | None) -> bool | None:
    """Whether a node was not ready for pods at a time: launched later, or on its way for other pods."""
    claimed = _time(_object(claim, "metadata").get("creationTimestamp"))
    if claimed is None or created is None:
        return None
    conditions = _object(claim, "status").get("conditions") or ()
    ready = _condition(claim, "Initialized")
    on_its_way = any(one["type"] == "Initialized" for one in conditions)
    return ready >= created if ready else on_its_way or claimed >= created


def _in_order(times: Iterable[datetime | None]) -> Iterator[datetime | None]:
    """The times, none before an earlier one: clocks of nodes and of the API server differ."""
    latest: datetime | None = None
    for time in times:
        latest = time if latest is None else max(latest, time or latest)
        yield time and latest


def _object(item: Object, key: str) -> Object:
    """A part of an object; an empty one where it is missing or null."""
    return item.get(key) or {}


def _time(text: str | None) -> datetime | None:
    """A time of Kubernetes; its nanoseconds are more than Python's parser takes."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)) if text else None


def _condition(pod: Object, kind: str) -> datetime | None:
    """When a condition became true."""
    for condition in _object(pod, "status").get("conditions") or ():
        if condition["type"] == kind and condition["status"] == "True":
            return _time(condition.get("lastTransitionTime"))
    return None


def _pulled(pod: Object, events: Iterable[Object]) -> datetime | None:
    """When the image of the runtime was there first; None where no event says so any more."""
    uid, field = pod["metadata"]["uid"], f"spec.containers{{{RUNTIME}}}"
    own = [event for event in events if _object(event, "involvedObject").get("uid") == uid]
    # A restart pulls again. The first pull is among the events as long as what came before it is.
    if _restarts(pod, RUNTIME) and not any(event.get("reason") == "Scheduled" for event in own):
        return None
    times = (
        _time(event.get("firstTimestamp") or event.get("eventTime"))
        for event in own
        if event.get("reason") == "Pulled" and _object(event, "involvedObject").get("fieldPath") == field
    )
    return min((time for time in times if time), default=None)


def _containers(pod: Object) -> Iterator[Object]:
    """What Kubernetes says about each container of a pod."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from _object(pod, "status").get(kind) or ()


def _restarts(pod: Object, container: str) -> int:
    return sum(one.get("restartCount") or 0 for one in _containers(pod) if one["name"] == container)


def _started(pod: Object) -> datetime | None:
    """When the present container of the runtime started; None for one that was restarted."""
    for status in _containers(pod):
        if status["name"] == RUNTIME and not status.get("restartCount"):
            return _time(_object(_object(status, "state"), "running").get("startedAt"))
    return None


def _problems(pod: Object) -> Iterator[str]:
    """Why a pod is not ready, and which of its containers started again, in the words of Kubernetes."""
    status = _object(pod, "status")
    conditions = [one for one in status.get("conditions") or () if one["type"] == "PodScheduled"]
    for said in (status, *(one for one in conditions if one["status"] == "False")):
        if said.get("reason") or said.get("message"):
            yield _said(said)
    for container in _containers(pod):
        waiting = _object(_object(container, "state"), "waiting")
        if waiting.get("reason", "") not in _USUAL:
            yield f"{container['name']}: {_said(waiting)}"
        if count := container.get("restartCount"):
            last = _object(_object(container, "lastState"), "terminated").get("reason")
            after = f", the last time after {last}" if last else ""
            yield f"{container['name']}: started again, {count} times{after}"


def _said(what: Object) -> str:
    return ": ".join(" ".join(text.split()) for key in ("reason", "message") if (text := what.get(key)))


def _agent_times(lines: Iterable[Line]) -> tuple[datetime | None, datetime | None, float]:
    """When the runtime was ready first, when its first task succeeded, and how long it had none before.

    Of a log whose beginning is gone, its first `ready` may be one of many.
    """
    started, ready = False, None
    for line in lines:
        fields = log_lines.fields(line)
        name = fields.get("event")
        started = started or name == "agent started"
        if not started:
            continue
        if ready is None and name == READY:
            ready = line.time
        elif ready and name == "task ended" and fields.get("status", "completed") == "completed":
            wait = (line.time - ready).total_seconds() - (_number(fields.get("duration")) or 0.0)
            return ready, line.time, wait if wait >= IDLE_SECONDS and "duration" in fields else 0.0
    return ready, None, 0.0


def _download(lines: Iterable[Line]) -> float | None:
    """The seconds of all downloads of the model loader."""
    found = [_number(log_lines.fields(line, "model-loader").get("seconds")) for line in lines]
    seconds = [one for one in found if one is not None]
    return round(sum(seconds), 1) if seconds else None


def _number(value: object) -> float | None:
    """A number of seconds; None for anything else."""
    return float(value) if isinstance(value, int | float) and 0 <= value < math.inf else None


def _between(first: datetime | None, last: datetime | None) -> float | None:
    """The seconds from one time to another; None where one of them is not known."""
    return None if first is None or last is None else round((last - first).total_seconds(), 1)
