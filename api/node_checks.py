"""Checks a ComfyUI workflow against the nodes of its runtime, as ComfyUI does before it queues one. Pure.

Source: validate_prompt and validate_inputs in execution.py of ComfyUI 0.28.1. Whatever /object_info leaves
open is accepted here, and left to ComfyUI.
"""

import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from queue_agent.task.protocol import ASSET_TYPE
from queue_agent.task.workflow import class_of, inputs_of, loaded_files, lost_links

from api.node_inputs import NodeInput, declared_inputs, fits, type_name, value_error

# Modules of ComfyUI's own nodes; those of extensions are in custom_nodes.
_OWN_MODULES = ("nodes", "comfy_extras", "comfy_api_nodes")
# ComfyUI's own nodes that check inputs themselves, in any version from 0.3.45 to 0.33.0; None: all inputs.
_OWN_CHECKS: Mapping[str, tuple[str, ...] | None] = {
    "ComfySoftSwitchNode": ("switch", "on_false", "on_true"),
    "CustomCombo": None,
    "FluxProUltraImageNode": ("aspect_ratio",),
    "KlingCameraControls": None,
    "Load3D": None,
    "Load3DAdvanced": None,
    "LoadAudio": ("audio",),
    "LoadImage": ("image",),
    "LoadImageMask": ("image",),
    "LoadImageOutput": ("image",),
    "LoadImageSetNode": ("images", "resize_method"),
    "LoadLatent": ("latent",),
    "LoadVideo": ("file",),
    "ModelAttentionBackend": ("attention",),
    "SelectCLIPDevice": ("device",),
    "SelectModelDevice": ("device",),
    "SelectVAEDevice": ("device",),
    "TripoConversionNode": None,
    "WebcamCapture": ("image",),
}
# Those that check the types of their links themselves.
_OWN_LINK_CHECKS = ("TripoConversionNode",)
# Lists of folders, which change as the lists of files do.
_FOLDER_LISTS = (
    ("DiffusersLoader", "model_path"),
    ("LoadImageDataSetFromFolder", "folder"),
    ("LoadImageSetFromFolderNode", "folder"),
    ("LoadImageTextDataSetFromFolder", "folder"),
    ("LoadImageTextSetFromFolderNode", "folder"),
    ("LoadVideoDataSetFromFolder", "folder"),
    ("LoadVideoTextDataSetFromFolder", "folder"),
)
NO_OUTPUT = "the workflow has no output node, such as SaveImage: nothing would be made"


@dataclass(frozen=True)
class Nodes:
    """The classes of nodes of a runtime: its answer to /object_info; those that it replaces by others."""

    classes: Mapping[str, Any]
    replaced: frozenset[str] = frozenset()


@dataclass(frozen=True)
class NodeError:
    """What is wrong with a node of a workflow, or with one of its inputs; without a node, with the whole.

    `file`: an error only if that file was not put into the bucket of the models since the server was asked.
    """

    node: str
    title: str
    input: str
    reason: str
    file: str = ""

    @property
    def text(self) -> str:
        """The error in one line."""
        if not self.node:
            return self.reason
        place = f"{self.input} " if self.input else ""
        return f"node {self.node} ({self.title}): {place}{self.reason}"


def title_of(node: Any) -> str:
    """What a node is called in the editor; without a title, its class."""
    meta = node.get("_meta") if isinstance(node, Mapping) else None
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return (title if isinstance(title, str) else "") or class_of(node) or "no class"


def node_errors(graph: Mapping[str, Any], nodes: Nodes) -> list[NodeError]:
    """Every error of a workflow in API format; its nodes are objects with `class_type` and `inputs`."""
    checks = _Checks(graph, nodes)
    errors = list(checks.unknown_classes())
    needed = checks.needed()
    if not needed and not errors and not checks.replaced:
        return [NodeError("", "", "", NO_OUTPUT)]
    for node_id, inputs in needed.items():
        errors += checks.errors_of(node_id, inputs)
    return [*errors, *checks.lost_links(), *_cycle(graph, needed)]


