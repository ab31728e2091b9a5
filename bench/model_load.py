"""How fast a model file gets into memory, by the way it is loaded: `make bench-model-load`.

local   a warm disk: mapping, reading, what the chart's sitecustomize.py makes of the same call
s3      range GETs from a throttled S3 server
mount   the same calls as local through Mountpoint (MOUNT_S3=/path/to/mount-s3, or mount-s3 on PATH)

Each way runs in a process of its own. The server and its delays are `--dilate` times slower than the limits
say, and times through it are divided by that again: so the machine's CPU does not decide. Ratios are to the
server's total bandwidth, to `mmap` and to `plain` (one sequential read into one buffer) of the same run.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import model_layouts
from testing import throttled_s3
from testing.throttled_s3 import Limits

ROOT = Path(__file__).resolve().parent.parent
SHIM = ROOT / "charts" / "sd-runtimes" / "files"
BUCKET = "models"
# First byte: 100 to 200 ms; one stream: 85 to 90 MB/s; parts of 8 or 16 MB.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html and
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-design-patterns.html
FIRST_BYTE_SECONDS, STREAM_RATE = 0.1, 85e6
# g5.xlarge to g5.4xlarge: up to 10 Gbps. https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html
TOTAL_RATE = 1.25e9
SUFFIXES = {"ckpt": ".ckpt", "gguf": ".gguf"}


@dataclass(frozen=True)
class Way:
    """A line of the tables: its name, the way in `bench.model_ways`, and where it makes sense."""

    name: str
    way: str
    shim: bool = False
    only: tuple[str, ...] = (".safetensors", ".ckpt", ".gguf")
    devices: tuple[str, ...] = ("cpu", "cuda")


SAFETENSORS = (".safetensors",)
LOCAL = (
    Way("plain", "plain"),
    Way("mmap", "library"),
    Way("mmap, copied", "copied", devices=("cpu",)),
    Way("safetensors pread", "pread", only=SAFETENSORS),
    Way("shim", "library", shim=True),
    Way("pinned buffers", "pinned", devices=("cuda",)),
)
S3 = (
    Way("1 stream", "one-stream"),
    Way("16 range GETs", "ranges-16"),
    Way("32 range GETs", "ranges-32"),
    Way("16, boto3", "boto3-16"),
)


@dataclass(frozen=True)
class Figures:
    """What one way took: seconds, seconds of CPU, bytes at the peak, bytes fetched from the server."""

    seconds: float
    cpu: float
    peak: float
    mapped: bool
    fetched: int = 0
    digest: str = ""


@dataclass(frozen=True)
class Bench:
    """What is the same for all ways of a run."""

    device: str
    rounds: int
    check: bool
    timeout: float

    def run(self, way: Way, source: str) -> Figures | str:
        """One way in a process of its own; a text if it does not run here."""
        command = [sys.executable, "-m", "bench.model_ways", way.way, source, f"--device={self.device}"]
        path = f"{SHIM}{os.pathsep}{ROOT}" if way.shim else str(ROOT)
        more = [entry for entry in [os.environ.get("PYTHONPATH")] if entry]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([path, *more])}
        options = ["--digest"] if self.check else []
        try:
            done = subprocess.run(
                [*command, *options], env=environment, capture_output=True, text=True, check=False,
                timeout=self.timeout,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"not done after {self.timeout:g} s"
        if done.returncode:
            return done.stderr.strip().splitlines()[-1][:100]
        return Figures(**json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    layouts = model_layouts.LAYOUTS
    parser.add_argument("--layouts", default=",".join(layouts), help=f"of {', '.join(layouts)}")
    parser.add_argument("--scale", type=float, default=0.1, help="of the files; 1: as large as real ones")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--rounds", type=int, default=3, help="each local figure is the median of so many")
    parser.add_argument("--parts", default="local,s3,mount", help="of local, s3, mount")
    parser.add_argument("--dilate", type=float, default=10, help="how many times slower the server is")
    parser.add_argument("--first-byte", type=float, default=FIRST_BYTE_SECONDS, help="seconds")
    parser.add_argument("--stream", type=float, default=STREAM_RATE, help="bytes per second of one stream")
    parser.add_argument("--total", type=float, default=TOTAL_RATE, help="bytes per second of all streams")
    parser.add_argument("--folder", type=Path, help="for the files, of which one exists at a time")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one way")
    parser.add_argument("--check", action="store_true", help="fail unless all ways give the same bytes")
    options = parser.parse_args()
    limits = Limits(options.first_byte, options.stream, options.total)
    bench = Bench(options.device, options.rounds, options.check, options.timeout)
    print(machine(options.device), flush=True)
    digests: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        (Path(folder) / BUCKET).mkdir()
        for layout in options.layouts.split(","):
            path = make(Path(folder) / BUCKET, layout, options.scale)
            print(f"\n{layout}: {path.stat().st_size / 1e9:.2f} GB", flush=True)
            seen = digests.setdefault(layout, set())
            if "local" in options.parts:
                seen |= local(bench, path)
            if "s3" in options.parts:
                seen |= remote(bench, path, limits, options.dilate)
            if "mount" in options.parts:
                seen |= mounted(bench, path, limits, options.dilate)
            path.unlink()
    if options.check:
        for layout, seen in digests.items():
            print(f"{layout}: {'the same bytes' if len(seen) == 1 else f'{len(seen)} different contents'}")
        sys.exit(any(len(seen) != 1 for seen in digests.values()))


def machine(device: str) -> str:
    """What the figures were measured on."""
    program = (
        "import torch; print(torch.__version__, torch.cuda.is_available() and torch.cuda.get_device_name())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pytorch, _, card = done.stdout.strip().partition(" ")
    parts = [time.strftime("%Y-%m-%d"), f"{os.cpu_count()} cores", f"PyTorch {pytorch or 'missing'}"]
    return ", ".join([*parts, f"into {card if device != 'cpu' else 'main memory'}"])


def make(folder: Path, layout: str, scale: float) -> Path:
    """Write the file of a layout."""
    path = folder / f"{layout}{SUFFIXES.get(layout, '.safetensors')}"
    if layout != "ckpt":
        model_layouts.write(path, layout, scale)
        return path
    source = path.with_suffix(".safetensors")
    model_layouts.write(source, "sdxl", scale)
    program = (
        "import safetensors.torch, torch\n"
        f"torch.save({{'state_dict': safetensors.torch.load_file({str(source)!r})}}, {str(path)!r})"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    source.unlink()
    return path


def ways(rows: tuple[Way, ...], bench: Bench, path: Path) -> list[Way]:
    return [way for way in rows if path.suffix in way.only and bench.device in way.devices]


def local(bench: Bench, path: Path) -> set[str]:
    """Measure on the warm disk, in turns, so that other load affects all ways alike."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass
    rows = ways(LOCAL, bench, path)
    runs: dict[str, list[Figures | str]] = {way.name: [] for way in rows}
    for _ in range(bench.rounds):
        for way in rows:
            runs[way.name].append(bench.run(way, str(path)))
    results = {name: median(results) for name, results in runs.items()}
    plain, mmap = results["plain"], results["mmap"]
    size = path.stat().st_size
    print(f"  {'warm disk':20} {'s':>7} {'GB/s':>6} {'x plain':>7} {'x mmap':>7} {'CPU s':>6}  peak - file")
    for name, row in results.items():
        if isinstance(row, str):
            print(f"  {name:20} {row}")
            continue
        ratios = [
            f"{row.seconds / base.seconds:.2f}" if isinstance(base, Figures) else "-"
            for base in (plain, mmap)
        ]
        print(
            f"  {name:20} {row.seconds:7.2f} {size / row.seconds / 1e9:6.2f} {ratios[0]:>7} {ratios[1]:>7}"
            f" {row.cpu:6.2f}  {(row.peak - size) / 2**20:+.0f} MiB{', mapped' if row.mapped else ''}",
            flush=True,
        )
    return {row.digest for row in results.values() if isinstance(row, Figures)}


