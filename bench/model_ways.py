"""One way to load one model file, in a process of its own: `python -m bench.model_ways WAY SOURCE`.

SOURCE is a path, or the URL of an object; the figures are printed as JSON. The clock runs from the file's
name to the last byte in the memory of the device, without imports and the start of CUDA. Needs PyTorch
and safetensors, and for those ways boto3 and gguf; without PyTorch only the ways that give one buffer run.
"""

import argparse
import concurrent.futures
import hashlib
import http.client
import io
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

try:
    import torch
except ImportError:
    torch = None

PART_BYTES = 16 << 20
PIN_BUFFERS = 4
PAGE = 4096
Loaded = Any  # tensors by name, or one buffer with the whole file


def buffer(size: int, pinned: bool = False) -> tuple[Any, memoryview]:
    """Memory that is not filled with zeros first, and its bytes."""
    if torch is None:
        data = bytearray(size)
        return data, memoryview(data)
    tensor = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
    return tensor, memoryview(tensor.numpy())


def read_into(file: io.RawIOBase | http.client.HTTPResponse, view: memoryview) -> None:
    done = 0
    while done < len(view):
        step = file.readinto(view[done:])
        if not step:
            raise OSError(f"ends after {done} bytes")
        done += step


def plain(source: str, device: str) -> Loaded:
    """Read the file into one buffer."""
    with Path(source).open("rb", buffering=0) as file:
        data, view = buffer(Path(source).stat().st_size)
        read_into(file, view)
    return data if device == "cpu" else data.to(device)


def library(source: str, device: str, **backend: str) -> Loaded:
    """What the library of the format does: it maps, unless the chart's sitecustomize.py has changed it."""
    if source.endswith(".gguf"):
        import gguf
        import numpy

        parts = {part.name: part for part in gguf.GGUFReader(source).tensors}
        return {name: torch.from_numpy(numpy.asarray(part.data)).to(device) for name, part in parts.items()}
    if source.endswith(".ckpt"):
        return torch.load(source, map_location=device, weights_only=True, mmap=device == "cpu" or None)
    import safetensors.torch

    return safetensors.torch.load_file(source, device=device, **backend)


def copied(source: str, device: str) -> Loaded:
    """Each tensor copied out of the mapping, as ComfyUI's --disable-mmap does."""
    loaded = library(source, "cpu")
    tensors = loaded.get("state_dict", loaded)
    return {name: tensor.to(device, copy=True) for name, tensor in tensors.items()}


def pread(source: str, device: str) -> Loaded:
    """What safetensors reads with since 0.8, if asked to."""
    return library(source, device, backend="pread")


def pinned(source: str, device: str) -> Loaded:
    """Through a few pinned buffers: one part is read while the others are copied to the GPU."""
    size = Path(source).stat().st_size
    target = torch.empty(size, dtype=torch.uint8, device=device)
    ring = [(*buffer(PART_BYTES, pinned=True), torch.cuda.Event()) for _ in range(PIN_BUFFERS)]
    with Path(source).open("rb", buffering=0) as file:
        for offset, (memory, view, event) in zip(range(0, size, PART_BYTES), itertools.cycle(ring)):
            count = min(PART_BYTES, size - offset)
            event.synchronize()
            read_into(file, view[:count])
            target[offset : offset + count].copy_(memory[:count], non_blocking=True)
            event.record()
    return target


def ranges(source: str, device: str, streams: int) -> Loaded:
    """Parallel range GETs of 16 MiB, each stream with a connection of its own."""
    url = urlsplit(source)
    connections: list[http.client.HTTPConnection] = []

    def connect() -> http.client.HTTPConnection:
        connections.append(http.client.HTTPConnection(url.netloc))
        return connections[-1]

    def get(connection: http.client.HTTPConnection, offset: int, view: memoryview) -> None:
        last = offset + len(view) - 1
        connection.request("GET", url.path, headers={"Range": f"bytes={offset}-{last}"})
        response = connection.getresponse()
        read_into(response, view)
        response.read()

    head = connect()
    head.request("HEAD", url.path)
    response = head.getresponse()
    response.read()
    return parallel(int(response.headers["Content-Length"]), device, streams, connect, get)


