"""The folder of one run, held by a lock: what a killed run left behind is known by it, and removed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "sd-on-eks-e2e-"
LOCK = "in-use"


def remove_stale() -> None:
    """Remove the folders of runs that have ended without doing so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder that goes with its process, or with the next run; kept when KEEP_E2E is set."""
    remove_stale()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    # The kernel gives the lock up when the process ends, however it ends.
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            if not os.environ.get("KEEP_E2E"):
                shutil.rmtree(folder, ignore_errors=True)
