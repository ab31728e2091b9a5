"""Commands of containers as processes of this machine, each as PID 1 of a process namespace of its own.

PID 1 gets SIGKILL and the signals that it has a handler for: a program that ends on SIGTERM in a shell may go
on in a container (pid_namespaces(7)).
"""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, Signals

from local import processes
from local.processes import Child

UNSHARE = "/usr/bin/unshare"
# The name of charts/sd-runtimes/files/init.sh in a pod's command: the program follows.
INIT = "init"
START_SECONDS = 20.0


@dataclass(frozen=True)
class Contained(Child):
    """A process that runs as PID 1. It gets the signals alone, as from a kubelet, and not its children."""

    def signal(self, number: Signals) -> None:
        """Send a signal to PID 1; does nothing if it has ended."""
        if number is SIGKILL:
            super().signal(number)  # unshare, which takes PID 1 and thereby the namespace with it
            return
        first = self.first()
        with contextlib.suppress(ProcessLookupError):
            if first is not None:
                os.kill(first, number)

    def first(self) -> int | None:
        """The number, outside of the namespace, of its PID 1; None if it has ended."""
        return self._child_of(self.process.pid)

    def handles(self, number: Signals) -> bool:
        """Whether PID 1 has a handler for a signal (SigCgt in proc(5), a bit for each signal)."""
        status = Path(f"/proc/{self.first()}/status").read_text().splitlines()
        values = dict(line.split(":", 1) for line in status)
        # Until it has become the command, PID 1 is a part of unshare.
        return values["Name"].strip() not in ("unshare", "env") and bool(
            int(values["SigCgt"], 16) & 1 << number - 1
        )

    def program(self) -> int | None:
        """The number, outside of the namespace, of the program that PID 1 started; None if it has ended."""
        first = self.first()
        return None if first is None else self._child_of(first)

    def _child_of(self, number: int) -> int | None:
        end = time.monotonic() + START_SECONDS
        children = Path(f"/proc/{number}/task/{number}/children")
        while self.alive and time.monotonic() < end:
            with contextlib.suppress(OSError):
                if numbers := children.read_text().split():
                    return int(numbers[0])
            time.sleep(0.005)
        return None


def start(name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Contained:
    """Start a command as PID 1, with its output in `folder`/{name}.log.

    Raises AssertionError where this user may create no process namespaces.
    """
    # A container starts with the default action for each signal, whatever this process ignores.
    defaults = ["/usr/bin/env", "--default-signal"]
    child = processes.start(name, [*unshare(), *defaults, *command], environment, folder, SIGKILL)
    return Contained(child.name, child.log, child.process)


def require_namespaces() -> None:
    """Raise AssertionError where this user may create no process namespaces."""
    done = subprocess.run([*unshare(), "/bin/true"], capture_output=True, text=True, check=False)
    assert not done.returncode, f"processes cannot run as PID 1 of a namespace here: {done.stderr.strip()}"


def expand(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """A command as Kubernetes starts it: `$(NAME)` is the variable, `$$` is `$`, all else stays.

    https://github.com/kubernetes/kubernetes/blob/v1.34.0/third_party/forked/golang/expansion/expand.go
    """

    def value(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else environment.get(match[1], match[0])

    return [re.sub(r"\$\$|\$\(([^)]*)\)", value, word) for word in words]


def with_init(program: Sequence[str]) -> list[str]:
    """The command of a runtime's program as the chart writes it."""
    init = Path(__file__).parents[1] / "charts" / "sd-runtimes" / "files" / "init.sh"
    return ["/bin/sh", "-c", init.read_text("utf-8"), INIT, *program]


def program_replaced(command: Sequence[str], program: Sequence[str]) -> list[str]:
    """A container's command with another program, run by the same init if it has one."""
    return [*command[: command.index(INIT) + 1], *program] if INIT in command else list(program)


def unshare() -> list[str]:
    """The command that runs another one as PID 1; without root, in a user namespace of its own."""
    users = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [UNSHARE, *users, "--pid", "--fork", "--kill-child", "--mount-proc"]
