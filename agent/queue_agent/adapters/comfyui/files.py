"""The files of a workflow: which it loads, and under which names it saves them. Pure."""

from collections.abc import Mapping
from typing import Any

from queue_agent.contract import FieldPath, Task, TaskError
from queue_agent.task.workflow import class_of, graph_of, loaded_files, path_problem

# Nodes that show files without a `filename_prefix`. This unknown input makes their outputs the task's own.
PREVIEW, TASK_INPUT = "Preview", "_task"
# Of the 255 bytes of a file's name, which also has the id of the task, a counter and an extension.
PREFIX_MAX_BYTES = 128
# Loaders that take a path on the machine, and those of the same pack that take the name of an uploaded file
# and give the same outputs, with the inputs that have another name there (nodes.py of VideoHelperSuite).
UPLOAD_LOADERS = {
    "VHS_LoadAudio": ("VHS_LoadAudioUpload", {"audio_file": "audio", "seek_seconds": "start_time"}),
}


def fields(content: Mapping[str, Any], *, media: bool) -> list[FieldPath]:
    """The paths of the images that the workflow loads, or of its videos and audio files."""
    graph = graph_of(content)
    head: FieldPath = () if graph is content else ("prompt",)
    return [(*head, file.node, "inputs", file.name) for file in loaded_files(graph) if file.media is media]


def check_paths(graph: Mapping[str, Any]) -> None:
    """Raise `TaskError` where a URL stands for a path on the machine: a fetched file has none."""
    if problem := path_problem(graph):
        raise TaskError("input_refused", problem)


def put(node: dict[str, Any], name: str, uploaded: str) -> None:
    """Let the input of a node name an uploaded file."""
    kind, names = UPLOAD_LOADERS.get(class_of(node), (class_of(node), {}))
    inputs = {names.get(key, key): value for key, value in node["inputs"].items()}
    node |= {"class_type": kind, "inputs": {**inputs, names.get(name, name): uploaded}}


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


def _flat(prefix: str) -> str:
    """The prefix without folders, and so short that it leaves room in the name of a file for the rest."""
    flat = prefix.replace("..", "").replace("\\", "/").strip("/").replace("/", "-")
    return flat.encode(errors="replace")[:PREFIX_MAX_BYTES].decode(errors="ignore")
