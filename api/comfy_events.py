"""The event stream of a job, as far as a function carries one: API Gateway returns it when it is complete.

A connection is held until the job has changed, or for eight seconds; its frames are the snapshot at its
begin and what has changed since. Clients of the contract connect again at once.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from api.comfy_documents import TERMINAL_STATES

_HOLD_SECONDS, _POLL_SECONDS = 8, 1.0


def event_stream(
    first: Mapping[str, Any], read: Callable[[], dict[str, Any]], sleep: Callable[[float], None]
) -> str:
    """The frames of one connection; `first` is the job now, `read` reads it again."""
    frames, job = list(_snapshot(first, {})), dict(first)
    for _ in range(int(_HOLD_SECONDS / _POLL_SECONDS)):
        if job["status"] in TERMINAL_STATES:
            break
        sleep(_POLL_SECONDS)
        earlier, job = job, read()
        if changes := list(_snapshot(job, earlier)):
            frames += changes
            break
    return "".join(frames)


def _snapshot(job: Mapping[str, Any], earlier: Mapping[str, Any]) -> Iterator[str]:
    """The frames for what differs. A client stops reading at a terminal status, so that comes last."""
    seen = {output["id"] for output in earlier.get("outputs", ())}
    status = _frame("status", {"status": job["status"]}) if job["status"] != earlier.get("status") else ""
    ended = job["status"] in TERMINAL_STATES
    if not ended and status:
        yield status
    if job["progress"] and job["progress"] != earlier.get("progress"):
        yield _frame("progress", job["progress"])
    for output in job["outputs"]:
        if output["id"] not in seen:
            yield _frame("output", output)
    if ended and status:
        yield status


def _frame(event: str, data: Mapping[str, Any]) -> str:
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
