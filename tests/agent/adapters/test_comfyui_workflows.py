"""Workflows: which files they load, how those that they save are named, what is not a workflow."""

import base64
from typing import Any

import pytest
from queue_agent.adapters.comfyui import files
from queue_agent.adapters.comfyui.adapter import ComfyUi
from queue_agent.adapters.comfyui.graph import checked
from queue_agent.blobs import Blob
from queue_agent.contract import InputImage, TaskError

from tests.agent.adapters.conftest import COMFYUI_MODEL, as_input, as_text, picture, task, workflow

URL = "https://example.com/a"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\0" * 24
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 32


def loading(kind: str, **inputs: Any) -> dict[str, Any]:
    """A workflow with one node that loads a file."""
    return {"10": {"class_type": kind, "inputs": inputs}}


@pytest.fixture(scope="module")
def sim(simulate):
    return simulate("comfyui", "--plain", "--model", COMFYUI_MODEL)


@pytest.fixture
def comfyui(sim, http) -> ComfyUi:
    return ComfyUi(http(sim))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("LoadImage", "image"),
        ("LoadImageMask", "image"),
        ("LoadImageOutput", "image"),
        ("VHS_LoadImage", "image"),
        ("Load Image Batch", "image"),
        ("Image Load", "image"),
    ],
)
def test_an_image_that_a_node_loads_is_fetched(kind: str, name: str):
    content = loading(kind, **{name: URL, "upload": "image"})

    assert files.fields(content, media=False) == [("10", "inputs", name)]
    assert files.fields({"prompt": content}, media=False) == [("prompt", "10", "inputs", name)]
    assert files.fields(content, media=True) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("LoadVideo", "file"),
        ("LoadAudio", "audio"),
        ("VHS_LoadVideo", "video"),
        ("VHS_LoadVideoFFmpeg", "video"),
        ("VHS_LoadAudioUpload", "audio"),
        ("VHS_LoadAudio", "audio_file"),
    ],
)
def test_a_video_or_audio_file_that_a_node_loads_is_fetched(kind: str, name: str):
    content = loading(kind, **{name: URL})

    assert files.fields(content, media=True) == [("10", "inputs", name)]
    assert files.fields(content, media=False) == []


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("LoadImageBase64", {"image": "iVBORw0KGgo" * 100}),
        ("ETN_LoadImageBase64", {"image": "iVBORw0KGgo" * 100}),
        ("easy loadImageBase64", {"base64_data": "iVBORw0KGgo", "image_output": "Preview"}),
        ("LoadImageFromUrl", {"image": URL}),
        ("LoadImageFromHttpURL", {"image_url": URL}),
        ("CheckpointLoaderSimple", {"ckpt_name": "a.safetensors"}),
        ("LoadImage", {"image": ["4", 0]}),
        ("KSampler", {"image": URL}),
    ],
)
async def test_what_is_no_file_of_a_loader_is_left_alone(comfyui: ComfyUi, kind: str, inputs: dict[str, Any]):
    content = loading(kind, **inputs)

    assert files.fields(content, media=False) == files.fields(content, media=True) == []
    prepared = await comfyui.prepare(task("pipeline", content), {})
    assert prepared.payload["prompt"]["10"]["inputs"] == inputs


@pytest.mark.parametrize("kind", ["VHS_LoadVideoPath", "VHS_LoadImagePath", "LoadImagesFromDirectory"])
async def test_a_url_is_refused_where_a_path_belongs(comfyui: ComfyUi, kind: str):
    with pytest.raises(TaskError, match=r"input_refused.*node 10.*takes a path"):
        await comfyui.prepare(task("pipeline", loading(kind, video=URL)), {})


@pytest.mark.parametrize(
    ("kind", "name", "file"),
    [
        ("LoadImage", "image", as_input(picture())),
        ("LoadVideo", "file", InputImage(Blob(MP4), "video/mp4", "mp4")),
        ("LoadAudio", "audio", InputImage(Blob(WAV), "audio/x-wav", "wav")),
    ],
)
async def test_a_fetched_file_is_uploaded_and_the_node_gets_its_name(
    comfyui: ComfyUi, kind: str, name: str, file: InputImage
):
    asked = task("pipeline", {"prompt": loading(kind, **{name: URL})})

    prepared = await comfyui.prepare(asked, {("prompt", "10", "inputs", name): file})

    assert prepared.payload["prompt"]["10"]["inputs"][name] == f"{asked.id}-0.{file.extension}"


