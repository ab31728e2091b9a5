"""Downloads the model files that a JSON document lists, then waits: `python -m queue_agent.models DOCUMENT`.

The runtime looks at the names: `{file}` is complete, `{file}.failed` says why it must be read from the mount,
and `.progress` is touched as long as something arrives (charts/sd-runtimes/files/direct_models.py).
"""

import os
import signal

if __name__ == "__main__":
    # The kernel drops a SIGTERM to PID 1 of a container that has no handler. What was begun can be completed.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

import contextlib
import json
import sys
import time
from pathlib import Path

from queue_agent.models.bucket import Bucket, ModelError
from queue_agent.models.download import Download
from queue_agent.ops.logs import log, set_up

PROGRESS = ".progress"
UNITS = {"Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
# Journals and folders, which count as well.
NOT_MODELS = 1 << 20


def main(document: Path) -> None:
    """Download one file after the other, in the order of the document."""
    wanted = json.loads(document.read_text("utf-8"))
    set_up("INFO", wanted["runtime"])
    folder = Path(wanted["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PROGRESS).touch()
    bucket = Bucket(wanted["bucket"], wanted["region"], wanted.get("endpoint"))
    limit = size_limit(wanted["sizeLimit"])
    for name in wanted["files"]:
        load(bucket, wanted["prefix"], name, folder, limit)


def size_limit(quantity: str) -> int:
    """The size of the folder's volume in bytes, less a little for what is not a model."""
    return int(quantity[:-2]) * UNITS[quantity[-2:]] - NOT_MODELS


def load(bucket: Bucket, prefix: str, name: str, folder: Path, limit: int) -> None:
    """Download one file; a failure is logged and left to the runtime, which reads the mount.

    `limit`: the bytes of all files together.
    """
    path = folder / name
    if path.exists():
        return
    failed = path.with_name(path.name + ".failed")
    began = time.monotonic()
    try:
        failed.unlink(missing_ok=True)
        download = Download(bucket, prefix + name, path, folder / PROGRESS)
        version = download.run(limit - used(folder, path))
    except (ModelError, OSError) as error:
        log.error("model is read from the mount", extra={"file": name, "reason": str(error)})
        # Where even this cannot be written, the runtime reads the mount after a minute of silence.
        with contextlib.suppress(OSError):
            failed.parent.mkdir(parents=True, exist_ok=True)
            failed.write_text(str(error), "utf-8")
        return
    seconds = time.monotonic() - began
    log.info(
        "model is here",
        extra={
            "file": name,
            "bytes": version.size,
            "seconds": round(seconds, 2),
            "megabytes_per_second": round(version.size / seconds / 1e6),
        },
    )


def used(folder: Path, path: Path) -> int:
    """The bytes of all files in the folder, except what an earlier run has left of the file at `path`."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.with_suffix("") != path)
    return sum(file.stat().st_size for file in files)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    while True:
        signal.pause()
