"""The model loader of a pod next to a real runtime: it downloads a checkpoint that the mount lacks."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from local import processes
from testing import containers, throttled_s3
from testing.throttled_s3 import Limits

# Bytes a second of each stream and of all: the checkpoints of the tests take longer than a start.
STREAM, ALL = 2e6, 8e6


@contextlib.contextmanager
def loading(folder: Path, source: Path, models: Path, name: str, document: Path) -> Iterator[Path]:
    """Download `source` as the file `name` of `models`; where it will be. `document`: as in a pod."""
    key = folder / "s3" / "bucket" / name
    key.parent.mkdir(parents=True)
    shutil.copy(source, key)
    wanted = {"runtime": "one", "bucket": "bucket", "prefix": "", "region": "us-east-1", "files": [name]}
    wanted |= {"models": str(models), "folder": str(folder / "downloaded"), "sizeLimit": "20Gi"}
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with throttled_s3.Server(folder / "s3", Limits(0.1, STREAM, ALL)) as s3:
        document.write_text(json.dumps(wanted | {"endpoint": s3.url}))
        command = [sys.executable, "-m", "queue_agent.models", str(document)]
        child = containers.start("loader", command, {**os.environ, **credentials}, folder)
        try:
            yield folder / "downloaded" / name
        finally:
            processes.stop([child])
