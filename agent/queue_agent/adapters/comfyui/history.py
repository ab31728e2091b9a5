"""Reads ComfyUI's history entries and error responses. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.adapters.shared.faults import NO_WORDS, execution_error, runtime_error, words_of
from queue_agent.blobs import Blob
from queue_agent.contract import Cancelled, Output, RuntimeUnavailable, TaskError

# Types of errors in which a node reports an exception of its own check, in execution.py of ComfyUI.
CHECK_FAILED = (
    "exception_during_validation",
    "exception_during_inner_validation",
    "custom_validation_failed",
)
NO_FILES = "not in []"
# Keys under which nodes show texts: PreviewAny, ShowText, those of WAS. Others, such as `tags` of WD14Tagger,
# are notes beside the pictures of a workflow, and its result only when it makes nothing else.
TEXT_KEYS = ("text", "string")
# ComfyUI repeats a value that it rejects in full, even if it is a whole image in base64.
DETAIL_MAX_CHARACTERS = 300
FOLDERS = ("output", "temp", "input")
REASON_MAX_CHARACTERS = 2000


def failure(entry: Mapping[str, Any]) -> Exception | None:
    """The error of a finished prompt; None when it succeeded."""
    status = entry.get("status") or {}
    messages: dict[str, Any] = dict(status.get("messages") or ())
    if "execution_interrupted" in messages:
        return Cancelled()
    if status.get("status_str") == "success" and "execution_error" not in messages:
        return None
    error = messages.get("execution_error")
    if not isinstance(error, Mapping):
        return RuntimeUnavailable("runtime_error", "the task failed and the runtime gave no reason")
    kind, message = str(error.get("exception_type", "")), str(error.get("exception_message", "unknown"))
    own = words_of(entry.get("prompt"))
    return execution_error(kind, message, str(error.get("node_type", "node")), own)


def rejected(document: Any, graph: Mapping[str, Any]) -> TaskError | RuntimeUnavailable:
    """The error for a workflow that the server has rejected; `document` is its response.

    The id of the prompt is the agent's, and a check of a node may fail because of the machine.
    """
    reason = rejection(document)
    errors = list(_errors(document))
    if any(error.get("type") == "invalid_prompt_id" for error in errors):
        return RuntimeUnavailable("invalid_prompt_id", reason)
    checks = [_joined(error) for error in errors if error.get("type") in CHECK_FAILED]
    own = words_of(graph) if checks else NO_WORDS
    faults = (runtime_error(text, reason, own) for text in checks)
    return next(filter(None, faults), TaskError("bad_workflow", reason))


def finds_no_files(document: Any) -> bool:
    """Whether the server rejected the name of a file because its list of such files is empty."""
    errors = (error for error in _errors(document) if error.get("type") == "value_not_in_list")
    return any(_joined(error).endswith(NO_FILES) for error in errors)


def choices(document: Any, node: str, name: str) -> list[Any]:
    """The values that an input of a node accepts, from `/object_info/{node}`.

    `[[…], {…}]`, or in newer versions `["COMBO", {"options": […]}]`.
    """
    try:
        kind, *more = document[node]["input"]["required"][name]
        values = kind if isinstance(kind, list) else more[0]["options"]
    except (LookupError, TypeError, ValueError):
        return []
    return values if isinstance(values, list) else []


def declares(document: Any, node: str, name: str) -> bool:
    """Whether `/object_info/{node}` lists an input; also when it does not know the node."""
    try:
        inputs = document[node]["input"]
        return any(name in inputs.get(part, {}) for part in ("required", "optional"))
    except (LookupError, TypeError, AttributeError):
        return True


def _errors(document: Any) -> Iterator[Mapping[str, Any]]:
    """The error of the whole workflow, and those of its nodes."""
    fields = document if isinstance(document, Mapping) else {}
    nodes = fields.get("node_errors")
    of_nodes = (
        error
        for node in (nodes.values() if isinstance(nodes, Mapping) else ())
        if isinstance(node, Mapping)
        for error in node.get("errors") or ()
    )
    return (error for error in (fields.get("error"), *of_nodes) if isinstance(error, Mapping))


def rejection(document: Any) -> str:
    """ComfyUI's reasons for each node: `error.details` alone is often empty."""
    fields = document if isinstance(document, Mapping) else {}
    error, nodes = fields.get("error"), fields.get("node_errors")
    parts = [_joined(error)] if isinstance(error, Mapping) else []
    for node_id, node in nodes.items() if isinstance(nodes, Mapping) else ():
        reasons = "; ".join(_joined(reason) for reason in node.get("errors", ()))
        parts.append(f"node {node_id} ({node.get('class_type')}): {reasons or 'its output is dropped'}")
    return (" | ".join(part for part in parts if part) or json.dumps(document))[:REASON_MAX_CHARACTERS]


def files(outputs: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """(node, file) of every file, under any key: images, gifs, audio, 3d. Previews only without others."""
    every = [
        (node, item)
        for node, output in outputs.items()
        for items in (output.values() if isinstance(output, Mapping) else ())
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, Mapping) and "filename" in item
    ]
    return [(node, item) for node, item in every if item.get("type") != "temp"] or every


def place(file: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of `/view` for a file. Nodes of extensions leave out the type, or have their own types.

    Without a type it is in the output folder.
    """
    names = {key: str(file[key]) for key in ("filename", "subfolder") if file.get(key)}
    return {**names, "type": file["type"]} if file.get("type") in FOLDERS else names


def texts(outputs: Mapping[str, Any], *, every: bool = False) -> list[Output]:
    """Every text that a node shows; with `every` those under any key, if there are no others."""
    found = [
        (key, Output(Blob(text.encode()), "text/plain", "text", "txt", {"node": node}))
        for node, output in outputs.items()
        for key, lines in (output.items() if isinstance(output, Mapping) else ())
        for text in _whole(lines)
    ]
    return [text for key, text in found if key in TEXT_KEYS] or [text for _, text in found if every]


def _whole(lines: Any) -> list[str]:
    """The texts in a list. ComfyUI makes a list of characters of what a node returns as a bare text.

    As it adds up the lists of all runs of a node: `get_output_from_returns` in its execution.py.
    """
    found = [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []
    if len(found) > 1 and all(len(line) == 1 for line in found):
        found = ["".join(found)]
    return [line for line in found if line]


def _joined(error: Mapping[str, Any]) -> str:
    return ": ".join(_short(str(error[key])) for key in ("message", "details") if error.get(key))


def _short(text: str) -> str:
    """The text without its middle, if it is long: what is wrong stands at either end."""
    half = DETAIL_MAX_CHARACTERS // 2
    return text if len(text) <= DETAIL_MAX_CHARACTERS else f"{text[:half]} … {text[-half:]}"
