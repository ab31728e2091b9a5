"""The inputs of ComfyUI's nodes, as /object_info describes them, and whether a value fits. Pure.

A class of nodes may replace ComfyUI's checks by its own (VALIDATE_INPUTS), and extensions use types that
compare unlike their text; /object_info says neither. So `strict` checks are for ComfyUI's own nodes only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_CONVERSIONS: Mapping[str, tuple[Any, str]] = {"INT": (int, "an integer"), "FLOAT": (float, "a number")}
# Files of models, and files that senders upload: the lists of both change while a server runs.
MODEL_EXTENSIONS = (
    *(".bin", ".ckpt", ".gguf", ".onnx", ".pkl", ".pt", ".pt2", ".pth", ".safetensors", ".sft"),
)
_UPLOAD_EXTENSIONS = (
    *(".aac", ".avi", ".bmp", ".csv", ".fbx", ".flac", ".gif", ".glb", ".gltf", ".jpeg", ".jpg", ".json"),
    *(".ksplat", ".latent", ".m4a", ".mkv", ".mov", ".mp3", ".mp4", ".obj", ".ogg", ".opus", ".pdf", ".ply"),
    *(".png", ".splat", ".spz", ".stl", ".svg", ".tif", ".tiff", ".txt", ".wav", ".webm", ".webp", ".yaml"),
)
_UPLOAD_FLAGS = ("_upload", "_folder")
_SHOWN_OPTIONS, _SHOWN_CHARACTERS = 12, 80
# Types of outputs and inputs that fit any other.
_ANY_TYPES = ("*", "COMFY_MATCHTYPE_V3")


@dataclass(frozen=True)
class NodeInput:
    """An input of a node: its type, or its values; what else /object_info says of it."""

    name: str
    kind: Any
    config: Mapping[str, Any]
    required: bool


@dataclass(frozen=True)
class InputError:
    """What is wrong with an input. `file`: a name that the server did not have when it was asked."""

    reason: str
    file: str = ""


def declared_inputs(node: Mapping[str, Any], values: Mapping[str, Any]) -> list[NodeInput]:
    """The inputs of a class of nodes, for these values: some inputs exist only with a value of another.

    Source: get_finalized_class_inputs in comfy_api/latest/_io.py of ComfyUI 0.28.1.
    """
    inputs = {item.name: item for item in _expanded(node.get("input"), values, "", depth=0)}
    return list(inputs.values())


def value_error(item: NodeInput, value: Any, *, strict: bool) -> InputError | None:
    """What is wrong with a value that is not a link; None if nothing."""
    if isinstance(value, Mapping) and "__value__" in value:
        value = value["__value__"]
    if isinstance(item.kind, str) and item.kind in _CONVERSIONS:
        convert, expected = _CONVERSIONS[item.kind]
        try:
            number = convert(value)
        except (TypeError, ValueError, OverflowError):
            return InputError(f"must be {expected}; it is {_excerpt(value)}")
        return _range_error(item.config, number) if strict else None
    return _option_error(item, value) if strict else None


def fits(received: Any, expected: Any) -> bool:
    """Whether an output of a type may be linked to an input of a type (comfy_execution/validation.py)."""
    if received == expected or received in _ANY_TYPES or expected in _ANY_TYPES:
        return True
    if isinstance(received, list) and expected == "COMBO":
        return True
    if not isinstance(received, str) or not isinstance(expected, str):
        return False
    received_types, expected_types = _types(received), _types(expected)
    return "*" in received_types | expected_types or bool(received_types & expected_types)


def type_name(kind: Any) -> str:
    """The name of a type: that of a list of values is COMBO."""
    return kind if isinstance(kind, str) else "COMBO"


def _expanded(part: Any, values: Mapping[str, Any], prefix: str, *, depth: int) -> Iterator[NodeInput]:
    for group in ("required", "optional"):
        inputs = part.get(group) if isinstance(part, Mapping) else None
        for name, spec in inputs.items() if isinstance(inputs, Mapping) else ():
            if isinstance(spec, list) and spec and depth < 8:
                config = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
                item = NodeInput(prefix + name, spec[0], config, group == "required")
                yield from _dynamic(item, values, depth)


def _dynamic(item: NodeInput, values: Mapping[str, Any], depth: int) -> Iterator[NodeInput]:
    inner = f"{item.name}."
    match item.kind:
        case "COMFY_DYNAMICCOMBO_V3":
            options = [entry for entry in item.config.get("options") or () if isinstance(entry, Mapping)]
            chosen = [entry for entry in options if item.name in values]
            chosen = [entry for entry in chosen if entry.get("key") == values[item.name]][:1]
            for entry in chosen:
                yield from _expanded(entry.get("inputs"), values, inner, depth=depth + 1)
        case "COMFY_DYNAMICSLOT_V3":
            if item.name in values:
                yield NodeInput(item.name, "*", {}, False)
                yield from _expanded(item.config.get("inputs"), values, inner, depth=depth + 1)
        case "COMFY_AUTOGROW_V3":
            yield from _grown(item, inner)
        case str(kind) if kind.startswith("COMFY_") and kind not in _ANY_TYPES:
            return  # of a later version
        case _:
            yield item


def _grown(item: NodeInput, inner: str) -> Iterator[NodeInput]:
    """The inputs of one that grows: each of the same type, the first few required."""
    template = item.config.get("template")
    if not isinstance(template, Mapping) or not isinstance(template.get("input"), Mapping):
        return
    least, most = template.get("min", 0), template.get("max", 0)
    names = template.get("names") or [f"{template.get('prefix', '')}{n}" for n in range(most)]
    for group in ("required", "optional"):
        for spec in list((template["input"].get(group) or {}).values())[:1]:
            config = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
            for n, name in enumerate(names):
                yield NodeInput(f"{inner}{name}", spec[0], config, group == "required" and n < least)
            return


def _range_error(config: Mapping[str, Any], number: float) -> InputError | None:
    least, most = (config.get(name) for name in ("min", "max"))
    if isinstance(least, int | float) and number < least:
        return InputError(f"must be at least {least}; it is {number}")
    if isinstance(most, int | float) and number > most:
        return InputError(f"must be at most {most}; it is {number}")
    return None


def _option_error(item: NodeInput, value: Any) -> InputError | None:
    """Why a value is not in the list of an input; None for an input without one, or one of uploaded files."""
    options = item.kind if isinstance(item.kind, list) else item.config.get("options")
    if type_name(item.kind) != "COMBO" or not isinstance(options, list):
        return None
    if any(name.endswith(_UPLOAD_FLAGS) for name in item.config) or "remote" in item.config:
        return None
    values = value if isinstance(value, list) and item.config.get("multiselect") else [value]
    missing = [entry for entry in values if entry not in options]
    if not missing:
        return None
    listed, named = (
        [entry.lower() for entry in each if isinstance(entry, str)] for each in (options, missing)
    )
    if any(text.endswith(MODEL_EXTENSIONS) for text in (*listed, *named)):
        names = ", ".join(map(_excerpt, missing))
        return InputError(f"is {names}, which this runtime does not have", file=str(missing[0]))
    if not options or any(text.endswith(_UPLOAD_EXTENSIONS) for text in listed):
        return None  # a list of files, which is not the one of the pod that will run the task
    some = ", ".join(_excerpt(option) for option in options[:_SHOWN_OPTIONS])
    more = f" and {len(options) - _SHOWN_OPTIONS} more" if len(options) > _SHOWN_OPTIONS else ""
    return InputError(f"is {_excerpt(missing[0])}, which is not one of {some}{more}")


def _types(text: str) -> set[str]:
    return {part.strip() for part in text.split(",")}


def _excerpt(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
