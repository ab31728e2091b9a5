"""Tasks as `submit`, `smoke` and the local pipeline send them, and the line that gives a shell the key."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from sd_on_eks import Client, TaskRefusedError

Body = Mapping[str, Any]


def exports(client: Client) -> str:
    """The line that sets the variables of README's examples in a shell."""
    return f"export API_URL={shlex.quote(client.url)} API_KEY={shlex.quote(client.key)}"


def text_to_image(
    runtime: str, task_id: str, prompt: str, settings: Body, model: str | None
) -> dict[str, Any]:
    """A task for one prompt, in SD WebUI's form. `model` names the checkpoint for a dynamic runtime."""
    override = {"override_settings": {"sd_model_checkpoint": model}} if model else {}
    return {
        "task": {
            "metadata": {"id": task_id, "runtime": runtime, "tasktype": "text-to-image"},
            "content": {"prompt": prompt, **settings, **override},
        }
    }


def parsed(text: str, name: str) -> dict[str, Any]:
    """The task in a file's text, in either version. `name` is the file's. Raises TaskRefusedError."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise TaskRefusedError(f"{name} is not valid JSON: {error}") from error
    if not isinstance(body, dict) or not (_is_task(body.get("task")) or "alwayson_scripts" in body):
        raise TaskRefusedError(
            f'{name} is not a task: a task is {{"task": {{"metadata": …, "content": …}}}} '
            "(examples/requests has one of each type)"
        )
    return body


def _is_task(task: object) -> bool:
    return isinstance(task, dict) and isinstance(task.get("metadata"), dict)


def with_id(body: Body, task_id: str) -> dict[str, Any]:
    """The same task under another id."""
    if "task" in body:
        return {**body, "task": {**body["task"], "metadata": {**body["task"]["metadata"], "id": task_id}}}
    return {**body, "alwayson_scripts": {**body["alwayson_scripts"], "id_task": task_id}}


def with_runtime(body: Body, runtime: str) -> dict[str, Any]:
    """The same task for another runtime. A v1alpha1 task names no runtime: its model selects one."""
    if "task" in body:
        return {
            **body,
            "task": {**body["task"], "metadata": {**body["task"]["metadata"], "runtime": runtime}},
        }
    return dict(body)
