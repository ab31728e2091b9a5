"""Lists of custom nodes as ComfyUI-Manager, comfy-cli and ComfyUI Desktop write them."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from generator import app
from generator.app import Target
from generator.solution import node_snapshot
from generator.solution.custom_nodes import GitNode, RegistryNode
from generator.solution.node_snapshot import SnapshotError

COMMIT = "727295b52e5f7b5429e81ca2179172865aa83b99"
# As get_current_snapshot of ComfyUI-Manager returns it: the packages of `pip freeze` are keys.
MANAGER: dict[str, Any] = {
    "comfyui": "87a003e0c975b8f13e2d4067dd0710e56edd7ba5",
    "git_custom_nodes": {
        "https://github.com/a/Nodes.git": {"hash": COMMIT, "disabled": False},
        "git@github.com:b/Other.git": {"hash": COMMIT, "disabled": False},
        "https://github.com/c/off": {"hash": "x", "disabled": True},
        "https://github.com/ltdrdata/ComfyUI-Manager": {"hash": COMMIT, "disabled": False},
    },
    "cnr_custom_nodes": {"comfyui-kjnodes": "1.0.5", "comfyui-manager": "3.31.8"},
    "file_custom_nodes": [
        {"filename": "websocket_image_save.py", "disabled": True},
        {"filename": "mine.py", "disabled": False},
    ],
    "pips": {
        "Pillow_SIMD==9.0.0": "",
        "torch==2.9.1+cu128": "",
        "-e git+https://github.com/d/e#egg=e": "",
        "local": "file:///tmp/local.whl",
        "omegaconf==2.3.0": "",
        "Jaraco.Classes==3.4.0": "",
    },
}
GIT = (
    GitNode("https://github.com/a/Nodes.git", COMMIT, "Nodes"),
    GitNode("https://github.com/b/Other.git", COMMIT, "Other"),
)
REGISTRY = (RegistryNode("comfyui-kjnodes", "1.0.5"),)


def test_a_snapshot_of_comfyui_manager() -> None:
    snapshot = node_snapshot.parse(json.dumps(MANAGER, indent=4))

    nodes = snapshot.custom_nodes()
    assert (nodes.git, nodes.registry) == (GIT, REGISTRY)
    assert nodes.pins == (("jaraco-classes", "3.4.0"), ("omegaconf", "2.3.0"), ("pillow-simd", "9.0.0"))
    assert [name for name, _ in snapshot.files] == ["mine.py"]


def test_lines_are_those_of_the_file() -> None:
    text = json.dumps(MANAGER, indent=4)
    snapshot = node_snapshot.parse(text)

    [line] = [item.line for item in snapshot.nodes if isinstance(item.node, RegistryNode)]
    assert "comfyui-kjnodes" in text.splitlines()[line - 1]
    assert "mine.py" in text.splitlines()[snapshot.files[0][1] - 1]


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_any_json(indent: int | str | None) -> None:
    assert node_snapshot.parse(json.dumps(MANAGER, indent=indent)).custom_nodes().git == GIT


def test_a_lock_of_comfy_cli() -> None:
    """Its README has the format: `custom_nodes` as in ComfyUI-Manager's YAML, models next to it."""
    text = f"""\
basic:
models:
  - model: sdxl
    url: https://huggingface.co/a/b
    paths:
      - path: models/checkpoints
custom_nodes:
  comfyui: {COMMIT}
  file_custom_nodes:
  - disabled: true
    filename: websocket_image_save.py
  git_custom_nodes:
    https://github.com/a/Nodes.git:
      disabled: false
      hash: {COMMIT}
"""
    assert node_snapshot.parse(text).custom_nodes().git == GIT[:1]


def test_a_commit_of_digits_alone_stays_a_text() -> None:
    text = f"custom_nodes:\n  git_custom_nodes:\n    https://github.com/a/b:\n      hash: {'1' * 40}\n"

    [node] = node_snapshot.parse(text).custom_nodes().git
    assert node.commit == "1" * 40


DESKTOP: dict[str, Any] = {
    "comfyui": {"baseTag": "v0.28.1"},
    "customNodes": [
        {
            "type": "cnr",
            "id": "comfyui-kjnodes",
            "dirName": "comfyui-kjnodes",
            "version": "1.0.5",
            "enabled": True,
        },
        {
            "type": "git",
            "id": "Nodes",
            "dirName": "Nodes",
            "url": GIT[0].repository,
            "commit": COMMIT,
            "enabled": True,
        },
        {"type": "git", "id": "off", "dirName": "off", "url": "https://github.com/c/off", "enabled": False},
    ],
    "pipPackages": {"omegaconf": "2.3.0"},
}


@pytest.mark.parametrize(
    "data", [DESKTOP, {"type": "comfyui-desktop-2-snapshot", "version": 2, "snapshots": [DESKTOP]}]
)
def test_a_snapshot_of_comfyui_desktop(data: dict[str, Any]) -> None:
    nodes = node_snapshot.parse(json.dumps(data)).custom_nodes()

    assert (nodes.git, nodes.registry) == (GIT[:1], REGISTRY)
    assert nodes.pins == (("omegaconf", "2.3.0"),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("[]", "the file is not a mapping"),
        ('{"git_custom_nodes": {', "not valid JSON"),
        ("custom_nodes: [", "not valid YAML"),
        ('{"nodes": []}', "git_custom_nodes is missing"),
        ('{"git_custom_nodes": []}', "line 1: git_custom_nodes is not a mapping"),
        ('{"git_custom_nodes": {"https://a.b/c": "main"}}', "https://a.b/c is not a mapping"),
        ('{"file_custom_nodes": {"a": 1}}', "file_custom_nodes is not a list"),
        ('{"snapshots": [{}, {}]}', "it has 2 snapshots"),
        ('{"git_custom_nodes": ' + "[" * 5000, "nested too deeply"),
    ],
)
def test_another_file_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(SnapshotError, match=reason):
        node_snapshot.parse(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_file_of_windows_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    """PowerShell 5 writes what a program prints as UTF-16 with a byte order mark."""
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    (tmp_path / "nodes.json").write_bytes(mark + json.dumps(MANAGER).encode(encoding))
    data = {"modelsRuntime": [{"name": "graphs", "type": "comfyui", "customNodesFile": "nodes.json"}]}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps(data))

    context = app.context(app.open_config(str(config)), Target(None, "123456789012"))

    assert node_snapshot.parse(context.files["nodes.json"]).custom_nodes().git == GIT
