"""Downloads one file by many range requests at a time; a file that was begun is completed.

`{file}.part` and `{file}.journal` are what is here of it; the file has its own name when it is complete and
its checksums are those of the object. Memory: one buffer for each stream.
"""

import contextlib
import errno
import hashlib
import http.client
import itertools
import os
import random
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from queue_agent.models.bucket import ERROR_BYTES, Bucket, ModelError, connect, refusal
from queue_agent.models.parts import (
    Part,
    Version,
    crc32_of,
    first_parts,
    journal_header,
    journaled,
    part_bytes,
    parts,
)

STREAMS = 48
BUFFER_BYTES = 256 << 10
# Many pods that start at once are told to slow down: 11 to 17 s of patience for each part.
ATTEMPTS, WAIT_SECONDS, LONGEST_WAIT = 8, 0.2, 5.0
# A node whose disk is fuller than 90 % evicts pods: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
LEAST_FREE_SHARE = 0.1


class Download:
    """One file of a bucket on its way to a path. `progress`: a file whose time is set at each part."""

    def __init__(self, bucket: Bucket, key: str, path: Path, progress: Path, streams: int = STREAMS) -> None:
        self._bucket, self._key, self._path, self._progress = bucket, key, path, progress
        self._streams = streams
        self._part, self._journal = (path.with_name(path.name + end) for end in (".part", ".journal"))
        self._lock, self._failed = threading.Lock(), threading.Event()
        self._url = bucket.url(key)

    def run(self, room: int) -> Version:
        """Download what is missing of a file of at most `room` bytes.

        Raises ModelError; a file of which nothing is left has no parts here.
        """
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(self._streams) as pool:
            asked = {} if self._journal.exists() else self._asked(pool, stack)
            version = self._bucket.version(self._key)
            if version.size > room:
                self._discard()
                message = f"its {version.size} bytes exceed what is left of models.sizeLimit"
                raise ModelError(f"{self._key}: {message}")
            every = parts(version.size, part_bytes(version.size, self._streams), self._streams)
            done = self._kept(version, every)
            try:
                self._fetch_all(pool, version, every, done, asked)
            except OSError as error:
                self._discard()
                raise ModelError(f"{self._path}: {error.strerror}") from error
        self._check(version, every, done)
        self._part.replace(self._path)
        self._journal.unlink()
        return version

    def _asked(self, pool: ThreadPoolExecutor, stack: contextlib.ExitStack) -> dict[int, "_Asked"]:
        """Ask for the first part of each stream: S3 sends them while it is asked for the size of the file.

        The connections are closed with the stack.
        """
        asked = {}
        for part in first_parts(self._streams):
            connection = connect(self._url)
            stack.callback(connection.close)
            asked[part.number] = _Asked(connection, pool.submit(self._send, connection, part, None))
        return asked

    def _fetch_all(
        self,
        pool: ThreadPoolExecutor,
        version: Version,
        every: tuple[Part, ...],
        done: dict[int, int],
        asked: Mapping[int, "_Asked"],
    ) -> None:
        """Fetch the parts that are not done. Raises ModelError, and OSError where the disk fails."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        missing = [part for part in every if part.number not in done]
        with self._opened(version.size) as file, self._journal.open("a" if done else "w") as journal:
            if not done:
                journal.write(journal_header(version, self._streams) + "\n")
            target = _Target(file, version, done, journal)
            first = [part for part in missing if part.number in asked]
            waiting = iter([part for part in missing if part.number not in asked])
            starts = [(part, asked[part.number]) for part in first]
            others = min(self._streams, len(missing)) - len(first)
            streams = [
                pool.submit(self._stream, target, waiting, start) for start in [*starts, *[None] * others]
            ]
            wait(streams)
            for stream in streams:
                stream.result()

    def _kept(self, version: Version, every: tuple[Part, ...]) -> dict[int, int]:
        """The parts that an earlier run has left, by their checksums in the journal and of what is here."""
        try:
            listed = journaled(self._journal.read_text("utf-8"), version, self._streams)
            with self._part.open("rb") as file:
                return {
                    part.number: listed[part.number]
                    for part in every
                    if part.number in listed and _crc32(file.fileno(), part) == listed[part.number]
                }
        except FileNotFoundError:
            return {}

    @contextlib.contextmanager
    def _opened(self, size: int) -> Iterator[int]:
        """The file for the parts, with its space. Raises OSError where the disk has too little."""
        file = os.open(self._part, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            disk = os.fstatvfs(file)
            needed = size - os.fstat(file).st_blocks * 512
            if disk.f_bavail * disk.f_frsize - needed < disk.f_blocks * disk.f_frsize * LEAST_FREE_SHARE:
                raise OSError(errno.ENOSPC, f"{size} bytes would leave too little space on the disk")
            os.ftruncate(file, size)
            if size:
                os.posix_fallocate(file, 0, size)
            yield file
        finally:
            os.close(file)

    def _stream(
        self,
        target: "_Target",
        waiting: Iterator[Part],
        start: tuple[Part, "_Asked"] | None,
    ) -> None:
        """Fetch one part after the other on one connection, until none is left or a stream has failed.

        `start`: the first part, if the connection was asked for it already.
        """
        first, asked = start or (None, None)
        connection = asked.connection if asked else connect(self._url)
        buffer = memoryview(bytearray(BUFFER_BYTES))
        try:
            for part in itertools.chain([first] if first else [], self._shared(waiting)):
                crc = self._fetch(connection, target, part, buffer, asked if part is first else None)
                with self._lock:
                    target.done[part.number] = crc
                    target.journal.write(f"{part.number} {crc}\n")
                    target.journal.flush()
                self._progress.touch()
        except BaseException:
            self._failed.set()
            raise
        finally:
            connection.close()

    def _shared(self, waiting: Iterator[Part]) -> Iterator[Part]:
        while not self._failed.is_set():
            with self._lock:
                part = next(waiting, None)
            if part is None:
                return
            yield part

    def _fetch(
        self,
        connection: http.client.HTTPConnection,
        target: "_Target",
        part: Part,
        buffer: memoryview,
        asked: "_Asked | None",
    ) -> int:
        """Fetch one part; its CRC-32. Raises ModelError when the last attempt fails."""
        for attempt in itertools.count(1):
            try:
                if asked and attempt == 1:
                    asked.sent.result()
                else:
                    self._send(connection, part, target.version.etag)
                return self._receive(connection, target, part, buffer)
            except (http.client.HTTPException, OSError, _TryAgainError) as error:
                connection.close()  # the next request opens it again
                if attempt == ATTEMPTS or self._failed.is_set():
                    raise ModelError(f"{self._key}: {error or type(error).__name__}") from error
                longest = min(LONGEST_WAIT, WAIT_SECONDS * 2 ** (attempt - 1))
                time.sleep(random.uniform(0.6, 1) * longest)  # noqa: S311 - not all at once
        raise AssertionError

    def _send(self, connection: http.client.HTTPConnection, part: Part, etag: str | None) -> None:
        """Ask for a part, of one version of the object if its ETag is known."""
        url = urlsplit(self._url)
        headers = {"Range": f"bytes={part.offset}-{part.offset + part.count - 1}"}
        if etag is not None:
            headers["If-Match"] = etag
        connection.request("GET", f"{url.path}?{url.query}", headers=headers)

    def _receive(
        self, connection: http.client.HTTPConnection, target: "_Target", part: Part, buffer: memoryview
    ) -> int:
        """Write the part that was asked for to its place in the file; its CRC-32."""
        response = connection.getresponse()
        if response.status >= 500 or response.status == 429:
            raise _TryAgainError(f"S3 answers {response.status}")
        if response.status != 206:
            reason = refusal(response.read(ERROR_BYTES)) or response.reason
            raise ModelError(f"{self._key}: S3 answers {response.status} {reason}")
        if response.headers["ETag"] != target.version.etag:
            raise _TryAgainError("the object was replaced")
        crc = written = 0
        while written < part.count:
            count = response.readinto(buffer[: min(len(buffer), part.count - written)])
            if not count:
                raise _TryAgainError("the connection ended early")
            crc = zlib.crc32(buffer[:count], crc)
            _write(target.file, buffer[:count], part.offset + written)
            written += count
        response.read()
        return crc

    def _check(self, version: Version, every: tuple[Part, ...], done: dict[int, int]) -> None:
        """Compare with the object's checksums. Raises ModelError, and leaves nothing of the file."""
        right = version.crc32 is None or version.crc32 == crc32_of(every, done)
        if right and version.sha256 is not None:
            with self._part.open("rb") as file:
                right = hashlib.file_digest(file, "sha256").digest() == version.sha256
        if not right:
            self._discard()
            raise ModelError(f"{self._key}: the checksum is not that of the object")

    def _discard(self) -> None:
        for path in (self._part, self._journal):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Target:
    """Where the parts of one version go: an open file, the CRC-32 of those that are done, their journal."""

    file: int
    version: Version
    done: dict[int, int]
    journal: TextIO


@dataclass(frozen=True)
class _Asked:
    """A connection, and whether its request has been sent."""

    connection: http.client.HTTPConnection
    sent: "Future[None]"


class _TryAgainError(Exception):
    """A request failed in a way that another attempt may not."""


def _write(file: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(file, data, offset)
        data, offset = data[count:], offset + count


def _crc32(file: int, part: Part) -> int:
    crc = 0
    for offset in range(part.offset, part.offset + part.count, BUFFER_BYTES):
        count = min(BUFFER_BYTES, part.offset + part.count - offset)
        crc = zlib.crc32(os.pread(file, count, offset), crc)
    return crc
