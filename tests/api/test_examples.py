"""Every example's stack, made for real: each runtime gets what is sent to it, and no other does."""

import json
from pathlib import Path

import pytest
from queue_agent.task.protocol import TASK_TYPES

from local.emulator import Emulator
from tests.api.conftest import ROOT, Solve, deploy

# The emulator knows one partition: the Chinese example is checked on its template (tests/cluster).
EXAMPLES = sorted({path.stem for path in (ROOT / "examples").glob("*.yaml")} - {"china"})
CONTENT: dict[str, dict[str, object]] = {
    "comfyui": {"1": {"class_type": "SaveImage", "inputs": {}}},
    "invokeai": {"nodes": {"1": {"type": "noise"}}},
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_runtime_of_the_example_gets_its_own_tasks(
    api_emulator: Emulator, solve: Solve, example: str
) -> None:
    deployed = deploy(api_emulator, solve(example, stackName=example.replace(".", "-")[:20].rstrip("-")))

    for runtime in deployed.solution.runtimes:
        tasktype = TASK_TYPES.get(runtime.type, ("any",))[0]
        metadata = {"id": f"for-{runtime.name}", "runtime": runtime.name, "tasktype": tasktype}
        model = {"override_settings": {"sd_model_checkpoint": "a.ckpt"}} if runtime.dynamic_model else {}
        content = CONTENT.get(runtime.type, {"prompt": "x", **model})
        body = {"task": {"metadata": metadata, "content": content}}
        assert deployed.call("POST", "/v1alpha2", body).status == 200

    for runtime in deployed.solution.runtimes:
        ids = [message["metadata"]["id"] for message in deployed.messages(runtime.name)]
        assert ids == [f"for-{runtime.name}"]


REQUESTS = sorted((ROOT / "examples" / "requests").glob("*.json"))


@pytest.mark.parametrize("path", REQUESTS, ids=[path.stem for path in REQUESTS])
def test_the_example_requests_are_what_the_api_takes(path: Path) -> None:
    from api import validation
    from api.schema import legacy_task_schema, task_schema

    body = json.loads(path.read_text())
    body_schema = task_schema(None, ()) if "task" in body else legacy_task_schema(())

    assert list(validation.schema_errors(body, body_schema, "")) == []
