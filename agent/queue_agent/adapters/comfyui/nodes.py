"""What the API needs of ComfyUI's `/object_info`, which is mostly texts for people. Pure."""

from collections.abc import Mapping
from typing import Any

CLASS_KEYS = ("output", "output_node", "python_module")
# Of an input: its values and its range, the inputs that depend on it, and where its values come from.
INPUT_KEYS = ("min", "max", "options", "multiselect", "template", "inputs", "key", "remote")
TEMPLATE_KEYS = ("input", "prefix", "names", "min", "max")
# The list of an input is that of uploaded files: `image_upload`, `image_folder`.
UPLOAD_FLAGS = ("_upload", "_folder")


def described(object_info: Any, replacements: Any) -> dict[str, Any] | None:
    """`{classes, replaced}` from the responses of a server; None when the first has another form."""
    if not isinstance(object_info, Mapping) or not object_info:
        return None
    classes = {
        name: {**{key: node[key] for key in CLASS_KEYS if key in node}, "input": _inputs(node.get("input"))}
        for name, node in object_info.items()
        if isinstance(node, Mapping)
    }
    return {"classes": classes, "replaced": sorted(replacements) if isinstance(replacements, Mapping) else []}


def _inputs(inputs: Any) -> dict[str, Any]:
    groups = inputs if isinstance(inputs, Mapping) else {}
    return {
        group: {name: _spec(spec) for name, spec in groups[group].items()}
        for group in ("required", "optional")
        if isinstance(groups.get(group), Mapping)
    }


def _spec(spec: Any) -> Any:
    if not isinstance(spec, list) or len(spec) < 2 or not isinstance(spec[1], Mapping):
        return spec[:1] if isinstance(spec, list) else spec
    kept = {
        key: value
        for key, value in spec[1].items()
        if key in INPUT_KEYS or (key.endswith(UPLOAD_FLAGS) and value)
    }
    if isinstance(kept.get("template"), Mapping):
        template = {key: value for key, value in kept["template"].items() if key in TEMPLATE_KEYS}
        kept["template"] = {**template, "input": _inputs(template.get("input"))}
    if isinstance(kept.get("inputs"), Mapping):
        kept["inputs"] = _inputs(kept["inputs"])
    if isinstance(kept.get("options"), list):
        kept["options"] = [_option(option) for option in kept["options"]]
    return [spec[0], kept] if kept else [spec[0]]


def _option(option: Any) -> Any:
    """An option of a dynamic list has inputs of its own."""
    if not isinstance(option, Mapping):
        return option
    return {"key": option.get("key"), "inputs": _inputs(option.get("inputs"))}
