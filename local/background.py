"""`make up` and `make down`: the pipeline in the background, and the file with its addresses."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from generator.client import exports
from local import config, locks
from local.pipeline import Pipeline, running
from local.pods import Durations
from local.processes import LocalError
from sd_on_eks import Client

START_SECONDS = 90.0
STOP_SECONDS = 30.0
WATCH_SECONDS = 0.5
LOCK = "up.lock"


def up(config_file: str, folder: Path, durations: Durations) -> str:
    """Start the pipeline unless it is running; the text to print."""
    if locks.holder(folder / LOCK) is None:
        _spawn(config_file, folder, durations)
    state = json.loads((folder / "state.json").read_text("utf-8"))
    runtimes = "\n".join(f"  {name:<14} {kind}" for name, kind in state["runtimes"].items())
    first = next((name for name, kind in state["runtimes"].items() if kind == "sdwebui"), "NAME")
    comfy = "".join(
        f"  Comfy API v2   COMFY_BASE_URL={state['api_url']}/comfy/{name} COMFY_API_KEY={state['api_key']}\n"
        for name, kind in state["runtimes"].items()
        if kind == "comfyui"
    )
    return (
        f"The pipeline is running (process {state['pid']}, logs in {folder / 'up'}):\n{runtimes}\n"
        f"  AWS   {state['endpoint']}\n{comfy}"
        f"Set:    {exports(Client(state['api_url'], state['api_key']))}\n"
        f'Try:    {_command()} submit --runtime {first} --prompt "a lighthouse at dusk"\nStop:   make down'
    )


def down(folder: Path) -> str:
    """Stop the pipeline if it is running; the text to print. Raises LocalError if it does not end."""
    process = locks.holder(folder / LOCK)
    if process is None:
        return "No local pipeline is running."
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
        if _wait_until(lambda: locks.holder(folder / LOCK) is None, seconds):
            return "The local pipeline has stopped."
    raise LocalError(f"process {process} does not end", "stop it by hand")


def serve(config_file: str, folder: Path, durations: Durations) -> None:
    """Run the pipeline in this process until a signal arrives or one of its processes ends."""
    state = folder / "state.json"
    message = "a local pipeline is already running in this folder"
    lock = locks.lock_or_fail(folder / LOCK, message, "run `make down` first")
    with lock, running(config.build(config_file, folder / "build"), durations, folder / "up") as pipeline:
        try:
            _write(state, pipeline)
            while True:
                pipeline.check()
                time.sleep(WATCH_SECONDS)
        finally:
            state.unlink(missing_ok=True)


def _command() -> Path:
    """The `generator` command of this Python environment, which may not be on PATH."""
    command = Path(sys.executable).with_name("generator")
    return command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command


def _write(state: Path, pipeline: Pipeline) -> None:
    """Write the addresses of the pipeline, readable by the owner only: the file holds the API key."""
    content = {
        "api_url": pipeline.api.url,
        "api_key": pipeline.api.key,
        "endpoint": pipeline.cloud.emulator.url,
        "pid": os.getpid(),
        "runtimes": {pod.runtime.name: pod.runtime.type for pod in pipeline.pods},
    }
    part = state.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    part.rename(state)


def _spawn(config_file: str, folder: Path, durations: Durations) -> None:
    """Start `serve` as a process of its own and wait for its state file. Raises LocalError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.json").unlink(missing_ok=True)
    log = folder / "up.log"
    command = [sys.executable, "-m", "local", "serve", "--config", config_file, "--folder", str(folder)]
    command += ["--service-time", str(durations.service), "--load-time", str(durations.load)]
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 (our own command line)
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    state = folder / "state.json"
    started = _wait_until(lambda: state.exists() or process.poll() is not None, START_SECONDS)
    if process.poll() is not None or not started:
        process.terminate()
        raise LocalError("the local pipeline did not start", "read the message above", log)


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
