"""The files of a workflow: which it loads, and under which names it saves them. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from queue_agent.adapters.comfyui.graph import class_of, graph_of, inputs_of
from queue_agent.contract import FieldPath, Task, TaskError

# Inputs in which a node names an uploaded file, and what the file is: LoadImage, LoadImageMask, LoadVideo
# (`file`), LoadAudio, and the loaders of extensions such as VHS_LoadVideo (`video`) and VHS_LoadAudioUpload.
IMAGE_INPUTS = ("image", "mask", "image_file")
MEDIA_INPUTS = ("video", "audio", "video_file", "audio_file")
FILE_INPUT = "file"
# Words in the names of loaders that take the file itself or fetch it (ETN_LoadImageBase64, LoadImageFromUrl),
# and of those that take a path on the machine (VHS_LoadVideoPath).
TAKES_TEXT = ("base64", "b64", "url", "http")
TAKES_PATH = ("path", "director", "folder")
# Nodes that show files without a `filename_prefix`. This unknown input makes their outputs the task's own.
PREVIEW, TASK_INPUT = "Preview", "_task"


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


def fields(content: Mapping[str, Any], *, media: bool) -> list[FieldPath]:
    """The paths of the images that the workflow loads, or of its videos and audio files."""
    graph = graph_of(content)
    head: FieldPath = () if graph is content else ("prompt",)
    return [(*head, file.node, "inputs", file.name) for file in loaded_files(graph) if file.media is media]


def check_paths(graph: Mapping[str, Any]) -> None:
    """Raise `TaskError` where a URL stands for a path on the machine: a fetched file has none."""
    for node_id, node in graph.items():
        kind = class_of(node)
        takes_path = "load" in kind.lower() and any(word in kind.lower() for word in TAKES_PATH)
        if takes_path and any(_is_url(value) for value in inputs_of(node).values()):
            text = f"node {node_id} ({kind}) takes a path on the machine, not a URL"
            raise TaskError(
                "input_refused", f"{text}: use a node that loads an uploaded file, such as VHS_LoadVideo"
            )


def own_names(graph: Mapping[str, Any], task: Task) -> None:
    """Name the files that the workflow saves after the task and its attempt, in one folder.

    Otherwise ComfyUI would answer a repeated workflow with the files of the first run, which may be gone.
    Some nodes that save files make no folders, so the prefix has none.
    """
    own = f"{task.id}-{task.attempt}"
    for node in graph.values():
        inputs = node["inputs"]
        if "filename_prefix" in inputs:
            prefix = inputs["filename_prefix"]
            inputs["filename_prefix"] = f"{own}-{_flat(prefix)}" if isinstance(prefix, str) else own
        elif PREVIEW in class_of(node):
            inputs[TASK_INPUT] = own


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and "://" in value[:16]


def _flat(prefix: str) -> str:
    return prefix.replace("..", "").replace("\\", "/").strip("/").replace("/", "-")
