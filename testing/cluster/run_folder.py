"""The folder of one run, with a lock by which the folders of killed runs are recognized and removed."""

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
    """Remove the folders of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that is removed at the end, or by the next run; kept if KEEP_E2E is set."""
    remove_stale()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    # The kernel releases the lock when the process ends for any reason.
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            if not os.environ.get("KEEP_E2E"):
                shutil.rmtree(folder, ignore_errors=True)
