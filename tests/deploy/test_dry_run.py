"""What only prints leaves no trace: no file in project, output or home folder, and no write in AWS."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from generator.errors import Exit
from testing.account import Account, write_config
from testing.relay import Server, forward, respond

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
# What a wheel holds is what commands read.
WHEEL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
PROJECT = (*WHEEL["packages"], *WHEEL["force-include"])
DOWNLOADED = shutil.ignore_patterns("__pycache__", "*.tgz", "crds")
READS = re.compile(r"(Get|List|Describe|Head|Simulate|BatchGet)[A-Z]|GET|HEAD")
RUNTIME = {"name": "turbo", "type": "sdwebui", "modelFilename": "m.safetensors"}
PRINTING = {
    "deploy": ["deploy", "config.yaml", "--dry-run"],
    "deploy with flags": ["deploy", "config.yaml", "--dry-run", "--adopt", "--only", "release"],
    "uninstall": ["uninstall", "config.yaml", "--dry-run"],
    "smoke": ["smoke", "config.yaml", "--dry-run"],
    "diff": ["diff", "config.yaml"],
    "status": ["status", "config.yaml"],
    "plan": ["plan", "config.yaml"],
    "preflight": ["preflight", "config.yaml"],
    "validate": ["validate", "config.yaml"],
    "render": ["render", "config.yaml"],
    "images": ["images", "config.yaml", "--script"],
}
# Records that it was called, and fails.
STAND_IN = '#!/bin/sh\necho "$(basename "$0") $*" >> "$CALLS"\nexit 1\n'


@dataclass
class World:
    """A folder to work in and a home folder, and the operations that AWS is asked for."""

    folder: Path
    env: dict[str, str]
    operations: list[str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "generator", *words]
        return subprocess.run(
            command, cwd=self.folder / "work", env=self.env, capture_output=True, text=True, check=False
        )

    @property
    def writes(self) -> list[str]:
        """The operations that may have changed something."""
        return [name for name in self.operations if not READS.match(name)]

    @property
    def calls(self) -> list[str]:
        """The calls of other programs."""
        calls = Path(self.env["CALLS"])
        return calls.read_text().splitlines() if calls.exists() else []


def files(folder: Path) -> dict[str, str]:
    """Each file and folder in a folder, with the hash of its content."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in folder.rglob("*")
    }


def operation(handler: BaseHTTPRequestHandler, body: bytes) -> str:
    """The name of an operation in AWS's protocols; the method for those that have no name (REST)."""
    target = handler.headers.get("X-Amz-Target", "").rpartition(".")[2]
    action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    return target or action or handler.command


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the parts of the project that commands read, without what was downloaded."""
    folder = tmp_path_factory.mktemp("dry") / "project"
    for name in PROJECT:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=DOWNLOADED)
        else:
            shutil.copy(ROOT / name, target)
    return folder


@pytest.fixture
def world(project: Path, account: Account, tmp_path: Path) -> Iterator[World]:
    for name in ("work", "home", "bin"):
        (tmp_path / name).mkdir()
    for name in ("eksctl", "kubectl", "aws"):
        (tmp_path / "bin" / name).write_text(STAND_IN)
        (tmp_path / "bin" / name).chmod(0o755)
    write_config(tmp_path / "work", account, RUNTIME, eksVersion="1.35")
    operations: list[str] = []

    def relayed(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        operations.append(operation(handler, body))
        respond(handler, forward(handler, body, account.endpoint))

    with Server(relayed) as server:
        env = account.env | {
            "AWS_ENDPOINT_URL": server.url,
            "HOME": str(tmp_path / "home"),
            "PATH": f"{tmp_path / 'bin'}:{ROOT / '.cache/bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(project),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CALLS": str(tmp_path.with_name(f"{tmp_path.name}-calls")),
        }
        yield World(tmp_path, env, operations)


def test_the_package_of_the_copy_is_the_one_that_runs(world: World, project: Path) -> None:
    command = [sys.executable, "-c", "import generator; print(generator.__file__)"]

    printed = subprocess.check_output(command, cwd=world.folder / "work", env=world.env, text=True)

    assert printed.startswith(str(project))


@pytest.mark.parametrize("name", PRINTING)
def test_a_command_that_only_prints_writes_no_file_and_only_reads_from_aws(
    name: str, world: World, project: Path
) -> None:
    before, before_project = files(world.folder), files(project)

    result = world.run(*PRINTING[name])

    # The account is empty: preflight finds what is missing.
    assert result.returncode == (Exit.CONFIG if name == "preflight" else Exit.DONE), result.stderr
    assert files(world.folder) == before
    assert files(project) == before_project
    assert world.writes == []
    assert world.calls == []


def test_a_deployment_writes_both(world: World) -> None:
    before = files(world.folder)

    world.run("deploy", "config.yaml", "--only", "stack", "--yes")

    assert files(world.folder) != before
    assert "CreateChangeSet" in world.writes
    assert "GetCallerIdentity" in world.operations
