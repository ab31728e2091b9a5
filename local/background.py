"""`make up` and `make down`: the pipeline in the background, and the file that says where it is."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local import config, locks
from local.fleet import Pace
from local.pipeline import Pipeline, running
from local.processes import LocalError

START_SECONDS = 90.0
STOP_SECONDS = 30.0
WATCH_SECONDS = 0.5
LOCK = "up.lock"


def up(config_file: str, folder: Path, pace: Pace) -> str:
    """Start the pipeline unless it runs; what to tell the user."""
    if locks.holder(folder / LOCK) is None:
        _spawn(config_file, folder, pace)
    state = json.loads((folder / "state.json").read_text("utf-8"))
    runtimes = "\n".join(f"  {name:<14} {kind}" for name, kind in state["runtimes"].items())
    first = next((name for name, kind in state["runtimes"].items() if kind == "sdwebui"), "NAME")
    return (
        f"The pipeline runs (process {state['pid']}, logs in {folder / 'up'}):\n{runtimes}\n"
        f"  API   {state['api_url']} (key {state['api_key']})\n  AWS   {state['endpoint']}\n"
        f'Try:    {_command()} submit --runtime {first} --prompt "a lighthouse at dusk"\nEnd it: make down'
    )


def down(folder: Path) -> str:
    """End the pipeline if it runs; what to tell the user."""
    process = locks.holder(folder / LOCK)
    if process is None:
        return "No local pipeline runs."
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
        if _soon(lambda: locks.holder(folder / LOCK) is None, seconds):
            return "The local pipeline has ended."
    raise LocalError(f"process {process} does not end", "end it by hand")


def serve(config_file: str, folder: Path, pace: Pace) -> None:
    """Be the pipeline, until a signal comes or a part of it falls."""
    state = folder / "state.json"
    busy = locks.held(folder / LOCK, "a local pipeline runs here already", "run `make down` first")
    with busy, running(config.build(config_file, folder / "build"), pace, folder / "up") as pipeline:
        try:
            _write(state, pipeline)
            while True:
                pipeline.check()
                time.sleep(WATCH_SECONDS)
        finally:
            state.unlink(missing_ok=True)


def _command() -> Path:
    """The `generator` beside the Python that runs, which PATH need not name."""
    found = Path(sys.executable).with_name("generator")
    return found.relative_to(Path.cwd()) if found.is_relative_to(Path.cwd()) else found


def _write(state: Path, pipeline: Pipeline) -> None:
    """For the owner's eyes: it holds the API key."""
    known = {
        "api_url": pipeline.door.url,
        "api_key": pipeline.door.key,
        "endpoint": pipeline.cloud.emulator.url,
        "pid": os.getpid(),
        "runtimes": {pod.runtime.name: pod.runtime.type for pod in pipeline.pods},
    }
    part = state.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    part.rename(state)


def _spawn(config_file: str, folder: Path, pace: Pace) -> None:
    """Start `serve` on its own, and wait until its state file says that it takes tasks."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.json").unlink(missing_ok=True)
    log = folder / "up.log"
    command = [sys.executable, "-m", "local", "serve", "--config", config_file, "--folder", str(folder)]
    command += ["--service-time", str(pace.service), "--load-time", str(pace.load)]
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 (our own command line)
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    started = _soon(lambda: (folder / "state.json").exists() or process.poll() is not None, START_SECONDS)
    if process.poll() is not None or not started:
        process.terminate()
        raise LocalError("the local pipeline did not start", "see the message above", log)


def _soon(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
