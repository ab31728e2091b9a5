"""Reads the files in which ComfyUI's tools list custom nodes.

A snapshot of ComfyUI-Manager: JSON, or YAML below `custom_nodes` (get_current_snapshot in
https://github.com/ltdrdata/ComfyUI-Manager/blob/908a1009d25a85bae7caeba534046153ef04f97d/glob/manager_core.py).
comfy-lock.yaml of comfy-cli: the same below `custom_nodes` (README.md of
https://github.com/Comfy-Org/comfy-cli/tree/e805d26b599773022e7e9594127acdfdf3017d8f).
A snapshot of ComfyUI Desktop, one or an export of one (snapshot_from_definition in
https://github.com/Comfy-Org/comfy-cli/blob/e805d26b599773022e7e9594127acdfdf3017d8f/comfy_cli/command/distribution.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from generator.solution.custom_nodes import MANAGER, CustomNodes, GitNode, RegistryNode, folder_of

# A version as it is on PyPI: the snapshot of a workstation has others, such as 2.9.1+cu128 and URLs.
_PUBLIC_VERSION = re.compile(r"[0-9][0-9a-zA-Z.]*")
_PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_GITHUB_SSH = re.compile(r"(?:git@github\.com:|ssh://git@github\.com/)(.+)")
FORMATS = "a snapshot of ComfyUI-Manager or ComfyUI Desktop, or a comfy-lock.yaml"


class SnapshotError(Exception):
    """A file that lists no custom nodes; the text has the line where that is known."""


@dataclass(frozen=True)
class SnapshotNode:
    """A node of the file, not checked yet, and its line, from 1."""

    node: GitNode | RegistryNode
    line: int


@dataclass(frozen=True)
class Snapshot:
    """The nodes of a file that are not disabled, the lines of single files, and the pinned packages.

    `files`: names of Python files in custom_nodes/ that the snapshot only names, with their lines.
    """

    nodes: tuple[SnapshotNode, ...]
    files: tuple[tuple[str, int], ...]
    pins: tuple[tuple[str, str], ...]

    def custom_nodes(self) -> CustomNodes:
        """The nodes of a file that has validated."""
        nodes = [item.node for item in self.nodes]
        return CustomNodes(
            git=tuple(node for node in nodes if isinstance(node, GitNode)),
            registry=tuple(node for node in nodes if isinstance(node, RegistryNode)),
            pins=self.pins,
        )


def parse(text: str) -> Snapshot:
    """The nodes that a file lists. Raises SnapshotError."""
    root = _mapping(_loaded(text), "the file")
    if "snapshots" in root or "customNodes" in root:
        return _desktop(root)
    if "custom_nodes" in root:
        root = _mapping(root["custom_nodes"], "custom_nodes")
    if not {"git_custom_nodes", "cnr_custom_nodes", "file_custom_nodes"} & set(root):
        raise SnapshotError(f"it is not {FORMATS}: git_custom_nodes is missing")
    return _manager(root)


def _loaded(text: str) -> yaml.Node:
    # JSON is YAML, but for the tabs that some programs indent it with; inside a JSON text there are none.
    text = text.lstrip("\ufeff")
    is_json = text.lstrip().startswith("{")
    try:
        root = yaml.compose(text.replace("\t", " ") if is_json else text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise SnapshotError(f"{line}not valid {'JSON' if is_json else 'YAML'}") from error
    except RecursionError as error:
        raise SnapshotError("its lists and mappings are nested too deeply") from error
    if root is None:
        raise SnapshotError("the file is empty")
    return root


def _mapping(node: yaml.Node, name: str) -> dict[str, yaml.Node]:
    if _is_null(node):
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise SnapshotError(f"line {_line(node)}: {name} is not a mapping")
    return {str(key.value): value for key, value in node.value}


def _list(node: yaml.Node | None, name: str) -> list[yaml.Node]:
    if node is None or _is_null(node):
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise SnapshotError(f"line {_line(node)}: {name} is not a list")
    return list(node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _is_null(node: yaml.Node | None) -> bool:
    return node is None or node.tag == "tag:yaml.org,2002:null"


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) and not _is_null(node) else ""


def _on(node: yaml.Node | None) -> bool:
    return _text(node).lower() in ("true", "yes", "on")


def _manager(root: dict[str, yaml.Node]) -> Snapshot:
    git = _mapping(root["git_custom_nodes"], "git_custom_nodes") if "git_custom_nodes" in root else {}
    registry = _mapping(root["cnr_custom_nodes"], "cnr_custom_nodes") if "cnr_custom_nodes" in root else {}
    nodes = [*_manager_git(git), *_registry(registry)]
    files = [
        _mapping(node, "file_custom_nodes")
        for node in _list(root.get("file_custom_nodes"), "file_custom_nodes")
    ]
    kept = [(_text(entry.get("filename")), _line(entry["filename"])) for entry in files
            if "filename" in entry and not _on(entry.get("disabled"))]  # fmt: skip
    return Snapshot(tuple(nodes), tuple(kept), _pins(root.get("pips")))


def _manager_git(entries: dict[str, yaml.Node]) -> Iterator[SnapshotNode]:
    for url, value in entries.items():
        entry = _mapping(value, url)
        if not _on(entry.get("disabled")) and MANAGER not in url.lower():
            yield SnapshotNode(_git_node(url, _text(entry.get("hash"))), _line(value))


def _registry(entries: dict[str, yaml.Node]) -> Iterator[SnapshotNode]:
    for name, version in entries.items():
        if MANAGER not in name.lower():
            yield SnapshotNode(RegistryNode(name, _text(version)), _line(version))


def _git_node(url: str, commit: str) -> GitNode:
    """The node; an SSH URL of GitHub, as in a developer's clone, becomes the HTTPS URL."""
    ssh = _GITHUB_SSH.fullmatch(url)
    url = (f"https://github.com/{ssh[1]}" if ssh else url).rstrip("/")
    return GitNode(url, commit, folder_of(url))


def _pins(node: yaml.Node | None) -> tuple[tuple[str, str], ...]:
    """Packages with versions of PyPI; ComfyUI-Manager writes `name==version` as key in older releases."""
    if node is None or _is_null(node):
        return ()
    pins = []
    for key, value in _mapping(node, "pips").items():
        name, _, version = key.partition("==")
        version = version or _text(value)
        if _PACKAGE.fullmatch(name) and _PUBLIC_VERSION.fullmatch(version):
            pins.append((re.sub("[-_.]+", "-", name).lower(), version))
    return tuple(sorted(pins))


def _desktop(root: dict[str, yaml.Node]) -> Snapshot:
    snapshots: list[Any] = _list(root.get("snapshots"), "snapshots") if "snapshots" in root else []
    if len(snapshots) > 1:
        raise SnapshotError(f"it has {len(snapshots)} snapshots: export one")
    if "snapshots" in root:
        root = _mapping(snapshots[0], "snapshots[0]") if snapshots else {}
    nodes = []
    for value in _list(root.get("customNodes"), "customNodes"):
        entry = _mapping(value, "customNodes")
        name = _text(entry.get("id")) or _text(entry.get("dirName"))
        off = "enabled" in entry and not _on(entry["enabled"])
        if off or MANAGER in name.lower():
            continue
        if _text(entry.get("type")) == "git":
            node: GitNode | RegistryNode = _git_node(_text(entry.get("url")), _text(entry.get("commit")))
        else:
            node = RegistryNode(name, _text(entry.get("version")))
        nodes.append(SnapshotNode(node, _line(value)))
    return Snapshot(tuple(nodes), (), _pins(root.get("pipPackages")))
