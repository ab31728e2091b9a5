"""Large inputs and outputs of every runtime type: in files of the scratch volume, and bounded together."""

import base64
import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from queue_agent.adapters.comfyui.adapter import ComfyUi
from queue_agent.adapters.custom.adapter import Custom
from queue_agent.adapters.guarded import GuardedAdapter
from queue_agent.adapters.invokeai.adapter import InvokeAi
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.adapters.shared import bodies, documents
from queue_agent.adapters.shared.bodies import FileText
from queue_agent.adapters.shared.http import Http
from queue_agent.blobs import Blob, Scratch
from queue_agent.contract import Adapter, InputImage, RuntimeUnavailable, Task, TaskError

from tests.agent.adapters.conftest import (
    COMFYUI_MODEL,
    STATIC,
    Sim,
    examples,
    picture,
    run_task,
    task,
    workflow,
)

PICTURE_BYTES = 300_000
RANDOM = random.Random(1)


def comfyui_task() -> Task:
    graph = workflow()
    graph["5"]["inputs"]["batch_size"] = 2
    return task("pipeline", graph)


def invokeai_task() -> Task:
    graph = copy.deepcopy(examples()["invokeai-graph"]["task"]["content"]["graph"])
    graph["nodes"]["second"] = {**graph["nodes"]["picture"], "id": "second"}
    graph["edges"] += [
        {**edge, "destination": {**edge["destination"], "node_id": "second"}}
        for edge in graph["edges"]
        if edge["destination"]["node_id"] == "picture"
    ]
    return task("graph", graph)


