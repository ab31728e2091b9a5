"""Run a command that ends when its starter ends: `python -m local.leash PARENT SIGNAL COMMAND…`."""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, whose end sends it the signal, then become the command.

    The kernel keeps the request over `execv`, so the command itself needs to know nothing of it, and a
    `kill -9` of the parent leaves nothing running. Linux only: elsewhere the parent's own clean-up must do.
    """
    parent, number, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the request was made
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
