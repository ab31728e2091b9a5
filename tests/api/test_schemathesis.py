"""What schemathesis thinks of, from the API's own description."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.conftest import Deployed

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
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
        "--request-timeout=60",
        "--generation-deterministic",
        "--no-color",
    ]

    hooks = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", "PYTHONPATH": str(ROOT)}

    # It waits ten seconds for the description: on a busy machine, the functions must have started.
    assert api.call("GET", "/openapi.json").status == 200
    run = subprocess.run(
        command, cwd=tmp_path, env=hooks, capture_output=True, text=True, timeout=900, check=False
    )

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr
    assert "24 passed" in run.stdout, "it must have tried every operation"
