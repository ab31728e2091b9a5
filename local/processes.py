"""Child processes with log files, which end with their parent in all cases."""

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
    """A part of the local pipeline failed: the message, the end of its log, and how to solve it."""

    def __init__(self, message: str, help: str, log: Path | None = None) -> None:
        self.message, self.help, self.log = message, help, log
        lines = [message]
        if log is not None and (end := tail(log)):
            lines += [f"the end of {log}:", *(f"  | {line}" for line in end)]
        super().__init__("\n".join([*lines, f"help: {help}"]))


@dataclass(frozen=True)
class Child:
    """One process of the pipeline and its log."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group; does nothing if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def start(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    parent_death_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start `command` in a process group of its own, with its output in `folder`/{name}.log.

    It gets `parent_death_signal` if this process ends first: SIGTERM if it has children of its own.

    Call this in the main thread: Linux sends the signal when the *thread* that started the child ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    wrapper = Path(__file__).with_name("die_with_parent.py")
    options = [str(os.getpid()), str(int(parent_death_signal))]
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 (our own command lines)
            [sys.executable, "-I", "-S", str(wrapper), *options, *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    return Child(name, log, process)


def stop(children: Iterable[Child], seconds: float = STOP_SECONDS) -> None:
    """Stop the processes: SIGTERM, and after `seconds` SIGKILL to each and its own children."""
    stopping, end = tuple(children), time.monotonic() + seconds
    for child in stopping:
        child.signal(signal.SIGTERM)
    for child in stopping:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, end - time.monotonic()))
        child.signal(signal.SIGKILL)
        child.process.wait()


def check(children: Iterable[Child]) -> None:
    """Raise LocalError if one of them has ended."""
    for child in children:
        if not child.alive:
            message = f"{child.name} ended with code {child.process.returncode}"
            raise LocalError(message, "read its log, then start again", child.log)


def tail(log: Path, lines: int = 15) -> list[str]:
    """The last lines of a log; an empty list if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
