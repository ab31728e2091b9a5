"""A child process with a log file, that ends with us whatever happens."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 10.0
TAIL_BYTES = 4000


class LocalError(Exception):
    """A part of the local pipeline failed: what happened, the end of its log, what to do."""

    def __init__(self, what: str, help: str, log: Path | None = None) -> None:
        self.what, self.help, self.log = what, help, log
        lines = [what]
        if log is not None and (end := tail(log)):
            lines += [f"the end of {log}:", *(f"  | {line}" for line in end)]
        super().__init__("\n".join([*lines, f"what to do: {help}"]))


@dataclass(frozen=True)
class Child:
    """One running process of the pipeline and its log."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group; one that has ended is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def start(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    orphaned: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start `command` on a leash, in a process group of its own, with its output in `folder`/{name}.log.

    It is sent `orphaned` if we end before it does; one that ends its own children needs SIGTERM.

    Call it in the main thread: Linux ends a leashed child when the thread that started it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    leash = Path(__file__).with_name("leash.py")
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 (our own command lines)
            [sys.executable, "-I", "-S", str(leash), str(os.getpid()), str(int(orphaned)), *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    return Child(name, log, process)


def stop(children: Iterable[Child], seconds: float = STOP_SECONDS) -> None:
    """End them all: SIGTERM, and after `seconds` SIGKILL for each and whatever it started."""
    wanted, end = tuple(children), time.monotonic() + seconds
    for child in wanted:
        child.signal(signal.SIGTERM)
    for child in wanted:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, end - time.monotonic()))
        child.signal(signal.SIGKILL)
        child.process.wait()


def check(children: Iterable[Child]) -> None:
    """Raise LocalError when one has ended: all of them should run."""
    for child in children:
        if not child.alive:
            what = f"{child.name} ended with code {child.process.returncode}"
            raise LocalError(what, "read its log, then start again", child.log)


def tail(log: Path, lines: int = 15) -> list[str]:
    """The last lines of a log; none when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