class _Checks:
    """One workflow and the nodes of its runtime."""

    def __init__(self, graph: Mapping[str, Any], nodes: Nodes) -> None:
        self._graph = graph
        self._nodes = nodes
        self._files = {(file.node, file.name) for file in loaded_files(graph)}

    @property
    def replaced(self) -> bool:
        """Whether ComfyUI puts nodes of other classes in the place of some."""
        return any(class_of(node) in self._nodes.replaced for node in self._graph.values())

    def unknown_classes(self) -> Iterator[NodeError]:
        """ComfyUI refuses these even where no output needs them."""
        for node_id, node in self._graph.items():
            name = class_of(node)
            if name not in self._nodes.classes and name not in self._nodes.replaced:
                yield self._error(node_id, "", f"this runtime has no node {name[:80]!r}")

    def needed(self) -> dict[str, list[NodeInput]]:
        """The nodes that an output needs, with their inputs: ComfyUI looks at no other."""
        waiting = [node_id for node_id in self._graph if self._class(node_id).get("output_node")]
        needed: dict[str, list[NodeInput]] = {}
        while waiting:
            node_id = waiting.pop()
            if node_id not in needed:
                values = inputs_of(self._graph[node_id])
                needed[node_id] = declared_inputs(self._class(node_id), values)
                waiting += _sources(self._graph, values, needed[node_id])
        return needed

    def errors_of(self, node_id: str, inputs: list[NodeInput]) -> Iterator[NodeError]:
        """The errors of one node."""
        values = inputs_of(self._graph[node_id])
        for item in inputs:
            if item.name not in values:
                if item.required:
                    yield self._error(node_id, item.name, "is required")
            elif isinstance(value := values[item.name], list):
                if reason := self._link_problem(node_id, item, value):
                    yield self._error(node_id, item.name, reason)
            elif not self._is_replaced(node_id, item.name, value):
                error = value_error(item, value, strict=self._is_strict(node_id, item.name))
                if error is not None:
                    yield self._error(node_id, item.name, error.reason, error.file)

    def lost_links(self) -> Iterator[NodeError]:
        """ComfyUI follows these without a check: they would end the thread that runs its workflows."""
        for node_id, name, source in lost_links(self._graph):
            declared = declared_inputs(self._class(node_id), inputs_of(self._graph[node_id]))
            if self._class(node_id) and name not in [item.name for item in declared]:
                yield self._error(node_id, name, f"is linked to node {source[:80]}, which does not exist")

    def _link_problem(self, node_id: str, item: NodeInput, link: list[Any]) -> str:
        if len(link) != 2:
            return "must be a link [node id, number of the output]: a list of two"
        source, slot = link
        if not isinstance(source, str) or source not in self._graph:
            return f"is linked to node {str(source)[:80]}, which does not exist"
        return self._slot_problem(node_id, item, source, slot) if self._is_own(source) else ""

    def _slot_problem(self, node_id: str, item: NodeInput, source: str, slot: Any) -> str:
        outputs = self._class(source).get("output") or []
        place = f"of node {source} ({title_of(self._graph[source])})"
        if not isinstance(slot, int) or not -len(outputs) <= slot < len(outputs):
            return f"is linked to output {str(slot)[:80]} {place}, which has {len(outputs)} outputs"
        checks_itself = class_of(self._graph[node_id]) in _OWN_LINK_CHECKS
        if checks_itself or not self._is_own(node_id) or fits(outputs[slot], item.kind):
            return ""
        expected, received = type_name(item.kind), type_name(outputs[slot])
        return f"needs {expected}, but is linked to output {slot} {place}, which is {received}"

    def _is_replaced(self, node_id: str, name: str, value: Any) -> bool:
        """Whether the agent puts the name of a file in the place of the value."""
        reference = isinstance(value, Mapping) and value.get("__type") == ASSET_TYPE
        return reference or (node_id, name) in self._files

    def _is_strict(self, node_id: str, name: str) -> bool:
        """Whether ComfyUI itself checks the value of an input."""
        kind = class_of(self._graph[node_id])
        checked = _OWN_CHECKS.get(kind, ())
        return self._is_own(node_id) and not (
            checked is None or name in checked or (kind, name) in _FOLDER_LISTS
        )

    def _is_own(self, node_id: str) -> bool:
        """Whether a node is ComfyUI's own. Servers of 2024 do not say where a node comes from."""
        module = str(self._class(node_id).get("python_module") or "")
        return module.partition(".")[0] in _OWN_MODULES

    def _class(self, node_id: str) -> Mapping[str, Any]:
        entry = self._nodes.classes.get(class_of(self._graph[node_id]))
        return entry if isinstance(entry, Mapping) else {}

    def _error(self, node_id: str, name: str, reason: str, file: str = "") -> NodeError:
        return NodeError(node_id, title_of(self._graph[node_id]), name, reason, file)


def _sources(graph: Mapping[str, Any], values: Mapping[str, Any], inputs: list[NodeInput]) -> list[str]:
    """The nodes to which a node is linked."""
    links = [values[item.name] for item in inputs if isinstance(values.get(item.name), list)]
    sources = [link[0] for link in links if len(link) == 2]
    return [source for source in sources if isinstance(source, str) and source in graph]


def _cycle(graph: Mapping[str, Any], needed: Mapping[str, list[NodeInput]]) -> Iterator[NodeError]:
    links = {
        node_id: _sources(graph, inputs_of(graph[node_id]), inputs) for node_id, inputs in needed.items()
    }
    try:
        graphlib.TopologicalSorter(links).prepare()
    except graphlib.CycleError as error:
        path = list(reversed(error.args[1]))
        reason = f"is part of a cycle: {' → '.join(path[:20])}"
        yield NodeError(path[0], title_of(graph[path[0]]), "", reason)
