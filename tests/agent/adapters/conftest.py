"""Simulated runtimes as processes, and adapters that talk to them over HTTP."""

import asyncio
import base64
import copy
import json
import os
import sys
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.adapters.shared.http import Http
from queue_agent.adapters.shared.http import session as runtime_session
from queue_agent.blobs import Blob
from queue_agent.contract import Adapter, InputImage, Progress, RunResult, Task

from local import processes
from local.processes import Child
from local.runtimes.shared.picture import Artist, Request
from testing.world import PATIENCE, wait_for

MAX_BYTES = 50_000_000
STATIC = "sd_xl_turbo_1.0.safetensors"
OTHER = "dreamshaper_8.safetensors"
COMFYUI_MODEL = "sd_xl_base_1.0.safetensors"
SMALL = {"prompt": "a cat", "width": 64, "height": 48, "seed": 7}


@dataclass
class Sim:
    """A running simulation."""

    url: str
    child: Child

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, head, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def fault(self, kind: str, **rule: object) -> None:
        self.ask("POST", "/_simulation/faults", {"kind": kind, **rule})

    def clear_faults(self) -> None:
        self.ask("DELETE", "/_simulation/faults")

    def report(self) -> dict[str, Any]:
        return dict(self.ask("GET", "/_simulation/gpu"))

    def outcomes(self, task: str) -> list[str]:
        """How each occupation of the GPU by this task ended."""
        return [run["outcome"] for run in self.report()["runs"] if run["id"] == task]

    def runs(self, task: str) -> bool:
        return bool(self.report()["running"] == task)


@pytest.fixture(scope="module")
def simulate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sim]]:
    """Start simulations; they end with the module."""
    folder, children = tmp_path_factory.mktemp("simulations"), list[Child]()

    def start(name: str, *options: str, port: int = 0) -> Sim:
        command = [sys.executable, "-m", f"local.runtimes.{name}", "--port", str(port), *options]
        child = processes.start(f"{name}-{len(children)}", command, os.environ, folder)
        children.append(child)
        line = wait_for(lambda: child.log.read_text().partition("\n")[0] if child.alive else "")
        return Sim(json.loads(line)["url"], child)

    yield start
    processes.stop(children, 0.05)


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with runtime_session() as opened:
        yield opened


@pytest.fixture
def http(session: ClientSession) -> Callable[[Sim], Http]:
    return lambda sim: Http(session, sim.url, MAX_BYTES)


def task(tasktype: str, content: dict[str, Any], **changes: Any) -> Task:
    """A task with an id of its own."""
    defaults = {
        "id": f"t{uuid.uuid4().hex[:12]}",
        "runtime": "painter",
        "tasktype": tasktype,
        "prefix": "",
        "context": {},
        "content": content,
        "request_sha256": "",
        "timeout_seconds": 60.0,
        "attempt": 1,
    }
    return Task(**{**defaults, **changes})


@dataclass
class Done:
    """A task that the adapter has run, with the progress that it reported."""

    result: RunResult
    progress: list[Progress] = field(default_factory=list)


async def run_task(adapter: Adapter, asked: Task, images: dict[Any, InputImage] | None = None) -> Done:
    """Run a task as the core does: prepare, run, collect."""
    progress: list[Progress] = []
    prepared = await adapter.prepare(asked, images or {})
    ran = await adapter.run(prepared, progress.append)
    return Done(await adapter.collect(ran), progress)


async def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    await asyncio.to_thread(wait_for, condition, seconds)


def picture(width: int = 64, height: int = 48) -> bytes:
    return Artist(plain=True).draw(Request("", 1, width, height))


def as_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def as_input(data: bytes) -> InputImage:
    return InputImage(Blob(data), "image/png", "png")


def examples() -> dict[str, Any]:
    """The example requests by name."""
    folder = Path(__file__).parents[3] / "examples" / "requests"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def naming(model: str) -> dict[str, object]:
    """SD WebUI's content that names a checkpoint."""
    return {**SMALL, "override_settings": {"sd_model_checkpoint": model}}


def workflow(**sampler: Any) -> dict[str, Any]:
    """ComfyUI's example workflow, with other inputs for its sampler."""
    graph = copy.deepcopy(examples()["comfyui-pipeline"]["task"]["content"])
    graph["3"]["inputs"].update(sampler)
    return graph


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:
    """SD WebUI with two models; modules about other runtimes have a simulation of their own."""
    return simulate("sdwebui", "--plain", "--service-time", "0.05", "--model", STATIC, "--model", OTHER)


@pytest.fixture
async def static(sim: Sim, http: Callable[[Sim], Http], dynamic: SdWebUi) -> SdWebUi:
    await run_task(dynamic, task("text-to-image", naming(STATIC)))
    return SdWebUi(http(sim), STATIC, dynamic=False)


@pytest.fixture
def dynamic(sim: Sim, http: Callable[[Sim], Http]) -> SdWebUi:
    sim.clear_faults()
    return SdWebUi(http(sim), "", dynamic=True)
