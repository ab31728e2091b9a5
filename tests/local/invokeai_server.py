"""A real InvokeAI on this machine's CPU, in the environment that the chart gives it."""

import contextlib
import json
import os
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator import yaml_loader
from local import processes
from testing import containers
from testing.world import wait_for

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".cache" / "invokeai" / "bin" / "invokeai-web"
PROFILE = ROOT / "charts" / "sd-runtimes" / "profiles" / "invokeai.yaml"
# Importing torch and making the database take half a minute on two cores.
START_SECONDS = 180
QUEUE = "/api/v1/queue/default"
MAX_BYTES = 100_000_000


def ask(url: str, path: str, method: str = "GET", body: object = None) -> Any:
    """What the server answers to a request with a JSON body, or without a body."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, content, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of a server whose files are all in `folder`. INVOKEAI_URL names one that runs already."""
    if url := os.environ.get("INVOKEAI_URL"):
        yield url
        return
    port = _free_port()
    profile = yaml_loader.load(PROFILE.read_text())["env"]
    env = {name: text for name, text in profile.items() if name != "PYTHONPATH"}
    homes = {
        name: str(folder / name.lower()) for name in ("INVOKEAI_ROOT", "HOME", "HF_HOME", "MPLCONFIGDIR")
    }
    env |= {**homes, "INVOKEAI_HOST": "127.0.0.1", "INVOKEAI_PORT": str(port), "PATH": os.environ["PATH"]}
    for path in homes.values():
        Path(path).mkdir(parents=True)
    child = containers.start("invokeai", containers.with_init([str(PROGRAM)]), env, folder)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url) or not child.alive, START_SECONDS)
        processes.check([child])
        yield url
    finally:
        processes.stop([child])


def _answers(url: str) -> bool:
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"{url}/api/v1/app/version", timeout=5) as answer,
    ):
        return bool(answer.status == 200)
    return False


def _free_port() -> int:
    """A free port: InvokeAI has no option for any free port, and replaces a busy one by the next."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
