"""A build replaces the last one completely, or the last one stays."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from generator.build import folder as build_folder
from generator.build.files import MADE_FROM

Files = dict[str, str]


def build(version: str) -> Files:
    """A build of three files with this text."""
    files = {f"values/{name}.yaml": version for name in ("a", "b", "c")}
    return {**files, MADE_FROM: json.dumps({"files": dict.fromkeys(files, "")})}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds an earlier build."""
    folder = tmp_path / "build" / "demo"
    build_folder.replace(folder, build("old"))
    return folder


def values(folder: Path) -> Files:
    return {path: text for path, text in build_folder.read(folder).items() if path != MADE_FROM}


def test_a_build_replaces_the_last_one(folder: Path) -> None:
    build_folder.replace(folder, build("new"))

    assert set(values(folder).values()) == {"new"}


def test_files_that_the_new_build_lacks_are_removed(folder: Path) -> None:
    new = build("new")
    del new["values/c.yaml"]

    build_folder.replace(folder, new)

    assert not (folder / "values/c.yaml").exists()


def test_files_that_the_user_added_stay(folder: Path) -> None:
    (folder / "values/mine.yaml").write_text("replicas: 3")

    build_folder.replace(folder, build("new"))

    assert (folder / "values/mine.yaml").read_text() == "replicas: 3"


def test_a_folder_that_no_build_wrote_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(build_folder.NotOursError):
        build_folder.replace(tmp_path, build("new"))

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_build_that_fails_leaves_the_last_one_and_nothing_else(folder: Path) -> None:
    conflicting = {**build("new"), "values/a.yaml/b.yaml": "a file cannot be a folder too"}

    with pytest.raises(OSError, match=r"a\.yaml"):
        build_folder.replace(folder, conflicting)

    assert set(values(folder).values()) == {"old"}
    assert [path.name for path in folder.parent.iterdir()] == ["demo"]


# Ends the process, as a power cut would, just before the Nth event of a kind, which an audit hook counts.
KILLED = """
import json, os, signal, sys
from pathlib import Path
from generator.build import folder as build_folder

kind, count, folder, files = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
seen = 0

def hook(event, args):
    global seen
    if event == kind and str(folder.parent) in str(args[0]):
        seen += 1
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
build_folder.replace(folder, files)
"""
MOMENTS = [
    ("open", 2, "old"),  # half the new files written
    ("os.rename", 1, "old"),  # all written, the old folder in its place
    ("os.rename", 2, "old"),  # the old folder aside, none in its place
    ("shutil.rmtree", 2, "new"),  # the new folder in its place, the old one not yet removed
]


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "count", "remaining"), MOMENTS)
def test_a_build_that_is_killed_leaves_one_complete_build(
    folder: Path, kind: str, count: int, remaining: str
) -> None:
    result = kill_at(kind, count, folder, build("new"))

    assert result.returncode == -9
    assert values(folder) == {path: text for path, text in build(remaining).items() if path != MADE_FROM}


def test_the_next_build_removes_what_a_killed_one_left(folder: Path) -> None:
    kill_at("os.rename", 2, folder, build("new"))

    build_folder.replace(folder, build("newer"))

    assert [path.name for path in folder.parent.iterdir()] == ["demo"]


def kill_at(
    kind: str, count: int, folder: Path, files: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-c", KILLED, kind, str(count), str(folder), json.dumps(files)]
    return subprocess.run(words, check=False, capture_output=True, text=True)
