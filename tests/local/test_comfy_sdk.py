"""One program of comfy-sdk against this system, with its agent, and against Comfy's own proxy."""

import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfy_sdk import Comfy, Progress, StatusChange
from comfy_sdk.exceptions import ComfyError
from PIL import Image

from local import config, processes
from local.emulator import free_port
from local.pipeline import Pipeline, running
from local.pods import Durations
from testing.comfyui import GRAPH
from testing.world import Runtime, wait_for

pytestmark = pytest.mark.thorough

CONFIG = """
stackName: comfy
region: us-west-2
accountId: "123456789012"
modelBucketArn: arn:aws:s3:::demo-models-123456789012
eksVersion: "1.36"
modelsRuntime:
  - {name: painter, type: comfyui}
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("comfy")
    (folder / "config.yaml").write_text(CONFIG)
    built = config.build(str(folder / "config.yaml"), folder / "build")
    with running(built, Durations(service=1.2, load=0.1), folder / "logs") as pipeline:
        yield pipeline


@pytest.fixture
def system(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFY_BASE_URL", f"{pipeline.api.url}/comfy/painter")
    monkeypatch.setenv("COMFY_API_KEY", pipeline.api.key)


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Comfy's proxy in front of a simulated ComfyUI of its own."""
    comfyui, port = free_port(), free_port()
    command = [sys.executable, "-m", "local.runtimes.comfyui", "--plain", "--port", str(comfyui)]
    children = [
        processes.start("comfyui", command, {}, tmp_path),
        processes.start(
            "proxy",
            [
                *(str(Path(sys.executable).with_name("comfy-api-proxy")), "run", "--port", str(port)),
                *("--comfyui", f"http://127.0.0.1:{comfyui}"),
            ],
            {},
            tmp_path,
        ),
    ]
    monkeypatch.setenv("COMFY_BASE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("COMFY_API_KEY", raising=False)
    try:
        wait_for(lambda: "url" in children[0].log.read_text())
        time.sleep(2)
        yield
    finally:
        processes.stop(children)


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(out, "PNG")
    return out.getvalue()


def code_of(call: Any) -> str:
    try:
        call()
    except ComfyError as error:
        return str(error.code)
    return "no error"


def program() -> dict[str, Any]:
    """What an application does, and what it sees of it."""
    with Comfy() as client:
        asset = client.assets.from_bytes(picture(), filename="in.png")
        graph = {**GRAPH, "1": {"class_type": "LoadImage", "inputs": {}}}
        graph["2"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["1", 0], "vae": ["4", 2]}}
        graph["3"] = {**GRAPH["3"], "inputs": {**GRAPH["3"]["inputs"], "latent_image": ["2", 0]}}
        workflow = client.workflows.from_json(graph)
        workflow.set_input("1", "image", asset)
        job = client.run(workflow, timeout=60)
        [output] = job.get_outputs("9")
        again = client.assets.from_bytes(picture(), filename="again.png")
        broken = {"class_type": "VAEDecode", "inputs": {"samples": ["99", 0], "vae": ["4", 2]}}
        bad = client.workflows.from_json({**GRAPH, "8": broken})
        return {
            "status": job.status,
            "outputs": [(output.node_id, output.type, output.content_type) for output in job.outputs],
            "png": output.to_bytes()[:8],
            "uploaded once": (again.commit() == asset.id, again.created_new is True),
            "listed": job.id in [summary.id for summary in client.list_jobs()],
            "found again": client.jobs.get(job.id).status,
            "cancel of a finished job": job.cancel().status,
            "executed": sorted(job.get_workflow().graph),
            "executed image": isinstance(job.get_workflow().graph["1"]["inputs"]["image"], str),
            "bad workflow": code_of(lambda: client.submit(bad)),
            "unknown job": code_of(lambda: client.jobs.get("7f3d2c1b-9a8e-4d6f-b012-3c4d5e6f7a8b")),
            "unknown asset": code_of(lambda: client.assets.get("9f8a1c0d-2b3e-4f56-8a7b-1c2d3e4f5a6b")),
        }


EXPECTED = {
    "status": "succeeded",
    "outputs": [("9", "image", "image/png")],
    "png": b"\x89PNG\r\n\x1a\n",
    "uploaded once": (True, False),
    "listed": True,
    "found again": "succeeded",
    "cancel of a finished job": "succeeded",
    "executed": ["1", "2", "3", "4", "5", "6", "8", "9"],
    "executed image": True,
    "bad workflow": "invalid_workflow",
    "unknown job": "not_found",
    "unknown asset": "not_found",
}


@pytest.mark.usefixtures("system")
def test_a_program_gets_its_pictures_from_this_system() -> None:
    assert program() == EXPECTED


@pytest.mark.usefixtures("proxy")
def test_the_same_program_sees_the_same_of_comfys_own_proxy() -> None:
    assert program() == EXPECTED


@pytest.mark.usefixtures("system")
def test_a_running_job_shows_its_progress_and_can_be_cancelled(pipeline: Pipeline) -> None:
    [pod] = pipeline.pods
    runtime = Runtime(pod.runtime_url, pod.agent, ())
    runtime.fault("slow", match="cat", times=1)
    with Comfy() as client:
        job = client.submit(client.workflows.from_json(GRAPH))
        events = job.events()
        first = next(events)
        seen = next(event for event in events if isinstance(event, Progress) and event.step)

        assert job.cancel().status in ("canceling", "canceled")
        assert job.wait(timeout=20).status == "canceled"

    assert isinstance(first, StatusChange)
    assert 0 < seen.value < 1
    assert (seen.current_node, seen.nodes_total) == ("3", len(GRAPH))
    assert runtime.report()["runs"][-1]["outcome"] == "interrupted"
