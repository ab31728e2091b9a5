"""The tasks that a key has sent to a runtime: one page at a time, newest first, by time and state."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from queue_agent.task.protocol import TaskState

from api.addresses import task_urls
from api.index import ENTRY_PATTERN, index_position, task_of_entry, tasks_folder
from api.problem import FieldError, invalid_request
from api.records import Records
from api.schema import Schema
from api.settings import Runtime
from api.state import TaskView, read_task
from api.tasks import task_times
from api.validation import schema_errors

_LIMIT_PATTERN = "^([1-9][0-9]?|100)$"
DEFAULT_TASKS, MAX_TASKS = 20, 100
# The states of so many tasks are read for one page; it may then be short or empty, and has a next one.
_MAX_READ = 100
# Reads that go on at the same time.
_READERS_AT_ONCE = 10
# Of the parameters of the query, by name; each has one value, but `status` may have several.
QUERY: Mapping[str, Schema] = {
    "limit": {"type": "string", "pattern": _LIMIT_PATTERN},
    "cursor": {"type": "string", "pattern": ENTRY_PATTERN},
    "status": {"type": "string", "enum": list(TaskState)},
    "created_after": {"type": "string"},
    "created_before": {"type": "string"},
}


@dataclass(frozen=True)
class Selection:
    """Which tasks a page has: at most `limit`, in these states (all when empty), between names of the index.

    `after` and `until`: names that come before the first, and after the last, task of the list.
    """

    limit: int
    states: frozenset[str]
    after: str
    until: str


def selection(query: Mapping[str, Sequence[str]]) -> Selection:
    """The selection of a query. Raises `ProblemError` (400) that names every wrong parameter."""
    errors = list(_query_errors(query))
    before, after = (_time_position(query, name, errors) for name in ("created_before", "created_after"))
    if errors:
        raise invalid_request(errors)
    return Selection(
        limit=int(query.get("limit", [str(DEFAULT_TASKS)])[-1]),
        states=frozenset(query.get("status", ())),
        # `~` comes after every name of that millisecond.
        after=max(query.get("cursor", [""])[-1], f"{before}~" if before else ""),
        until=f"{after}~" if after else "",
    )


def list_tasks(
    runtime: Runtime,
    owner: str,
    chosen: Selection,
    records: Records,
    root: str,
) -> dict[str, Any]:
    """One page of the owner's tasks; `root` is the URL of the API."""
    read = _MAX_READ if chosen.states else chosen.limit
    names = records.names(tasks_folder(owner), chosen.after, read + 1)
    if chosen.until:
        names = [name for name in names if name < chosen.until]
    page: list[dict[str, Any]] = []
    last = ""
    for name, task in _views(names[:read], records):
        last = name
        if task.sender == owner and task.known and (not chosen.states or task.state in chosen.states):
            task_id = task_of_entry(name)
            page.append(_item(runtime.name, task_id, task) | task_urls(root, runtime.name, task_id))
        if len(page) == chosen.limit:
            break
    more = bool(names) and last != names[-1]
    return {"runtime": runtime.name, "tasks": page, **({"next_cursor": last} if more else {})}


def _views(names: Sequence[str], records: Records) -> Iterator[tuple[str, TaskView]]:
    """Each task with its records, read for some tasks at once, and only as far as they are asked."""
    with ThreadPoolExecutor(_READERS_AT_ONCE) as readers:
        for start in range(0, len(names), _READERS_AT_ONCE):
            some = names[start : start + _READERS_AT_ONCE]
            views = readers.map(lambda name: read_task(task_of_entry(name), records), some)
            yield from zip(some, views, strict=True)


def _item(runtime: str, task_id: str, task: TaskView) -> dict[str, Any]:
    error = (task.result or {}).get("error")
    fields = {"id": task_id, "runtime": runtime, "status": task.state, "error": error, **task_times(task)}
    return {name: value for name, value in fields.items() if value is not None}


def _query_errors(query: Mapping[str, Sequence[str]]) -> Iterator[FieldError]:
    for name, values in query.items():
        if name not in QUERY:
            yield FieldError(name, f"is not a parameter: use {', '.join(QUERY)}")
            continue
        for value in values:
            yield from schema_errors(value, QUERY[name], name)


def _time_position(query: Mapping[str, Sequence[str]], name: str, errors: list[FieldError]) -> str:
    """The digits of the index at a time of the query; "" without it."""
    if not (values := query.get(name)):
        return ""
    try:
        time = datetime.fromisoformat(values[-1])
    except ValueError:
        errors.append(FieldError(name, "must be a time such as 2026-01-31T12:00:00Z"))
        return ""
    return index_position((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
