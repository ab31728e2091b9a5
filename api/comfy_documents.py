"""The documents of the Comfy API v2: jobs, their outputs, items of a list. Pure, but for the links."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from queue_agent.task.protocol import TaskState

from api.comfy_ids import output_id
from api.settings import Retention
from api.state import TaskView, timestamp

_STATES = {
    TaskState.QUEUED: "queued",
    TaskState.RUNNING: "running",
    TaskState.COMPLETED: "succeeded",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "canceled",
}
TERMINAL_STATES = ("succeeded", "failed", "canceled", "expired")
# Codes of the agent for which the contract has its own.
_ERROR_CODES = {"execution_error": "node_execution_error", "bad_workflow": "invalid_workflow"}
# The kinds of outputs of the contract; the agent knows more.
_OUTPUT_TYPES = {"animation": "image", "model": "file"}


@dataclass(frozen=True)
class Link:
    """A presigned URL and the Unix time at which it expires."""

    url: str
    expires: float


@dataclass(frozen=True)
class JobDocuments:
    """What documents of jobs need besides the records: the address of the API, and how long records stay."""

    base: str  # host-relative, as "/prod/comfy/runtime/api/v2"
    retention: Retention
    link: Callable[[str], Link]

    def document(self, job_id: str, task: TaskView) -> dict[str, Any]:
        """The job; `task` has a request."""
        created, result = task.created or task.now, task.result or {}
        address = f"{self.base}/jobs/{job_id}"
        return {
            "id": job_id,
            "status": job_status(task, self.retention),
            "created_at": timestamp(created),
            "started_at": _time(task.started),
            "completed_at": _time(completed_at(task)),
            "expires_at": timestamp(created + self.retention.records),
            "queue_position": None,
            "progress": _progress(task),
            "outputs": self._outputs(job_id, result),
            "error": _error(result),
            "metrics": _metrics(task),
            "metadata": labels_of(task),
            "urls": {"self": address, "events": f"{address}/events", "cancel": f"{address}/cancel"},
        }

    def _outputs(self, job_id: str, result: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [self._output(job_id, n, output) for n, output in enumerate(result.get("outputs") or (), 1)]

    def _output(self, job_id: str, number: int, output: Mapping[str, Any]) -> dict[str, Any]:
        link = self.link(output["key"])
        return {
            "node_id": str((output.get("metadata") or {}).get("node", "")),
            "name": output["key"].rpartition("/")[2],
            "type": _OUTPUT_TYPES.get(output["kind"], output["kind"]),
            "content_type": output["content_type"],
            "size_bytes": output["bytes"],
            "id": output_id(job_id, number),
            "hash": None,
            "url": link.url,
            "url_expires_at": timestamp(link.expires),
            "job_id": job_id,
        }


def list_item(job_id: str, task: TaskView, runtime: str, retention: Retention) -> dict[str, Any]:
    """The job in a list: neither outputs nor links."""
    changed = (completed_at(task), task.started, task.created, task.now)
    return {
        "id": job_id,
        "status": job_status(task, retention),
        "create_time": timestamp(task.created or task.now),
        "update_time": timestamp(next(time for time in changed if time is not None)),
        "deployment_id": runtime,
        "metadata": labels_of(task),
    }


def job_status(task: TaskView, retention: Retention) -> str:
    """The status of a job. One that waited longer than a message can has expired."""
    if task.cancelling:
        return "canceling"
    if task.state is TaskState.QUEUED and task.created and task.now - task.created > retention.queue:
        return "expired"
    return _STATES[task.state]


def completed_at(task: TaskView) -> float | None:
    """When the job ended; of a cancelled one the claim says it."""
    if task.state is TaskState.CANCELLED and not task.finished:
        return (task.claim or {}).get("expires")
    return task.finished


def labels_of(task: TaskView) -> dict[str, str]:
    """The labels that the job was sent with."""
    return dict((task.request or {}).get("labels") or {})


def _progress(task: TaskView) -> dict[str, Any] | None:
    nodes = (task.request or {}).get("nodes") or {}
    if task.state is TaskState.COMPLETED:
        return {"value": 1.0, "nodes_done": len(nodes), "nodes_total": len(nodes)}
    if task.state is not TaskState.RUNNING:
        return None
    place = task.progress
    node, step, steps = place.get("node"), place.get("step"), place.get("steps")
    kind = nodes.get(node)
    return {
        "value": place.get("value", 0.0),
        "nodes_done": place.get("nodes_done", 0),
        "nodes_total": len(nodes),
        "current_node": node,
        "current_node_class": kind,
        "step": step,
        "steps": steps,
        "message": f"{kind} {step}/{steps}" if kind and steps else None,
    }


def _error(result: Mapping[str, Any]) -> dict[str, Any] | None:
    error = result.get("error")
    if not error:
        return None
    code = _ERROR_CODES.get(error["code"], error["code"])
    return {
        **dict.fromkeys(("node_id", "class_type", "traceback")),
        "code": code,
        "message": error["message"],
    }


def _metrics(task: TaskView) -> dict[str, int | None]:
    began, duration = task.started, (task.result or {}).get("duration")
    waited = None if began is None or task.created is None else round(1000 * max(0.0, began - task.created))
    return {"queue_ms": waited, "execution_ms": None if duration is None else round(1000 * duration)}


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(seconds)
