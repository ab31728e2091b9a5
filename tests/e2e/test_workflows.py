"""The workflows of GitHub Actions are what GitHub takes."""

import subprocess
from pathlib import Path

from tests.e2e.tools.build import BIN

ROOT = Path(__file__).resolve().parents[2]


def test_the_workflows_are_valid() -> None:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))

    result = subprocess.run(
        [BIN / "actionlint", "-no-color", *files], capture_output=True, text=True, check=False
    )

    assert files
    assert result.returncode == 0, result.stdout
