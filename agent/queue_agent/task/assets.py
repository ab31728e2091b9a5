"""The asset references of a workflow: files that the HTTP API has found in the runtime's bucket. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from queue_agent.contract import FieldPath, Task, TaskError
from queue_agent.task.protocol import ASSET_TYPE


@dataclass(frozen=True)
class Reference:
    """A reference in a task's content: the key of its file in the runtime's bucket, and the file's name."""

    key: str
    name: str


def references(task: Task) -> dict[FieldPath, Reference]:
    """The references in the content of a task that has assets. Raises `TaskError` for one to no asset."""
    paths = dict(_walk(task.content, ())) if task.assets else {}
    return {path: _reference(task, asset_id) for path, asset_id in paths.items()}


def is_reference(value: Any) -> bool:
    """Whether it stands for a file."""
    return isinstance(value, Mapping) and value.get("__type") == ASSET_TYPE


def value_at(value: Any, path: FieldPath) -> Any:
    """The value at a path; None when there is none."""
    for part in path:
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value


def replace_at(value: Any, path: FieldPath, new: Any) -> None:
    """Put another value at a path, in place."""
    value_at(value, path[:-1])[path[-1]] = new


def _walk(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if is_reference(value):
        info = value.get("info")
        yield path, str(info.get("id")) if isinstance(info, Mapping) else ""
        return
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, inner in items:
        if isinstance(inner, Mapping | list):
            yield from _walk(inner, (*path, name))


def _reference(task: Task, asset_id: str) -> Reference:
    try:
        asset = task.assets[asset_id]
    except KeyError:
        raise TaskError("missing_asset", f"there is no asset {asset_id[:64]}") from None
    return Reference(asset["key"], asset["name"])
