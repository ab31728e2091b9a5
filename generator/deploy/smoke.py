"""Sends one task through the deployed HTTP API and saves its picture."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator import client
from generator.deploy import account, api, runtimes
from generator.deploy.job import Job, RefusedError
from generator.solution.model import Runtime, Solution
from sd_on_eks import TaskStatus

PICTURE: Mapping[str, Any] = {"steps": 8, "width": 512, "height": 512, "seed": 1}


def choose(solution: Solution, name: str | None) -> Runtime:
    """The runtime to test: the named one, else the first SD WebUI with a checkpoint, else the first."""
    if name is not None:
        return runtimes.named(solution, name)
    with_model = [runtime for runtime in solution.runtimes if runtime.default_model is not None]
    return (with_model or list(solution.runtimes))[0]


def body(runtime: Runtime, task: Mapping[str, Any] | None, model: str | None) -> dict[str, Any]:
    """The task to send: the user's, or a small picture where the runtime takes a prompt."""
    new_id = f"smoke-{uuid.uuid4().hex[:12]}"
    if task is not None:
        return client.with_id(client.with_runtime(task, runtime.name), new_id)
    if runtime.type != "sdwebui":
        raise RefusedError(f"{runtime.name} is a {runtime.type} runtime: give a task for it with --task FILE")
    if runtime.default_model is None and model is None:
        raise RefusedError(f"{runtime.name} has no model of its own: give one with --model FILE.safetensors")
    return client.text_to_image(runtime.name, new_id, "a lighthouse at dusk", PICTURE, model)


def run(job: Job, task: dict[str, Any], seconds: float, folder: Path) -> tuple[TaskStatus, tuple[Path, ...]]:
    """Send a task, wait for it, save its pictures. The first task waits some minutes for a node.

    Raises AwsError and RefusedError.
    """
    account.check(job)
    client_of_api = api.client(job)
    receipt = client_of_api.send(task)
    job.say(f"{receipt.id} sent to {receipt.runtime}; if a node must start first, this takes some minutes")
    last = client_of_api.wait(
        receipt, seconds, lambda status: job.say(f"  {status.status} {status.error}".rstrip())
    )
    return last, client_of_api.save(last, folder) if last.status == "completed" else ()
