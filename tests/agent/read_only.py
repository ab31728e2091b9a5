"""The agent on a read-only file system, as in its container: `-m tests.agent.read_only`."""

import os
import runpy
import sys
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate")


def refuse(event: str, args: tuple[Any, ...]) -> None:
    """End the agent aloud when it opens a file to write, or changes a folder."""
    if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITES):
        os.write(1, f"WRITES: {event} {args}\n".encode())
        os._exit(99)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.addaudithook(refuse)
    runpy.run_module("queue_agent", run_name="__main__")
