"""Run a command that ends with the process that started it.

`python -m local.die_with_parent PARENT SIGNAL COMMAND…`
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask the kernel for `SIGNAL` when the parent process ends, then become the command.

    The request survives `execv`, so the command needs no support for it, and a `kill -9` of the parent leaves
    nothing running. Linux only: on other systems the parent's own clean-up has to do.
    """
    parent, number, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the request was made
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
