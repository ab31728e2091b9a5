"""Writes the nodes that the simulated ComfyUI knows, from those of a real one: `make comfyui-nodes`."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from local.runtimes.comfyui.nodes import FILE
from tests.local.comfyui_server import running

# Their values are the files that a server has.
FILES = re.compile(r"(?<!sampler)_name$|^(image|file|audio|video|latent|model_file)$")


def main() -> None:
    """Start the checkout of ComfyUI, with the nodes of its partners too, and write the file."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), without="--disable-api-nodes") as server,
    ):
        nodes = table(server.ask("/object_info"))
    rows = [f"{json.dumps(name)}: {json.dumps(node, separators=(',', ':'))}" for name, node in nodes.items()]
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def table(documents: dict[str, Any]) -> dict[str, Any]:
    """The nodes by name: types, ranges and choices of their inputs, types of their outputs."""
    return {name: _node(node) for name, node in sorted(documents.items()) if not name.startswith("Test")}


def _node(document: dict[str, Any]) -> dict[str, Any]:
    inputs = {
        name: _input(name, config) | ({"optional": True} if part == "optional" else {})
        for part in ("required", "optional")
        for name, config in (document["input"].get(part) or {}).items()
    }
    outputs = [kind if isinstance(kind, str) else "COMBO" for kind in document["output"]]
    return {"inputs": inputs, "outputs": outputs} | ({"saves": True} if document["output_node"] else {})


def _input(name: str, config: list[Any]) -> dict[str, Any]:
    kind, extra = config[0], config[1] if len(config) > 1 else {}
    if isinstance(kind, list) or kind == "COMBO":
        choices = kind if isinstance(kind, list) else extra.get("options") or []
        if not choices or FILES.search(name):
            return {"type": "COMBO", "files": True}
        return {"type": "COMBO"} | ({} if extra.get("multiselect") else {"choices": choices})
    limits = {key: extra[key] for key in ("min", "max") if kind in ("INT", "FLOAT") and key in extra}
    return {"type": kind, **{key: value for key, value in limits.items() if value is not None}}


if __name__ == "__main__":
    main()
