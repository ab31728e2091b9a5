"""`make bench-model-cache`: reads of a model file through Mountpoint, without and with a cache on the disk.

The server is the one of bench/model_load.py: slow as S3 is, and slower by `--dilate`. It needs a mount-s3.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench.model_load import BUCKET, fetched, mount
from testing import throttled_s3
from testing.throttled_s3 import Limits

FIRST_BYTE, STREAM, TOTAL = 0.1, 85e6, 1.25e9
PART = 8 * 2**20
READS = 3


def main() -> None:
    """Print seconds, share of the server's bandwidth and bytes fetched of each read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mib", type=int, default=1000, help="size of the file (1000)")
    parser.add_argument("--dilate", type=float, default=4, help="how much slower than S3 the server is (4)")
    options = parser.parse_args()
    program = os.environ.get("MOUNT_S3") or shutil.which("mount-s3")
    if not program:
        sys.exit("set MOUNT_S3 to a mount-s3")
    limits = Limits(FIRST_BYTE, STREAM, TOTAL).dilated(options.dilate)
    size = options.mib * 2**20
    # The second cache has less room than the file.
    caches = {"no cache": None, "a cache of twice the file": 2 * options.mib, "of a third": options.mib // 3}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, BUCKET, "model.safetensors")
        file.parent.mkdir()
        with file.open("wb") as out:
            for _ in range(options.mib):
                out.write(os.urandom(2**20))
        with throttled_s3.process(Path(folder), limits) as url:
            for name, mib in caches.items():
                _measure(program, url, name, mib, size, limits)


def _measure(program: str, url: str, name: str, mib: int | None, size: int, limits: Limits) -> None:
    with tempfile.TemporaryDirectory() as cache:
        arguments = [] if mib is None else [f"--cache={cache}", f"--max-cache-size={mib}"]
        with mount(program, url, 30, *arguments) as folder:
            first = 0.0
            for number in range(1, READS + 1):
                before = fetched(url)
                seconds = _read(folder / "model.safetensors")
                first = first or seconds
                share = (fetched(url) - before) / size
                print(
                    f"{name}, read {number}: {seconds:.2f} s, {seconds / first:.2f} of the first,"
                    f" {size / seconds / limits.total:.2f} of the cap, {share:.2f}x fetched",
                    flush=True,
                )
            kept = sum(path.stat().st_size for path in Path(cache).rglob("*") if path.is_file())
            print(f"{name}: {kept / 2**20:.0f} MiB on the disk", flush=True)


def _read(path: Path) -> float:
    """Read a file from front to back; seconds."""
    start, buffer = time.monotonic(), bytearray(PART)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.monotonic() - start


if __name__ == "__main__":
    main()
