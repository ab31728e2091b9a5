"""Bytes that are in memory as long as there is room for them, and else in files of the scratch volume.

The inputs and outputs of a task may be far larger than the memory of the container. Files are created without
a name (`tempfile.TemporaryFile`), so nothing is left when the process is killed.
"""

import asyncio
import contextlib
import io
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator

# All blobs in memory together.
MEMORY_BYTES = 96 * 2**20
# A larger blob is in a file.
MAX_IN_MEMORY = 16 * 2**20
# What is written to a file, or read from it, at once.
CHUNK_BYTES = 2**20


class ScratchFull(Exception):  # noqa: N818 (a state of the node, not an error of the task)
    """The scratch volume has no room, or cannot be written: the task is retried, on any pod."""


class Blob:
    """Immutable bytes in memory or in a file. Several threads may read it at once; `size` is in bytes."""

    def __init__(self, source: "bytes | _Memory | _File", offset: int = 0, size: int | None = None) -> None:
        self._source = _Memory(source) if isinstance(source, bytes) else source
        self._offset = offset
        self.size = self._source.size - offset if size is None else size

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """`size` bytes from `offset` on, or fewer at the end; all bytes without arguments."""
        left = max(0, self.size - offset)
        return self._source.read(self._offset + offset, left if size is None else min(size, left))

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """All bytes, in chunks of `size`."""
        return (self.read(offset, size) for offset in range(0, self.size, size))

    def reader(self) -> io.IOBase:
        """A file object for libraries that read one. It has a position of its own, and need not be closed."""
        return io.BytesIO(self.read()) if isinstance(self._source, _Memory) else _Reader(self)

    def body(self) -> memoryview | io.IOBase:
        """The body of a request: what is in memory, without a copy, or a file object."""
        return (
            self._source.slice(self._offset, self.size)
            if isinstance(self._source, _Memory)
            else _Reader(self)
        )

    @contextlib.contextmanager
    def view(self) -> Iterator[memoryview]:
        """All bytes, without a copy of them in memory."""
        with self._source.view() as whole, whole[self._offset : self._offset + self.size] as view:
            yield view

    def part(self, offset: int, size: int) -> "Blob":
        """A part of this blob, which keeps the whole from being freed."""
        return Blob(self._source, self._offset + offset, size)


class Scratch:
    """Keeps blobs: together at most `memory_bytes` of them in memory, the others in files."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._left = memory_bytes
        # Blobs are freed in any thread, also while this thread holds the lock.
        self._lock = threading.RLock()

    def writer(self) -> "BlobWriter":
        """A new blob, to be written."""
        return BlobWriter(self)

    def take(self, size: int) -> bool:
        """Whether there is room in memory for so many more bytes; if so, they are taken."""
        with self._lock:
            fits = size <= self._left
            self._left -= size if fits else 0
            return fits

    def give_back(self, size: int) -> None:
        """So many bytes in memory are free again."""
        with self._lock:
            self._left += size


class BlobWriter:
    """Writes one blob. `size` is the number of bytes so far."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._buffer = _Buffer(scratch)
        self._file: _File | None = None

    @property
    def size(self) -> int:
        """The number of bytes written so far."""
        return (self._file.size if self._file else 0) + self._buffer.tell()

    async def add(self, chunk: bytes) -> None:
        """Write a chunk without blocking the event loop. Raises `ScratchFull`."""
        if self._fits(len(chunk)):
            self._buffer.write(chunk)
        else:
            await asyncio.to_thread(self._write_to_file, chunk)

    def write(self, chunk: bytes) -> None:
        """Write a chunk, in a thread other than the event loop's. Raises `ScratchFull`."""
        if self._fits(len(chunk)):
            self._buffer.write(chunk)
        else:
            self._write_to_file(chunk)

    def _fits(self, size: int) -> bool:
        """Whether so many more bytes fit into the buffer: of the blob, or, once there is one, of its file."""
        if self._file is None:
            return self._buffer.grow(size)
        return self._buffer.tell() + size < CHUNK_BYTES

    async def close(self) -> Blob:
        """The blob. Raises `ScratchFull`."""
        if self._file is not None and self._buffer.tell():
            await asyncio.to_thread(self._write_to_file, b"")
        return self.blob()

    def blob(self) -> Blob:
        """The blob, as `close`, in a thread other than the event loop's. Nothing more can be written."""
        if self._file is None:
            return Blob(_Memory(self._buffer.getvalue(), self._buffer))
        if self._buffer.tell():
            self._write_to_file(b"")
        return Blob(self._file)

    def _write_to_file(self, chunk: bytes) -> None:
        try:
            self._file = self._file or _File()
            self._file.append(self._buffer.getvalue())
            self._file.append(chunk)
        except OSError as error:
            raise ScratchFull(f"the scratch volume cannot be written: {error}") from error
        self._buffer = _Buffer(self._scratch)


class _Buffer(io.BytesIO):
    """A buffer whose bytes are taken from the memory of a `Scratch`."""

    def __init__(self, scratch: Scratch) -> None:
        super().__init__()
        self._scratch = scratch
        self._taken = 0

    def grow(self, size: int) -> bool:
        """Whether so many more bytes may be written."""
        fits = self.tell() + size <= MAX_IN_MEMORY and self._scratch.take(size)
        self._taken += size if fits else 0
        return fits

    def __del__(self) -> None:
        self._scratch.give_back(self._taken)


class _Memory:
    """Bytes in memory. `buffer` is what they were written to: it gives back their room when it is freed."""

    def __init__(self, data: bytes, buffer: _Buffer | None = None) -> None:
        self._data, self._buffer = data, buffer
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        return self._data if (offset, size) == (0, self.size) else self._data[offset : offset + size]

    def slice(self, offset: int, size: int) -> memoryview:
        return memoryview(self._data)[offset : offset + size]

    def view(self) -> contextlib.AbstractContextManager[memoryview]:
        return memoryview(self._data)


class _File:
    """A file without a name, which is deleted when nobody reads it any more."""

    def __init__(self) -> None:
        self.size = 0
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed when it is freed)
        weakref.finalize(self, self._file.close)

    def append(self, data: bytes) -> None:
        with memoryview(data) as left:
            written = 0
            while written < len(left):
                written += self._file.write(left[written:])
        self.size += len(data)

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, offset)

    @contextlib.contextmanager
    def view(self) -> Iterator[memoryview]:
        with (
            mmap.mmap(self._file.fileno(), 0, prot=mmap.PROT_READ) as pages,
            memoryview(pages) as view,
        ):
            yield view


class _Reader(io.RawIOBase):
    """Reads a blob from its own position."""

    def __init__(self, blob: Blob) -> None:
        self._blob, self._at = blob, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._blob.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._blob.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at
