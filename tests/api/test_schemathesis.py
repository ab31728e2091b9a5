"""What schemathesis thinks of, from the API's own description."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.conftest import Deployed

pytestmark = pytest.mark.thorough

# A cancelled task is still known: GET says that it was cancelled, where this check wants 404.
NOT_MEANT = "use_after_free"


def test_schemathesis_finds_nothing(api: Deployed, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{api.door.url}/openapi.json",
        f"--url={api.door.url}",
        f"--header=x-api-key: {api.door.key}",
        f"--exclude-checks={NOT_MEANT}",
        "--max-examples=4",
        "--generation-deterministic",
        "--no-color",
    ]

    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr
    assert "4 passed" in run.stdout, "it must have tried every operation but /openapi.json itself"