def boto(source: str, device: str, streams: int) -> Loaded:
    """The same with boto3."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    url = urlsplit(source)
    bucket, _, key = url.path.strip("/").partition("/")
    config = Config(
        signature_version=UNSIGNED, s3={"addressing_style": "path"}, max_pool_connections=streams,
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
    )  # fmt: skip
    client = boto3.client("s3", endpoint_url=f"http://{url.netloc}", region_name="us-east-1", config=config)

    def get(_: None, offset: int, view: memoryview) -> None:
        part = f"bytes={offset}-{offset + len(view) - 1}"
        view[:] = client.get_object(Bucket=bucket, Key=key, Range=part)["Body"].read()

    size = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
    return parallel(size, device, streams, lambda: None, get)


def parallel(
    size: int,
    device: str,
    streams: int,
    connect: Callable[[], Any],
    get: Callable[[Any, int, memoryview], None],
) -> Loaded:
    """Fetch all parts, each stream the next one; on the GPU through one pinned buffer for each stream."""
    offsets = iter(range(0, size, PART_BYTES))
    data, view = buffer(size) if device == "cpu" else (None, memoryview(b""))
    target: Any = data if device == "cpu" else torch.empty(size, dtype=torch.uint8, device=device)

    def stream() -> None:
        connection = connect()
        memory, staging = (None, memoryview(b"")) if device == "cpu" else buffer(PART_BYTES, pinned=True)
        for offset in offsets:  # shared: `next` of a range is atomic
            count = min(PART_BYTES, size - offset)
            if memory is None:
                get(connection, offset, view[offset : offset + count])
            else:
                get(connection, offset, staging[:count])
                target[offset : offset + count].copy_(memory[:count])

    with concurrent.futures.ThreadPoolExecutor(streams) as pool:
        for done in [pool.submit(stream) for _ in range(streams)]:
            done.result()
    return target


WAYS: dict[str, Callable[[str, str], Loaded]] = {
    "plain": plain,
    "library": library,
    "copied": copied,
    "pread": pread,
    "pinned": pinned,
    "one-stream": lambda source, device: ranges(source, device, 1),
    "ranges-16": lambda source, device: ranges(source, device, 16),
    "ranges-32": lambda source, device: ranges(source, device, 32),
    "boto3-16": lambda source, device: boto(source, device, 16),
}


def touch(loaded: Loaded) -> None:
    """Have every page of the result in memory: a mapping has none until then."""
    if torch is None:
        return
    parts = loaded.values() if isinstance(loaded, dict) else [loaded]
    for tensor in parts:
        if isinstance(tensor, dict):
            touch(tensor)
        elif tensor.device.type == "cpu" and tensor.numel():
            tensor.reshape(-1).view(torch.uint8)[::PAGE].sum()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def digest(loaded: Loaded, suffix: str) -> str:
    """A hash of names and data, the same for each way that gives the same tensors."""
    total = hashlib.sha256()
    for name, data in sorted(contents(loaded, suffix)):
        total.update(name.encode() + hashlib.sha256(data).digest())
    return total.hexdigest()


def contents(loaded: Loaded, suffix: str) -> list[tuple[str, memoryview]]:
    """Names and bytes of the tensors."""
    if isinstance(loaded, dict):
        tensors = loaded.get("state_dict", loaded)
        return [
            (name, memoryview(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()))
            for name, tensor in tensors.items()
        ]
    view = memoryview(loaded if torch is None else loaded.cpu().numpy())
    if suffix != ".safetensors":
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(view)
            file.flush()
            return contents(library(file.name, "cpu"), suffix)
    length = int.from_bytes(view[:8], "little")
    header = json.loads(bytes(view[8 : 8 + length]))
    header.pop("__metadata__")
    start = 8 + length
    return [
        (name, view[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]])
        for name, entry in header.items()
    ]


def status(field: str) -> int:
    """Bytes of a field of /proc/self/status."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("source")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--digest", action="store_true")
    options = parser.parse_args()
    if options.device != "cpu":
        torch.zeros(1, device=options.device)
    if options.source.endswith((".safetensors", ".ckpt", ".gguf")) and torch is not None:
        import safetensors.torch  # noqa: F401 - not counted
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the peak starts here
    started, cpu = time.perf_counter(), time.process_time()
    loaded = WAYS[options.way](options.source, options.device)
    touch(loaded)
    result: dict[str, object] = {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "peak": status("VmHWM") - before,
        "mapped": options.source in Path("/proc/self/maps").read_text("utf-8"),
    }
    if options.digest:
        result["digest"] = digest(loaded, Path(options.source).suffix)
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
