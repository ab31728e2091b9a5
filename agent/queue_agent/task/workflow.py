"""Reads ComfyUI workflows, as far as both the HTTP API and the agent need it. Pure.

The API's function holds a copy: nothing but the standard library.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

EXPORT = "In ComfyUI: Workflow > Export (API); in older versions: Save (API Format), with the dev mode on"
# Inputs in which a node names an uploaded file, and what the file is: LoadImage, LoadImageMask, LoadVideo
# (`file`), LoadAudio, and the loaders of extensions such as VHS_LoadVideo (`video`) and VHS_LoadAudioUpload.
IMAGE_INPUTS = ("image", "mask", "image_file")
MEDIA_INPUTS = ("video", "audio", "video_file", "audio_file")
FILE_INPUT = "file"
# Words in the names of loaders that take the file itself or fetch it (ETN_LoadImageBase64, LoadImageFromUrl),
# and of those that take a path on the machine (VHS_LoadVideoPath).
TAKES_TEXT = ("base64", "b64", "url", "http")
TAKES_PATH = ("path", "director", "folder")


@dataclass(frozen=True)
class LoadedFile:
    """An input of a node that names a file, or holds a URL, a data URI or base64 in its place."""

    node: str
    name: str
    media: bool  # a video or an audio file; else an image
    value: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"the input {self.name!r} of node {self.node}"


def loaded_files(graph: Mapping[str, Any]) -> Iterator[LoadedFile]:
    """Every file that the workflow loads by name."""
    for node_id, node in graph.items():
        kind = class_of(node).lower()
        if "load" not in kind or any(word in kind for word in (*TAKES_TEXT, *TAKES_PATH)):
            continue
        for name, value in inputs_of(node).items():
            if isinstance(value, str) and name in (*IMAGE_INPUTS, *MEDIA_INPUTS, FILE_INPUT):
                media = name in MEDIA_INPUTS or (name == FILE_INPUT and ("video" in kind or "audio" in kind))
                yield LoadedFile(str(node_id), name, media, value)


def graph_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The workflow: the content itself, or its `prompt` as ComfyUI's own API has it."""
    inner = content.get("prompt")
    return inner if isinstance(inner, Mapping) and "class_type" not in inner else content


def workflow_problem(content: Mapping[str, Any]) -> str:
    """Why the content is not a workflow in API format, and how to get one; "" when it is one.

    ComfyUI would answer 500 to most of it, without a reason.
    """
    if _is_workflow(graph_of(content)):
        return ""
    needed = "content must be a workflow in API format (node id → class_type, inputs)"
    for place, value in _nested_parts(content):
        if _is_workflow(value):
            return f"{needed}; here it is inside of content.{place}, as other services wrap it: send it alone"
        if isinstance(value, Mapping) and isinstance(value.get("nodes"), list):
            name = f"content.{place}" if place else "content"
            return f"{needed}; {name} has the UI format. {EXPORT}"
        if isinstance(value, str) and value.lstrip().startswith("{"):
            return f"{needed}; content.{place} is text: send the object that it describes"
    if "input" in content:
        return f"{needed}; this is a request for RunPod's worker, with `input`. {EXPORT}"
    return needed


def path_problem(graph: Mapping[str, Any]) -> str:
    """What is wrong where a URL stands for a path on the machine: a fetched file has none. "" if nothing."""
    for node_id, node in graph.items():
        kind = class_of(node)
        takes_path = "load" in kind.lower() and any(word in kind.lower() for word in TAKES_PATH)
        if takes_path and any(_is_address(value) for value in inputs_of(node).values()):
            text = f"node {node_id} ({kind}) takes a path on the machine, not a URL"
            return f"{text}: use a node that loads an uploaded file, such as VHS_LoadVideo"
    return ""


def lost_links(graph: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(node, input, missing node) of every link to a node that is not there.

    ComfyUI checks only the inputs that a node declares. A lost link in any other ends the thread that runs
    prompts (`add_node` in comfy_execution/graph.py): from then on the server answers, but runs nothing.
    """
    for node_id, node in graph.items():
        for name, value in inputs_of(node).items():
            if _is_link(value) and value[0] not in graph:
                yield node_id, name, value[0]


def class_of(node: Any) -> str:
    """The class of a node; "" when it has none."""
    return str(node.get("class_type") or "") if isinstance(node, Mapping) else ""


def inputs_of(node: Any) -> Mapping[str, Any]:
    """The inputs of a node; none when it has no valid ones."""
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    return inputs if isinstance(inputs, Mapping) else {}


def _is_workflow(value: Any) -> bool:
    """Whether it has the API format: node id → class_type, inputs."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(class_of(node) and isinstance(node.get("inputs"), Mapping) for node in value.values())
    )


def _is_link(value: Any) -> bool:
    """As `is_link` in comfy_execution/graph_utils.py: the id of a node, and the number of its output."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int | float)
    )


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and "://" in value[:16]


def _nested_parts(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(place, value) of the content, of its values and of theirs."""
    yield "", content
    for name, value in content.items():
        yield name, value
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", inner) for key, inner in value.items())
