"""Two first runs of make at the same time, in a folder whose name has a space."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Stands for Python, and for what it installs: each call is a line in calls.txt.
FAKE = """\
#!/bin/sh
echo "$(basename "$0") $*" >> calls.txt
sleep 0.3
if [ "$2" = venv ]; then
  mkdir "$3" || exit 1
  mkdir "$3/bin"
  for name in pip python; do cp "$0" "$3/bin/$name"; done
fi
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What make needs of a clone, with a fake Python."""
    folder = tmp_path / "two runs"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "make", folder / "make")
    for name in (
        "pyproject.toml",
        "agent/pyproject.toml",
        "tools/fetch_tools.py",
        "local/ministack.txt",
        "requirements/development.lock",
        "requirements/tools.lock",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "fake").write_text(FAKE)
    (folder / "fake").chmod(0o755)
    return folder


@pytest.mark.thorough
def test_two_first_runs_of_make_install_once_and_both_succeed(clone: Path) -> None:
    command = ["make", "setup", ".cache/ministack/made-from", "PYTHON=./fake"]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    (clone / ".cache" / "ministack").mkdir(parents=True)

    runs = [
        subprocess.Popen(
            command, cwd=clone, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=60) for run in runs]

    assert [run.returncode for run in runs] == [0, 0], outputs
    calls = (clone / "calls.txt").read_text().splitlines()
    assert sum("venv" in call for call in calls) == 1
    assert sum("fetch_tools" in call for call in calls) == 1
    assert sum("emulator" in call for call in calls) == 1
