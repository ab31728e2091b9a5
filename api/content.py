"""Checks the content of a task as its agent and its runtime would, as far as that is known without them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from queue_agent.task.invokeai import batch_problem, file_paths, graph_problem
from queue_agent.task.sdwebui import (
    CHECKPOINT_EXTENSIONS,
    MODEL_TASKS,
    image_paths,
    named_model,
    same_model,
)
from queue_agent.task.url_rules import url_problem
from queue_agent.task.workflow import graph_of, loaded_files, path_problem, workflow_problem

from api.node_checks import NodeError, title_of
from api.node_lists import NodeLists
from api.problem import FieldError
from api.sdwebui_fields import EXTRA_FIELDS, IMAGE_FIELDS, field_errors
from api.settings import Runtime

CONTENT_FIELD = "task.content"
# So many errors fit into a response, whatever was sent.
_MAX_ERRORS = 200
LIST_TASKS = ("extra-batch-images", "extra-batch-image")


def content_errors(
    runtime: Runtime, tasktype: str, content: Mapping[str, Any], nodes: NodeLists
) -> list[FieldError]:
    """The errors of a task's content; at most 200."""
    place = CONTENT_FIELD
    match runtime.type:
        case "comfyui":
            errors = _workflow_errors(runtime, content, nodes, place)
        case "sdwebui":
            errors = chain(
                _web_ui_errors(runtime, tasktype, content, nodes, place),
                _image_errors(tasktype, content, place),
            )
        case "invokeai":
            errors = _graph_errors(runtime, content, place)
        case _:
            return []
    return list(islice(errors, _MAX_ERRORS))


def legacy_errors(runtime: Runtime, tasktype: str, body: Mapping[str, Any]) -> list[FieldError]:
    """The errors of a v1alpha1 task, as far as what it names is wrong; what it lacks, its agent finds."""
    return list(islice(_web_ui_errors(runtime, tasktype, body, None, ""), _MAX_ERRORS))


def workflow_errors(runtime: Runtime, workflow: Mapping[str, Any], nodes: NodeLists) -> list[NodeError]:
    """What agent and runtime would refuse in a workflow in API format: its URLs, its nodes."""
    whole = [NodeError("", "", "", problem)] if (problem := path_problem(workflow)) else []
    urls = [
        NodeError(file.node, title_of(workflow[file.node]), file.name, problem)
        for file in loaded_files(workflow)
        if (problem := _url_error(runtime, file.value))
    ]
    return [*whole, *urls, *nodes.errors(runtime, workflow)]


def _workflow_errors(
    runtime: Runtime, content: Mapping[str, Any], nodes: NodeLists, place: str
) -> Iterator[FieldError]:
    if problem := workflow_problem(content):
        yield FieldError(place, problem.removeprefix("content "))
        return
    workflow = graph_of(content)
    place = place if workflow is content else f"{place}.prompt"
    for error in workflow_errors(runtime, workflow, nodes):
        inner = f".inputs.{error.input}" if error.input else ""
        yield FieldError(f"{place}.{error.node}{inner}" if error.node else place, error.text)


def _web_ui_errors(
    runtime: Runtime, tasktype: str, content: Mapping[str, Any], nodes: NodeLists | None, place: str
) -> Iterator[FieldError]:
    makes = tasktype in MODEL_TASKS
    yield from field_errors(content, IMAGE_FIELDS if makes else EXTRA_FIELDS, place)
    yield from _path_errors(runtime, content, image_paths(content), place)
    if makes and (problem := _checkpoint_problem(runtime, named_model(content), nodes)):
        yield FieldError(f"{place}.override_settings.sd_model_checkpoint".removeprefix("."), problem)


def _image_errors(tasktype: str, content: Mapping[str, Any], place: str) -> Iterator[FieldError]:
    """The images that a task must have."""
    if tasktype == "image-to-image":
        yield from _source_errors(content, place)
    elif tasktype in LIST_TASKS:
        yield from _list_errors(content, place)
    elif tasktype not in MODEL_TASKS and content.get("image") is None:
        yield FieldError(f"{place}.image", "is missing")


def _checkpoint_problem(runtime: Runtime, name: str | None, nodes: NodeLists | None) -> str:
    """What is wrong with the checkpoint that a task names, or does not name. Only file names tell it here."""
    served = runtime.model_file
    if name is None:
        missing = served is None and runtime.model is None
        return "is missing: this runtime has no default model" if missing else ""
    file = name.split(" [", 1)[0].replace("\\", "/").rpartition("/")[2]
    if not file.endswith(CHECKPOINT_EXTENSIONS):
        return ""
    if served is None:  # a dynamic model
        absent = nodes and not runtime.other_checkpoints and nodes.absent(runtime, {file})
        return f"the bucket of the models has no {file[:200]}" if absent else ""
    return "" if same_model(name, served) else f"this runtime serves {served}, not {name[:200]}"


def _source_errors(content: Mapping[str, Any], place: str) -> Iterator[FieldError]:
    """The pictures to start from: v1alpha1 names one among the scripts."""
    images, scripts = content.get("init_images"), content.get("alwayson_scripts")
    legacy = isinstance(scripts, Mapping) and isinstance(scripts.get("image_link"), str)
    if images is None and not legacy:
        yield FieldError(f"{place}.init_images", "is missing")


def _list_errors(content: Mapping[str, Any], place: str) -> Iterator[FieldError]:
    if "imageList" not in content:
        yield FieldError(f"{place}.imageList", "is missing")
    items = content.get("imageList")
    for n, item in enumerate(items if isinstance(items, list) else ()):
        for name in ("data", "name"):
            if not isinstance(item, Mapping) or not isinstance(item.get(name), str):
                yield FieldError(f"{place}.imageList[{n}].{name}", "must be a string")


def _graph_errors(runtime: Runtime, content: Mapping[str, Any], place: str) -> Iterator[FieldError]:
    if problem := graph_problem(content) or batch_problem(content):
        yield FieldError(place, problem.removeprefix("content "))
    else:
        yield from _path_errors(runtime, content, file_paths(content, "image_name"), place)


def _path_errors(
    runtime: Runtime, content: Mapping[str, Any], paths: Sequence[Sequence[str | int]], place: str
) -> Iterator[FieldError]:
    for path in paths:
        value: Any = content
        field = place
        for key in path:
            value = value[key]
            field += f"[{key}]" if isinstance(key, int) else f".{key}"
        if problem := _url_error(runtime, value):
            yield FieldError(field.removeprefix("."), problem)


def _url_error(runtime: Runtime, value: Any) -> str:
    """Why the agent would refuse a URL; "" for what is not one."""
    if not isinstance(value, str) or "://" not in value.strip()[:16]:
        return ""
    # In its own bucket are uploads: the agent knows which it may read.
    return url_problem(value, (*runtime.input_buckets, runtime.bucket))
