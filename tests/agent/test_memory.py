"""The memory and the scratch volume of the agent, under the largest tasks that it accepts."""

import contextlib
import copy
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from queue_agent.task.protocol import MAX_CONTAINERS

from local.processes import Child
from testing.proxy import Fault, Proxy, calls_to
from testing.world import World
from tests.agent import limits
from tests.agent.adapters.conftest import examples

pytestmark = pytest.mark.thorough

MEBIBYTE = 2**20
TASKS, INPUTS = 8, 4
# The most that the settings allow by default: inputs of 32 MiB, and outputs or a response of 128 MiB.
INPUT_BYTES = 32 * MEBIBYTE - 4096
# The task type, the size of a picture, and options of the simulation.
KINDS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "sdwebui": ("image-to-image", 31 * MEBIBYTE, ()),
    "comfyui": ("pipeline", 42 * MEBIBYTE, ("--model", "sd_xl_base_1.0.safetensors")),
    "invokeai": ("graph", 126 * MEBIBYTE, ()),
    "custom": ("custom", 94 * MEBIBYTE, ("--task-path", "/", "--ready-path", "/ready")),
}
BATCH = 3  # pictures of a task on SD WebUI and ComfyUI
# So that several tasks wait for S3 at once.
STORE_SECONDS = 8.0


def input_file() -> bytes:
    """A picture of the largest size: what follows its end is ignored by readers."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    return picture.getvalue() + bytes(INPUT_BYTES - picture.tell())


def content(kind: str, urls: list[str]) -> dict[str, Any]:
    """The content of a task with these inputs."""
    if kind == "comfyui":
        graph = dict(examples()["comfyui-pipeline"]["task"]["content"])
        graph["5"] = {**graph["5"], "inputs": {"width": 64, "height": 64, "batch_size": BATCH}}
        for n, url in enumerate(urls):
            graph[f"in{n}"] = {"class_type": "LoadImage", "inputs": {"image": url}}
            graph[f"out{n}"] = {"class_type": "PreviewImage", "inputs": {"images": [f"in{n}", 0]}}
        return graph
    if kind == "invokeai":
        graph = copy.deepcopy(examples()["invokeai-graph"]["task"]["content"])
        for n, url in enumerate(urls):
            node = {"type": "image", "image": {"image_name": url}, "is_intermediate": True}
            graph["graph"]["nodes"][f"in{n}"] = node
        return graph
    if kind == "custom":
        images: dict[str, Any] = {"images": urls}
    else:  # SD WebUI takes at most as many images as it makes, and a mask
        images = {"batch_size": BATCH, "init_images": urls[:BATCH]}
        images |= {"mask": urls[BATCH]} if urls[BATCH:] else {}
    return {"prompt": "", "width": 64, "height": 64, **images}


def send(world: World, tasktype: str, names: list[str], body: dict[str, Any]) -> None:
    for name in names:
        metadata = {"id": name, "runtime": "painter", "tasktype": tasktype}
        world.send_body(json.dumps({"metadata": metadata, "content": body}, separators=(",", ":")))


@contextlib.contextmanager
def scratch_of(agent: Child) -> Iterator[list[int]]:
    """The size of the agent's nameless files, measured again and again."""
    sizes, stop = [0], threading.Event()

    def measure() -> None:
        while not stop.wait(0.1):
            total = 0
            for link in Path(f"/proc/{agent.process.pid}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    total += link.stat().st_size if "(deleted)" in str(link.readlink()) else 0
            sizes.append(total)

    thread = threading.Thread(target=measure)
    thread.start()
    try:
        yield sizes
    finally:
        stop.set()
        thread.join()


def peak_memory(agent: Child) -> int:
    """The most memory that the agent has had so far, in bytes."""
    lines = Path(f"/proc/{agent.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_tasks_together_stay_within_the_limits_of_the_chart(
    world: World, proxy: Proxy, kind: str
):
    tasktype, size, options = KINDS[kind]
    keys = [f"input-{n}" for n in range(INPUTS)]
    for key in keys:
        world.s3.put_object(Bucket=world.bucket, Key=key, Body=input_file())
    urls = [f"s3://{world.bucket}/{key}" for key in keys]
    runtime = world.runtime("--service-time", "0.1", "--picture-bytes", str(size), *options, kind=kind)
    settings = {"RUNTIME_TYPE": kind, "READY_PATH": "/ready", "INPUT_BUCKETS": world.bucket}
    agent = world.agent(runtime.url, **settings, INPUT_TIMEOUT_SECONDS=300)
    names = [f"task-{n}" for n in range(TASKS)]
    with (
        scratch_of(agent) as scratch,
        proxy.failing(Fault(calls_to("PutObject", ".png"), times=-1, delay=STORE_SECONDS)),
    ):
        send(world, tasktype, names, content(kind, urls))
        callbacks = world.callbacks_for(names, 500)

    assert {callback["status"] for callback in callbacks.values()} == {"completed"}
    assert max(scratch) > INPUT_BYTES * INPUTS
    assert max(scratch) < limits.scratch_volume()
    assert peak_memory(agent) < limits.memory(), f"{peak_memory(agent) / MEBIBYTE:.0f} MiB"


# ComfyUI's server repeats the workflow in each of its answers.
@pytest.mark.parametrize(
    ("kind", "tasktype", "count"), [("sdwebui", "text-to-image", 12), ("comfyui", "pipeline", 4)]
)
def test_messages_that_take_most_memory_when_parsed_stay_within_it_too(
    world: World, proxy: Proxy, kind: str, tasktype: str, count: int
):
    """Messages of lists in lists and of numbers."""
    runtime = world.runtime("--service-time", "0.05", *KINDS[kind][2], kind=kind)
    # Each message takes seconds of CPU time: on a slow machine attempts are lost.
    agent = world.agent(runtime.url, RUNTIME_TYPE=kind, MAX_ATTEMPTS=100)
    nested: list[Any] = []
    for _ in range(50):
        nested = [nested]
    body = content(kind, [])
    body.pop("init_images", None)
    place = body["5"]["inputs"] if kind == "comfyui" else body
    # As many lists as a task may have, and numbers up to 1 MiB.
    place["unknown"] = [[nested] * (MAX_CONTAINERS // 51 - 10), [0.5] * 230_000]
    names = [f"task-{n}" for n in range(count)]
    with (
        proxy.failing(Fault(calls_to("PutObject", ".png"), times=-1, delay=2)),
        proxy.failing(Fault(calls_to("Publish"), times=-1, delay=5)),
    ):
        send(world, tasktype, names, body)
        callbacks = world.callbacks_for(names, 500)

    assert len(world.last_sent) > MEBIBYTE * 0.9
    assert {callback["status"] for callback in callbacks.values()} == {"completed"}
    assert peak_memory(agent) < limits.memory(), f"{peak_memory(agent) / MEBIBYTE:.0f} MiB"
