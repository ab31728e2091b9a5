"""The user data of a runtime's nodes: the user's Bottlerocket settings joined with those for image pulls."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from generator.solution.merge import merged

Table = Mapping[str, Any]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_EPHEMERAL_STORAGE = ["apiclient", "ephemeral-storage"]


def joined(own: str | None, parallel_pull: Table, *, image_cache: bool, local_disks: bool) -> Table:
    """What a node gets, as data: settings for parallel image pulls, with the user's over them.

    Without `own` text: those for image pulls alone; an empty text: none at all. An image cache was made by
    containerd's own snapshotter, whose layers SOCI does not find. With local disks, Karpenter mounts them
    itself: the user's commands that do the same would fail. Raises tomllib.TOMLDecodeError.
    """
    base = {} if image_cache else parallel_pull
    if own is None:
        return base
    if not own.strip():
        return {}
    # Karpenter passes on nothing else.
    table = {key: value for key, value in tomllib.loads(own).items() if key == "settings"}
    if local_disks:
        table = without_disk_commands(table)
    return merged(base, table) if _uses_soci(table) else table


def text(table: Table) -> str:
    """A table as TOML: values first, then a header for each table."""
    return "".join(_lines((), table))


def disk_commands(table: Table) -> list[str]:
    """The names of the bootstrap commands that set up the node's local disks."""
    return [
        name for name, entry in bootstrap_commands(table).items() if any(map(_is_disk_command, _list(entry)))
    ]


def without_disk_commands(table: Table) -> dict[str, Any]:
    """The same without the commands that set up the node's local disks."""
    names = disk_commands(table)
    if not names:
        return dict(table)
    kept = {}
    for name, entry in bootstrap_commands(table).items():
        commands = [command for command in _list(entry) if not _is_disk_command(command)]
        if name not in names:
            kept[name] = entry
        elif commands:
            kept[name] = {**entry, "commands": commands}
    settings = {key: value for key, value in table["settings"].items() if key != "bootstrap-commands"}
    return {**table, "settings": {**settings, "bootstrap-commands": kept} if kept else settings}


def turns_soci_on(table: Table) -> bool:
    """Whether the settings name SOCI as the snapshotter, which pulls images in parallel."""
    return bool(_at(table, "settings", "container-runtime").get("snapshotter") == "soci")


def has_soci(table: Table) -> bool:
    """Whether the settings turn SOCI on, or are about it."""
    return turns_soci_on(table) or "container-runtime-plugins" in _at(table, "settings")


def _uses_soci(table: Table) -> bool:
    """Whether the snapshotter stays SOCI: its settings would be of no use to another one."""
    snapshotter: Any = _at(table, "settings", "container-runtime").get("snapshotter", "soci")
    return bool(snapshotter == "soci")


def bootstrap_commands(table: Table) -> Table:
    """The table of bootstrap commands; empty without one."""
    return _at(table, "settings", "bootstrap-commands")


def _at(table: Table, *path: str) -> Table:
    for key in path:
        value = table.get(key)
        table = value if isinstance(value, Mapping) else {}
    return table


def _list(entry: Any) -> list[Any]:
    commands = entry.get("commands") if isinstance(entry, Mapping) else None
    return commands if isinstance(commands, list) else []


def _is_disk_command(command: Any) -> bool:
    return isinstance(command, list) and command[:2] == _EPHEMERAL_STORAGE


def _lines(path: tuple[str, ...], table: Table) -> Iterator[str]:
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    values = {key: value for key, value in table.items() if key not in tables}
    if path and (values or not tables):
        yield f"[{'.'.join(map(_key, path))}]\n"
    yield from (f"{_key(key)} = {_value(value)}\n" for key, value in values.items())
    for key, value in tables.items():
        yield from _lines((*path, key), value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    """One value. JSON's strings and numbers are TOML's, except that TOML escapes DEL."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str | int):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value) if isinstance(value, float) else str(value.isoformat())
