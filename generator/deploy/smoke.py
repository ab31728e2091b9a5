"""One task through the HTTP API, to its picture."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator import client
from generator.aws import clients as aws
from generator.client import ApiClient, TaskStatus
from generator.deploy import stacks
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError
from generator.solution.model import Runtime

PICTURE: Mapping[str, Any] = {"steps": 8, "width": 512, "height": 512, "seed": 1}


def door(job: Job) -> ApiClient:
    """The deployed HTTP API, with a key that AWS gives out."""
    found = stacks.find(job, job.stack)
    if found is None or "ApiUrl" not in found.outputs:
        raise AwsError(f"stack {job.stack} is not there, or has no ApiUrl: `make cluster` makes it")
    try:
        key = job.aws.client("apigateway").get_api_key(apiKey=found.outputs["ApiKeyId"], includeValue=True)
    except aws.refusals() as error:
        raise aws.refused(error, "the API key could not be read") from error
    return ApiClient(found.outputs["ApiUrl"], str(key["value"]))


def choose(job: Job, name: str | None) -> Runtime:
    """The runtime to try: the named one, else the first static SD WebUI, else the first."""
    runtimes = {runtime.name: runtime for runtime in job.solution.runtimes}
    if name is not None:
        if name not in runtimes:
            raise RefusedError(f"the config has no runtime {name}: it has {', '.join(runtimes)}")
        return runtimes[name]
    plain = [r for r in job.solution.runtimes if r.type == "sdwebui" and not r.dynamic_model]
    return (plain or list(job.solution.runtimes))[0]


def body(runtime: Runtime, task: Mapping[str, Any] | None, model: str | None) -> dict[str, Any]:
    """The task to send: the user's, or a small picture where the runtime takes a prompt."""
    fresh = f"smoke-{uuid.uuid4().hex[:12]}"
    if task is not None:
        return client.with_id(client.with_runtime(task, runtime.name), fresh)
    if runtime.type != "sdwebui":
        raise RefusedError(
            f"{runtime.name} is a {runtime.type} runtime: name a task that fits it with --task FILE"
        )
    if runtime.dynamic_model and model is None:
        raise RefusedError(f"{runtime.name} has no model of its own: name one with --model FILE.safetensors")
    return client.text_to_image(runtime.name, fresh, "a lighthouse at dusk", PICTURE, model)


def run(job: Job, task: dict[str, Any], seconds: float, folder: Path) -> tuple[TaskStatus, tuple[Path, ...]]:
    """Send, wait, fetch. A first task waits for a node: some minutes."""
    api = door(job)
    receipt = api.submit(task)
    job.say(f"{receipt.id} sent to {receipt.runtime}; with no node yet this takes some minutes")
    ended = client.wait(
        api, receipt, seconds, lambda status: job.say(f"  {status.status} {status.error}".rstrip())
    )
    return ended, client.save(ended, folder) if ended.status == "completed" else ()
