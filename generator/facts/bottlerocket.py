"""What Bottlerocket accepts as settings, from which release, and on which instances its GPU driver works."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.facts import runtimes

ANY_NAME = "*"


@dataclass(frozen=True)
class SettingFault:
    """A setting that is not known, or whose value has a wrong type. `known`: the names at its place."""

    path: tuple[str, ...]
    message: str
    known: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The setting as Bottlerocket's documentation writes it: `settings.kernel.lockdown`."""
        return ".".join(("settings", *self.path))


@dataclass(frozen=True)
class Bottlerocket:
    """Facts about Bottlerocket. `settings`: see generator/facts/data/bottlerocket.json.

    `parallel_pull`: the user data with which a node pulls images in parallel, from `soci_since` on.
    `families_without_driver`: its NVIDIA images do not start on these, see `driver_source`.
    """

    settings: Mapping[str, Any]
    parallel_pull: Mapping[str, Any]
    soci_since: str
    families_without_driver: frozenset[str]
    driver_source: str
    set_by_karpenter: tuple[str, ...]

    def faults(self, settings: Mapping[str, Any]) -> Iterator[SettingFault]:
        """What Bottlerocket, or Karpenter before it, does not accept in the table `settings`."""
        return _faults((), settings, self.settings)


def load(data: Path, charts: Path) -> Bottlerocket:
    """Read `data`/bottlerocket.json, and the chart's settings for parallel image pulls."""
    content: dict[str, Any] = json.loads((data / "bottlerocket.json").read_text("utf-8"))
    return Bottlerocket(
        settings=content["settings"],
        parallel_pull=runtimes.parallel_pull(charts),
        soci_since=content["soci"]["since"],
        families_without_driver=frozenset(content["no_driver"]["families"]),
        driver_source=content["no_driver"]["source"],
        set_by_karpenter=tuple(content["set_by_karpenter"]),
    )


def _faults(path: tuple[str, ...], value: Any, spec: Any) -> Iterator[SettingFault]:
    if isinstance(spec, str):
        if not _has_type(value, spec):
            yield SettingFault(path, f"takes {_expected(spec)}")
        return
    if not isinstance(value, Mapping):
        yield SettingFault(path, "must be a table")
        return
    for key, item in value.items():
        if (known := spec.get(key, spec.get(ANY_NAME))) is None:
            yield SettingFault((*path, key), "is not known", tuple(spec))
        else:
            yield from _faults((*path, key), item, known)


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_TYPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "any": ("any value", lambda value: value is not None),
    "string": ("a string", lambda value: isinstance(value, str)),
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("an integer", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "size": (
        'an integer or a size such as "16mb"',
        lambda value: isinstance(value, int | str) and not isinstance(value, bool),
    ),
    "strings": ("a list of strings", _strings),
    "lists of strings": (
        'a list of commands, such as [["apiclient", "get", "os"]]',
        lambda value: isinstance(value, list) and all(map(_strings, value)),
    ),
    "strings by name": (
        "a table of strings",
        lambda value: isinstance(value, dict) and all(isinstance(item, str) for item in value.values()),
    ),
}


def _has_type(value: Any, spec: str) -> bool:
    return _TYPES[spec][1](value) if spec in _TYPES else value in spec.split("|")


def _expected(spec: str) -> str:
    return _TYPES[spec][0] if spec in _TYPES else " or ".join(f'"{item}"' for item in spec.split("|"))