KINDS: dict[str, tuple[tuple[str, ...], Callable[[Http], Adapter], Callable[[], Task], int]] = {
    "sdwebui": (
        (),
        lambda http: SdWebUi(http, STATIC, dynamic=False),
        lambda: task("text-to-image", {"prompt": "", "batch_size": 2}),
        2,
    ),
    "comfyui": (("--model", COMFYUI_MODEL), ComfyUi, comfyui_task, 2),
    "invokeai": (("--model", "dreamshaper_8.safetensors"), InvokeAi, invokeai_task, 2),
    "custom": (
        (),
        lambda http: Custom(http, "/tasks", "/health"),
        lambda: task("custom", {"prompt": "", "width": 64, "height": 48}),
        1,
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def large(request: pytest.FixtureRequest, simulate: Callable[..., Sim]) -> tuple[str, Sim]:
    """A runtime whose pictures are large."""
    options = ("--plain", "--service-time", "0.05", "--picture-bytes", str(PICTURE_BYTES))
    return request.param, simulate(request.param, *options, *KINDS[request.param][0])


@pytest.mark.parametrize("memory_bytes", [0, 2**30])
async def test_large_outputs_are_whole(
    large: tuple[str, Sim], session: ClientSession, memory_bytes: int, tmp_path: Path
):
    kind, sim = large
    _, adapter, asked, count = KINDS[kind]
    http = Http(session, sim.url, 10 * PICTURE_BYTES, Scratch(memory_bytes))

    outputs = (await run_task(adapter(http), asked())).result.outputs

    assert [output.content_type for output in outputs] == ["image/png"] * count
    for output in outputs:
        data = output.data.read()
        assert len(data) > PICTURE_BYTES
        assert data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82")


async def test_all_outputs_of_a_task_have_a_bound_together(large: tuple[str, Sim], session: ClientSession):
    kind, sim = large
    _, adapter, asked, count = KINDS[kind]
    limit = PICTURE_BYTES * count - PICTURE_BYTES // 2  # enough for each of them
    http = Http(session, sim.url, limit)

    with pytest.raises(
        TaskError, match=f"output_too_large: the outputs of the task have more than {limit} bytes"
    ):
        await run_task(GuardedAdapter(adapter(http)), asked())


async def test_a_large_input_is_sent_whole_from_a_file(simulate: Callable[..., Sim], session: ClientSession):
    sim = simulate("sdwebui", "--plain", "--service-time", "0.05")
    adapter = SdWebUi(Http(session, sim.url, 10_000_000, Scratch(0)), STATIC, dynamic=False)
    asked = task("image-to-image", {"prompt": "", "init_images": ["https://example.com/a.png"]})
    data = picture() + RANDOM.randbytes(5_000_000)
    prepared = await adapter.prepare(asked, {("init_images", 0): InputImage(Blob(data), "image/png", "png")})

    sent = json.loads(prepared.payload.body.read())
    assert base64.b64decode(sent["init_images"][0]) == data
    assert prepared.size == prepared.payload.body.size
    assert len((await adapter.collect(await adapter.run(prepared, lambda _: None))).outputs) == 1


async def test_files_stand_in_a_body_where_they_were_put():
    files = [RANDOM.randbytes(size) for size in (0, 1, 100_001)]
    document = {"a": [FileText(Blob(files[0])), "text"], "b": {"c": FileText(Blob(files[1]), "data:x,")}}
    document["d"] = FileText(Blob(files[2]))

    read = json.loads((await bodies.encode(document, 0, Scratch(0))).read())

    texts = [base64.b64encode(data).decode() for data in files]
    assert read == {"a": [texts[0], "text"], "b": {"c": f"data:x,{texts[1]}"}, "d": texts[2]}


def restored(value: Any, files: dict[str, Blob]) -> Any:
    """The document with the base64 of each file in its place."""
    if isinstance(value, dict):
        return {restored(key, files): restored(item, files) for key, item in value.items()}
    if isinstance(value, list):
        return [restored(item, files) for item in value]
    return base64.b64encode(files[value].read()).decode() if value in files else value


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 4096, 2**16])
@pytest.mark.parametrize("escaped", [False, True])
def test_a_document_is_read_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch, chunk: int, escaped: bool):
    monkeypatch.setattr(documents, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(documents, "LONG_BYTES", 100)
    files = [base64.b64encode(RANDOM.randbytes(size)).decode() for size in (300, 301, 302, 1000, 3, 0)]
    document = {
        "images": files,
        "info": json.dumps({"a": 'x"\\' * 90, "b": '\\\\"'}),
        "text": "word " * 90,
        "quotes": '\\"' * 200,
        "umlauts": "é\n" * 90,
        "empty": ["", {}, [], None, 1.5, True],
        files[0]: 1,
    }
    text = json.dumps(document)

    read = documents.parse(Blob((text.replace("/", "\\/") if escaped else text).encode()), Scratch(0))

    assert restored(read.value, dict(read.files)) == document
    assert len(read.files) == 5


def test_a_data_uri_is_read_as_its_file():
    data = RANDOM.randbytes(50_000)
    uri = f"data:image/png;base64,{base64.b64encode(data).decode()}"

    read = documents.parse(Blob(json.dumps([uri]).encode()), Scratch())

    assert read.files[read.value[0]].read() == data


@pytest.mark.parametrize("end", ["!", "A", "AB=C"])
def test_what_only_begins_like_base64_is_no_file(end: str):
    text = base64.b64encode(RANDOM.randbytes(60_000)).decode() + end

    assert documents.parse(Blob(json.dumps({"image": text}).encode()), Scratch()).files == {}


@pytest.mark.parametrize("text", ['{"a": ', '{"a": "b', "<html>", '["' + "A" * 50_000, "[" * 100_000])
def test_a_document_that_is_not_json_is_another_api(text: str):
    with pytest.raises(RuntimeUnavailable, match="not JSON"):
        documents.parse(Blob(text.encode()), Scratch())


def test_a_document_may_not_be_large_without_its_files(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(documents, "MAX_REST_BYTES", 100_000)

    with pytest.raises(RuntimeUnavailable, match="besides its files"):
        documents.parse(Blob(json.dumps(["word "] * 50_000).encode()), Scratch())
