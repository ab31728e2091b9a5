"""Waiting for a component of the cluster, with its log in the error."""

import time
from collections.abc import Callable

from local.processes import Child, tail


class ComponentError(Exception):
    """A component did not come up; carries the end of its log."""


def wait_for(child: Child, ready: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until `ready` holds; a program that ends, or is late, is an error with the end of its log."""
    end = time.monotonic() + seconds
    while not ready():
        log = "\n".join(tail(child.log, 25))
        if not child.alive:
            raise ComponentError(f"{child.name} ended with {child.process.returncode}:\n{log}")
        if time.monotonic() > end:
            raise ComponentError(f"{child.name}: no {what} after {seconds:.0f} s:\n{log}")
        time.sleep(0.1)