def median(results: list[Figures | str]) -> Figures | str:
    """The run with the median of the seconds; a text if one did not run."""
    figures = [row for row in results if isinstance(row, Figures)]
    if len(figures) < len(results):
        return next(row for row in results if isinstance(row, str))
    middle = statistics.median_low(row.seconds for row in figures)
    return next(row for row in figures if row.seconds == middle)


def remote(bench: Bench, path: Path, limits: Limits, dilate: float) -> set[str]:
    """Measure straight from the server."""

    def run(url: str, way: Way) -> Figures | str:
        return bench.run(way, f"{url}/{BUCKET}/{path.name}")

    return through(ways(S3, bench, path), run, path, limits, dilate, "from S3")


def mounted(bench: Bench, path: Path, limits: Limits, dilate: float) -> set[str]:
    """Measure through Mountpoint, mounted anew for each way: nothing is in a cache."""
    program = os.environ.get("MOUNT_S3") or shutil.which("mount-s3")
    if not program:
        print("  mount: set MOUNT_S3 to a mount-s3")
        return set()
    rows = [way for way in ways(LOCAL, bench, path) if way.way != "pinned"]

    def run(url: str, way: Way) -> Figures | str:
        with mount(program, url, bench.timeout) as folder:
            return bench.run(way, str(folder / path.name))

    return through(rows, run, path, limits, dilate, "mount")


