"""Waits for a component of the cluster; errors contain its log."""

import time
from collections.abc import Callable

from local.processes import Child, tail


class ComponentError(Exception):
    """A component did not start; the text contains the end of its log."""


def wait_for(child: Child, ready: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until `ready` holds. Raises ComponentError if the process ends or is late."""
    end = time.monotonic() + seconds
    while not ready():
        log = "\n".join(tail(child.log, 25))
        if not child.alive:
            raise ComponentError(f"{child.name} ended with {child.process.returncode}:\n{log}")
        if time.monotonic() > end:
            raise ComponentError(f"{child.name}: no {what} after {seconds:.0f} s:\n{log}")
        time.sleep(0.1)
