"""A read-only S3 over a folder, as slow as it is told to be: `python -m testing.throttled_s3 FOLDER`.

It answers GetObject with ranges, HeadObject and ListObjectsV2: what boto3 and Mountpoint need to read. One
stream and all streams together have a bandwidth, and each response starts after a delay. Standard library,
and a process of its own in benchmarks: it must not share an interpreter with what is measured.
"""

import argparse
import contextlib
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

# Bytes between two looks at the clock: about 3 ms of one stream.
CHUNK = 256 * 1024
RANGE = re.compile(r"bytes=(\d+)-(\d*)$")


@dataclass(frozen=True)
class Limits:
    """What a server allows: seconds to the first byte, bytes per second of a stream and of all streams."""

    first_byte: float
    stream: float
    total: float

    def dilated(self, factor: float) -> "Limits":
        """The same in a world that is `factor` times slower."""
        return Limits(self.first_byte * factor, self.stream / factor, self.total / factor)


class Pace:
    """When the next bytes may leave, at so many bytes per second."""

    def __init__(self, rate: float) -> None:
        self._rate, self._free, self._lock = rate, 0.0, threading.Lock()

    def reserve(self, count: int, now: float) -> float:
        """Take the time that `count` bytes need; when they are through. Unused time is not saved."""
        with self._lock:
            self._free = max(self._free, now) + count / self._rate
            return self._free


@dataclass(frozen=True)
class Request:
    """The part of a request that matters here; names of headers in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """A response: the body is text, or `count` bytes of a file from `offset` on."""

    status: str
    headers: dict[str, str]
    text: bytes = b""
    file: Path | None = None
    offset: int = 0
    count: int = 0


def parse(head: bytes) -> Request:
    """A request from its first line and headers."""
    line, *rest = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ", 2)
    parts = urlsplit(target)
    headers = {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
    return Request(method, unquote(parts.path), parse_qs(parts.query, keep_blank_values=True), headers)


def answer(request: Request, folder: Path) -> Answer:
    """What S3 answers; a bucket is a folder in `folder`, a key is a file's path in it."""
    bucket, _, key = request.path.strip("/").partition("/")
    if not key:
        return _listing(folder / bucket, request.query)
    file = folder / bucket / key
    if not file.is_file() or ".." in file.parts:
        return _error("404 Not Found", "NoSuchKey")
    stat = file.stat()
    headers = {
        "ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
        "Last-Modified": formatdate(stat.st_mtime, usegmt=True),
        "Accept-Ranges": "bytes",
        "Content-Type": "binary/octet-stream",
    }
    if "range" not in request.headers:
        return Answer("200 OK", headers, file=file, count=stat.st_size)
    match = RANGE.match(request.headers["range"])
    if match is None or int(match[1]) >= stat.st_size:
        return _error("416 Requested Range Not Satisfiable", "InvalidRange")
    first, last = int(match[1]), min(int(match[2] or stat.st_size), stat.st_size - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{stat.st_size}"
    return Answer("206 Partial Content", headers, file=file, offset=first, count=last - first + 1)


def _error(status: str, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{status}</Message></Error>"
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())


def _listing(folder: Path, query: dict[str, list[str]]) -> Answer:
    """ListObjectsV2, all in one page."""
    prefix = query.get("prefix", [""])[0]
    delimiter = query.get("delimiter", [""])[0]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    rows, folders = [], set()
    for file in files:
        key = file.relative_to(folder).as_posix()
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
            continue
        stat = file.stat()
        changed = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stat.st_mtime))
        rows.append(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{changed}</LastModified>"
            f'<ETag>"{stat.st_mtime_ns:x}-{stat.st_size:x}"</ETag><Size>{stat.st_size}</Size>'
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
    rows += [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders)]
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<ListBucketResult><Name>{escape(folder.name)}</Name><Prefix>{escape(prefix)}</Prefix>"
        f"<KeyCount>{len(rows)}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
        f"{''.join(rows)}</ListBucketResult>"
    )
    return Answer("200 OK", {"Content-Type": "application/xml"}, body.encode())


class Server(socketserver.ThreadingTCPServer):
    """`with Server(folder, limits) as server:` listens at `server.url`; `sent` counts the bytes of files."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, limits: Limits) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.folder, self.limits = folder, limits
        self.pace, self.sent = Pace(limits.total), 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    server: Server
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = b""
        with contextlib.suppress(ConnectionError):
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = self.request.recv(65536)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                self._respond(parse(head))

    def _respond(self, request: Request) -> None:
        if request.path == "/-/sent":  # not of S3: for whoever measures
            response = Answer("200 OK", {}, str(self.server.sent).encode())
        else:
            response = answer(request, self.server.folder)
            time.sleep(self.server.limits.first_byte)
        count = response.count if response.file else len(response.text)
        lines = [f"HTTP/1.1 {response.status}", f"Content-Length: {count}", "x-amz-request-id: 1"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        self.request.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        if request.method == "HEAD":
            return
        if response.file is None:
            self.request.sendall(response.text)
        else:
            self._send(response.file, response.offset, response.count)

    def _send(self, path: Path, offset: int, count: int) -> None:
        own, end = Pace(self.server.limits.stream), offset + count
        with path.open("rb", buffering=0) as file:
            while offset < end:
                size = min(CHUNK, end - offset)
                now = time.monotonic()
                ready = max(own.reserve(size, now), self.server.pace.reserve(size, now))
                time.sleep(max(0.0, ready - time.monotonic()))
                while size:
                    sent = os.sendfile(self.request.fileno(), file.fileno(), offset, size)
                    if not sent:
                        raise ConnectionResetError
                    offset, size = offset + sent, size - sent
                    self.server.sent += sent


@contextlib.contextmanager
def process(folder: Path, limits: Limits) -> Iterator[str]:
    """The server as a process of its own; its URL."""
    numbers = [f"--first-byte={limits.first_byte}", f"--stream={limits.stream}", f"--total={limits.total}"]
    command = [sys.executable, "-m", "testing.throttled_s3", str(folder), *numbers]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    try:
        if child.stdout is None:
            raise RuntimeError("no pipe")
        yield child.stdout.readline().strip()
    finally:
        child.kill()
        child.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first-byte", type=float, default=0.0, help="seconds")
    parser.add_argument("--stream", type=float, default=1e12, help="bytes per second")
    parser.add_argument("--total", type=float, default=1e12, help="bytes per second")
    options = parser.parse_args()
    with Server(options.folder, Limits(options.first_byte, options.stream, options.total)) as server:
        print(server.url, flush=True)
        sys.stdin.read()  # until the parent ends


if __name__ == "__main__":
    main()
