"""The objects that Helm renders, as a folder that Argo CD, Flux and `kubectl apply -k` read. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.build import comparable, yaml_text

# The list of the files. Argo CD and Flux read only the files that it names.
INDEX = "kustomization.yaml"
# Objects without a namespace; no namespace has this name.
CLUSTER_FOLDER = "_cluster"
HEADER = "# Made by `generator render`: edit the config, not this.\n"

_BETWEEN = re.compile(r"^---[ \t]*$", re.MULTILINE)
# What a file name may have of an object's name, which may hold `:`.
_UNSAFE = re.compile(r"[^a-z0-9.-]")
# The kinds that others need, in the order in which they are listed; any other kind comes after them.
_FIRST = ("CustomResourceDefinition", "Namespace")


@dataclass(frozen=True)
class _Object:
    """One object: its text as Helm wrote it, with its comments, and what its file is named after."""

    text: str
    group: str
    kind: str
    namespace: str
    name: str

    @property
    def rank(self) -> int:
        return _FIRST.index(self.kind) if self.kind in _FIRST else len(_FIRST)


def files(rendered: str) -> dict[str, str]:
    """Path and text of one file for each object, and of the list of them.

    The path follows from kind, namespace and name, so an object that is added or changes leaves the files of
    the others as they are.
    """
    placed: dict[str, _Object] = {}
    for item in sorted(_objects(rendered), key=lambda one: (one.kind, one.group, one.namespace, one.name)):
        path = _path(item, item.kind)
        # Two kinds of different groups may have the same name.
        placed[path if path not in placed else _path(item, f"{item.kind}.{item.group}")] = item
    paths = sorted(placed, key=lambda path: (placed[path].rank, path))
    index = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": paths,
    }
    return {
        INDEX: HEADER + yaml_text.dump(index),
        **{path: HEADER + placed[path].text for path in paths},
    }


def listed(index: str) -> set[str]:
    """The paths that the list of an earlier folder names; none for a list that somebody else wrote."""
    if not index.startswith(HEADER):
        return set()
    return set(comparable.parsed(index)["resources"])


def _objects(rendered: str) -> Iterator[_Object]:
    for text in _BETWEEN.split(rendered):
        data = comparable.parsed(text)
        if isinstance(data, Mapping) and data:
            yield _object(text, data)


def _object(text: str, data: Mapping[str, Any]) -> _Object:
    metadata = data["metadata"]
    return _Object(
        text=text.strip("\n") + "\n",
        group=str(data["apiVersion"]).rpartition("/")[0],
        kind=str(data["kind"]),
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata["name"]),
    )


def _path(item: _Object, kind: str) -> str:
    name = f"{kind}-{item.name}".lower()
    return f"{item.namespace or CLUSTER_FOLDER}/{_UNSAFE.sub('-', name)}.yaml"
