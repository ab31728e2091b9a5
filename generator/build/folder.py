"""Replaces the files of the last build: all of them, or none."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from generator.build import manifests
from generator.build.files import MADE_FROM


class NotOursError(Exception):
    """The folder holds files and was not written by the same command."""


@dataclass(frozen=True)
class Index:
    """The file that lists those that a command wrote, and how to read it."""

    file: str
    command: str
    listed: Callable[[str], set[str]]


BUILD = Index(MADE_FROM, "generator build", lambda text: set(json.loads(text)["files"]))
RENDER = Index(manifests.INDEX, "generator render", manifests.listed)


def replace(folder: Path, files: Mapping[str, str], index: Index = BUILD) -> None:
    """Replace the files of an earlier run in `folder` by `files`. Files that the user added there stay.

    At every moment either the old or the new files are complete on disk: the new folder is complete before
    the old one is renamed to `.NAME.old`, and a run that was killed between the two renames is completed by
    the next one. Raises NotOursError for a folder with other files, and OSError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _recover(folder)
    added = _added(folder, index)
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)  # of a run that was killed
    fresh.mkdir()
    try:
        _fill(fresh, files)
        for path in added - files.keys():
            _copy(folder / path, fresh / path)
        if folder.exists():
            folder.rename(_old(folder))
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        _recover(folder)


def read(folder: Path) -> dict[str, str]:
    """Path and text of the files that the last build wrote to `folder`, as they are now. Changes nothing."""
    if not folder.exists():
        folder = _old(folder)  # of a run that was killed between the two renames
    paths = sorted(_listed(folder, BUILD)) if folder.is_dir() else []
    return {path: (folder / path).read_text("utf-8") for path in paths if (folder / path).is_file()}


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _recover(folder: Path) -> None:
    """Complete what a killed run left: restore the old folder if there is no new one, else remove it."""
    old = _old(folder)
    if not old.exists():
        return
    if folder.exists():
        shutil.rmtree(old)
    else:
        old.rename(folder)


def _added(folder: Path, index: Index) -> set[str]:
    """Files in `folder` that no earlier run wrote."""
    if not folder.exists():
        return set()
    listed = _listed(folder, index)
    if not listed and any(folder.iterdir()):
        raise NotOursError(f"{folder} was not written by `{index.command}` (it has no {index.file} of it)")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return files - listed - {index.file}


def _listed(folder: Path, index: Index) -> set[str]:
    path = folder / index.file
    return index.listed(path.read_text("utf-8")) if path.is_file() else set()


def _fill(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8", newline="\n")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