@contextlib.contextmanager
def mount(program: str, url: str, timeout: float, *more: str) -> Iterator[Path]:
    """The server's bucket as a folder. `more`: further arguments of Mountpoint."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [BUCKET, folder, "--foreground", "--read-only", "--no-sign-request", "--force-path-style"]
        child = subprocess.Popen(
            [program, *arguments, *more, f"--endpoint-url={url}", "--region=us-east-1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            end = time.monotonic() + timeout
            while not os.path.ismount(folder):
                if child.poll() is not None or time.monotonic() > end:
                    sys.exit(f"{program} does not mount: {child.communicate()[1]}")
                time.sleep(0.1)
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=False)
            child.terminate()
            child.communicate()


def through(
    rows: list[Way],
    run: Callable[[str, Way], Figures | str],
    path: Path,
    limits: Limits,
    dilate: float,
    title: str,
) -> set[str]:
    """Run the ways that the server limits, and print their shares of its bandwidth."""
    size, digests, base = path.stat().st_size, set(), 0.0
    print(f"  {title:20} {'s':>7} {'of cap':>7} {'x mmap':>7} {'CPU s':>6}  fetched, peak - file")
    with throttled_s3.process(path.parent.parent, limits.dilated(dilate)) as url:
        for way in rows:
            before = fetched(url)
            row = run(url, way)
            if isinstance(row, str):
                print(f"  {way.name:20} {row}", flush=True)
                continue
            digests.add(row.digest)
            seconds = row.seconds / dilate
            base = seconds if way.name == "mmap" else base
            print(
                f"  {way.name:20} {seconds:7.2f} {size / seconds / limits.total:7.2f}"
                f" {f'{seconds / base:.2f}' if base else '-':>7} {row.cpu:6.2f}"
                f"  {(fetched(url) - before) / size:.2f}x, {(row.peak - size) / 2**20:+.0f} MiB",
                flush=True,
            )
    return digests


def fetched(url: str) -> int:
    """Bytes of files that left the server so far."""
    with urllib.request.urlopen(f"{url}/-/sent", timeout=60) as answer:
        return int(answer.read())


if __name__ == "__main__":
    main()
