"""Checks workflows as ComfyUI does before it queues them (validate_prompt in its execution.py)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.runtimes.comfyui.nodes import Input, Node, known

Graph = Mapping[str, Any]
CONVERSIONS: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
# The first version that accepts only UUIDs as ids.
VALIDATES_IDS = (0, 25, 0)
# Inputs that name an uploaded file: the check is the node's own, with another error.
UPLOADS = {"LoadImage": "image", "LoadImageMask": "image", "LoadVideo": "file", "LoadAudio": "audio"}


@dataclass(frozen=True)
class Verdict:
    """The result: an error of the whole workflow, and the invalid nodes with their errors."""

    error: dict[str, Any] | None
    node_errors: dict[str, Any]
    outputs: tuple[str, ...] = ()  # those that are executed

    def body(self) -> dict[str, Any]:
        """The body of ComfyUI's 400."""
        return {"error": self.error, "node_errors": self.node_errors}


def error(kind: str, message: str, details: str = "") -> dict[str, Any]:
    """An error as ComfyUI describes it."""
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def validate(prompt: Any, models: list[str], uploads: set[str]) -> Verdict:
    """Check the nodes that an output needs. `models` and `uploads` are the names of files."""
    if not prompt:
        return Verdict(error("no_prompt", "No prompt provided", "No prompt provided"), {})
    nodes = known()
    for node_id, node in prompt.items():
        if not isinstance(node, Mapping) or node.get("class_type") not in nodes:
            name = node.get("class_type") if isinstance(node, Mapping) else None
            message = f"Node '{name}' not found. The custom node may not be installed."
            return Verdict(error("missing_node_type", message, f"Node ID '#{node_id}'"), {})
    outputs = [node_id for node_id, node in prompt.items() if nodes[node["class_type"]].saves]
    if not outputs:
        return Verdict(error("prompt_no_outputs", "Prompt has no outputs"), {})
    needed = {output: _needed(prompt, output) for output in outputs}
    every = {node_id for ids in needed.values() for node_id in ids}
    errors = {node_id: list(_node_errors(prompt, node_id, models, uploads)) for node_id in sorted(every)}
    node_errors = {
        node_id: {
            "errors": own,
            "dependent_outputs": [output for output in outputs if node_id in needed[output]],
            "class_type": prompt[node_id]["class_type"],
        }
        for node_id, own in errors.items()
        if own
    }
    good = tuple(output for output in outputs if not any(errors[node_id] for node_id in needed[output]))
    whole = None if good else error("prompt_outputs_failed_validation", "Prompt outputs failed validation")
    return Verdict(whole, node_errors, good)


def _needed(prompt: Graph, output: str) -> set[str]:
    """The nodes that an output needs, itself among them."""
    found: set[str] = set()
    waiting = [output]
    while waiting:
        node_id = waiting.pop()
        if node_id in found or node_id not in prompt:
            continue
        found.add(node_id)
        waiting += [str(value[0]) for value in prompt[node_id].get("inputs", {}).values() if _is_link(value)]
    return found


def lost_links(prompt: Graph, outputs: Iterable[str]) -> bool:
    """Whether a node that these outputs need has a link to none, in an input that no class of nodes declares.

    The real server does not check such inputs, and the thread that runs prompts ends when it follows them.
    """
    needed = {node_id for output in outputs for node_id in _needed(prompt, output)}
    links = [link for node_id in needed for link in prompt[node_id].get("inputs", {}).values()]
    return any(_is_link(link) and isinstance(link[0], str) and link[0] not in prompt for link in links)


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _node_errors(
    prompt: Graph, node_id: str, models: list[str], uploads: set[str]
) -> Iterator[dict[str, Any]]:
    kind = prompt[node_id]["class_type"]
    node, inputs = known()[kind], prompt[node_id].get("inputs", {})
    for name, expected in node.inputs.items():
        if name not in inputs:
            if not expected.optional and not expected.type.startswith("COMFY_"):
                yield error("required_input_missing", "Required input is missing", name)
        elif isinstance(inputs[name], list):
            yield from _link_errors(prompt, name, inputs[name], expected)
        elif UPLOADS.get(kind) == name:
            if str(inputs[name]).removesuffix(" [input]") not in uploads:
                what = {"image": "image", "file": "video", "audio": "audio"}[name]
                text = f"{name} - Invalid {what} file: {inputs[name]}"
                yield error("custom_validation_failed", "Custom validation failed for node", text)
        else:
            yield from _value_errors(name, inputs[name], expected, models)


def _link_errors(prompt: Graph, name: str, link: list[Any], expected: Input) -> Iterator[dict[str, Any]]:
    if not _is_link(link):
        text = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
        yield error("bad_linked_input", text, name)
        return
    source = prompt.get(str(link[0]))
    outputs = known()[source["class_type"]].outputs if source is not None else ()
    if outputs is None:  # of an extension
        return
    if source is None or not isinstance(link[1], int) or not -len(outputs) <= link[1] < len(outputs):
        yield error("exception_during_validation", "Exception when validating node", repr(link[0]))
        return
    received = outputs[link[1]]
    if not _fits(received, expected.type):
        details = f"{name}, received_type({received}) mismatch input_type({expected.type})"
        yield error("return_type_mismatch", "Return type mismatch between linked nodes", details)


def _fits(received: str, expected: str) -> bool:
    if "*" in (received, expected) or "COMFY_" in received + expected:
        return True
    return bool(set(received.split(",")) & set(expected.split(",")))


def _value_errors(name: str, value: Any, expected: Input, models: list[str]) -> Iterator[dict[str, Any]]:
    try:
        value = CONVERSIONS.get(expected.type, lambda same: same)(value)
    except (ValueError, TypeError, OverflowError) as fault:
        message = f"Failed to convert an input value to a {expected.type} value"
        yield error("invalid_input_type", message, f"{name}, {value}, {fault}")
        return
    if expected.min is not None and value < expected.min:
        yield error("value_smaller_than_min", f"Value {value} smaller than min of {expected.min}", name)
    if expected.max is not None and value > expected.max:
        yield error("value_bigger_than_max", f"Value {value} bigger than max of {expected.max}", name)
    choices: Any = models if expected.files else expected.choices
    if choices is not None and value not in choices:
        known_values = f"(list of length {len(choices)})" if len(choices) > 20 else str(list(choices))
        yield error("value_not_in_list", "Value not in list", f"{name}: {value!r} not in {known_values}")


def node_of(kind: str) -> Node | None:
    """The class of nodes with this name."""
    return known().get(kind)


def id_error(name: Any, version: tuple[int, ...]) -> Verdict | None:
    """The verdict on the id of a prompt, in this version; None when it is accepted."""
    if version < VALIDATES_IDS or name is None or _is_canonical_uuid(name):
        return None
    return Verdict(error("invalid_prompt_id", "prompt_id must be a valid UUID"), {})


def _is_canonical_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False