async def test_a_fetched_file_goes_to_the_loader_of_uploads_where_the_node_takes_a_path(comfyui: ComfyUi):
    path = ("10", "inputs", "audio_file")
    asked = task("pipeline", loading("VHS_LoadAudio", audio_file=URL, seek_seconds=2, duration=3))

    prepared = await comfyui.prepare(asked, {path: InputImage(Blob(WAV), "audio/x-wav", "wav")})

    inputs = {"audio": f"{asked.id}-0.wav", "start_time": 2, "duration": 3}
    assert prepared.payload["prompt"]["10"] == {"class_type": "VHS_LoadAudioUpload", "inputs": inputs}


async def test_a_path_on_the_machine_stays_a_path(comfyui: ComfyUi):
    content = loading("VHS_LoadAudio", audio_file="input/a.wav")

    assert (await comfyui.prepare(task("pipeline", content), {})).payload["prompt"] == content


@pytest.mark.parametrize(
    "text",
    [
        as_text(picture()),
        f"data:image/png;base64,{as_text(picture())}",
        base64.encodebytes(picture()).decode(),
        f"data:image/png;base64,{base64.encodebytes(picture()).decode()}",
    ],
)
async def test_an_image_may_come_as_base64(comfyui: ComfyUi, text: str):
    asked = task("pipeline", loading("LoadImage", image=text))

    prepared = await comfyui.prepare(asked, {})

    assert prepared.payload["prompt"]["10"]["inputs"]["image"] == f"{asked.id}-0.png"


async def test_a_video_may_come_as_data_uri(comfyui: ComfyUi):
    text = f"data:video/mp4;base64,{base64.b64encode(MP4).decode()}"
    asked = task("pipeline", loading("LoadVideo", file=text))

    prepared = await comfyui.prepare(asked, {})

    assert prepared.payload["prompt"]["10"]["inputs"]["file"] == f"{asked.id}-0.mp4"


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("LoadImage", "image", "no base64 " * 100),
        ("LoadImage", "image", base64.b64encode(b"no image " * 100).decode()),
        ("LoadVideo", "file", as_text(picture())),
    ],
)
async def test_what_is_neither_a_name_nor_a_file_is_refused_in_a_few_words(
    comfyui: ComfyUi, kind: str, name: str, text: str
):
    with pytest.raises(TaskError, match=f"the input '{name}' of node 10") as caught:
        await comfyui.prepare(task("pipeline", loading(kind, **{name: text})), {})

    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("ComfyUI", "t1-2-ComfyUI"),
        ("video/ComfyUI", "t1-2-video-ComfyUI"),
        ("/a/../b\\c", "t1-2-a--b-c"),
        ("%date:yyyy-MM-dd%/x", "t1-2-%date:yyyy-MM-dd%-x"),
        (["7", 0], "t1-2"),
        ("", "t1-2-"),
        ("\u00e9" * 200, f"t1-2-{chr(0xE9) * 64}"),
    ],
)
def test_a_saved_file_is_named_after_task_and_attempt_without_a_folder(prefix: Any, name: str):
    graph = {"9": {"class_type": "Image Save", "inputs": {"images": ["8", 0], "filename_prefix": prefix}}}

    files.own_names(graph, task("pipeline", graph, id="t1", attempt=2))

    assert graph["9"]["inputs"]["filename_prefix"] == name


@pytest.mark.parametrize("kind", ["PreviewImage", "PreviewAudio", "MaskPreview+", "Preview3D"])
def test_a_preview_of_one_task_is_not_taken_for_that_of_another(kind: str):
    graphs = [loading(kind, images=["8", 0]) for _ in range(2)]

    for n, graph in enumerate(graphs):
        files.own_names(graph, task("pipeline", graph, id=f"t{n}"))

    assert graphs[0] != graphs[1]


UI = {"last_node_id": 9, "nodes": [{"id": 1, "type": "KSampler"}], "links": [], "version": 0.4}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (UI, "content has the UI format.*Export"),
        ({"prompt": UI}, "content.prompt has the UI format.*Export"),
        ({"workflow": UI}, "content.workflow has the UI format.*Export"),
        ({"input": {"workflow": UI}}, "content.input.workflow has the UI format.*Export"),
        ({"input": {"workflow": workflow()}}, "inside of content.input.workflow"),
        ({"input": {"prompt": workflow(), "images": []}}, "inside of content.input.prompt"),
        ({"workflow": workflow()}, "inside of content.workflow"),
        ({"workflow_json": workflow(), "webhook": "x"}, "inside of content.workflow_json"),
        ({"prompt": '{"3": {}}'}, "content.prompt is text"),
        ({"input": {"prompt": "a cat"}}, "RunPod"),
        ({"prompt": "a cat"}, "must be a workflow in API format"),
    ],
)
def test_what_is_not_a_workflow_is_named_with_where_to_get_one(content: dict[str, Any], words: str):
    with pytest.raises(TaskError, match=f"bad_workflow.*{words}"):
        checked(task("pipeline", content))
