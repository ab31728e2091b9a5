"""Configs and their solutions, for every test of the generator."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from generator import app
from generator.facts.facts import Facts
from generator.solution.context import Context
from generator.solution.model import Solution
from testing import solving

ROOT = Path(__file__).resolve().parents[2]

Config = dict[str, Any]
Solve = Callable[..., Solution]
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def facts() -> Facts:
    return app.facts()


@pytest.fixture
def config() -> Config:
    """The smallest config that is valid."""
    return {
        "stackName": "demo",
        "region": "us-west-2",
        "accountId": "123456789012",
        "modelBucketArn": "arn:aws:s3:::demo-models",
        "modelsRuntime": [{"name": "sdxl", "type": "sdwebui", "modelFilename": "sdxl.safetensors"}],
    }


@pytest.fixture
def solve(config: Config, facts: Facts) -> Solve:
    """`solve(region=…, runtime={…}, extra={…})`: the smallest valid config with these changes, resolved."""

    def solve(runtime: Config | None = None, extra: Config | None = None, **top: Any) -> Solution:
        entry = {**config["modelsRuntime"][0], **(runtime or {}), **({"extraValues": extra} if extra else {})}
        data = {**config, "modelsRuntime": [entry], **top}
        context = Context(data["region"], data["accountId"], date(2026, 1, 1))
        return solving.solution(data, context)

    return solve


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command `generator`, as a user runs it, in a folder of its own."""

    def cli(*words: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "generator", *words]
        env = {"PATH": f"{ROOT}/.cache/bin:{_path()}", "PYTHONPATH": str(ROOT)}
        # No credentials, and no question to a machine's metadata for some.
        env |= {"HOME": str(tmp_path / "home"), "AWS_EC2_METADATA_DISABLED": "true"}
        return subprocess.run(
            command, cwd=tmp_path, env=env, input=stdin, capture_output=True, text=True, check=False
        )

    return cli


def _path() -> str:
    return str(Path(shutil.which("python3") or "/usr/bin/python3").parent)
