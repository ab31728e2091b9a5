"""Reads a file at its source part by part, in its order, with several requests at a time."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from urllib3.exceptions import HTTPError

from generator.facts.model_source import ModelSource
from generator.models.remote import Remote, refused
from generator.models.web import ATTEMPTS, Answer, PullError, Web, cause, host, is_ok, number

# Each part is in memory: with those on their way to S3, at most 9 times the size of a part.
STREAMS = 4
PARTIAL = 206
POINTER = b"version https://git-lfs.github.com/spec/"
HTML = (b"<!doctype html", b"<html")


@dataclass(frozen=True)
class Opened:
    """What the first request says: the size in bytes, the ETag, whether parts can be asked for."""

    size: int
    etag: str
    ranges: bool


class Fetcher:
    """The bytes of one file."""

    def __init__(self, source: ModelSource, remote: Remote, web: Web) -> None:
        self._source, self._remote, self._web = source, remote, web
        # After a redirect, where the bytes are; signed addresses end after a while.
        self._place = remote.url
        self._lock = threading.Lock()

    def open(self) -> Opened:
        """Ask for the first byte. Raises PullError."""
        answer = self._request(0, 0)
        try:
            if "text/html" in answer.header("Content-Type").lower():
                raise self._is_page(answer)
            if answer.status == PARTIAL:
                size, ranges = number(answer.header("Content-Range").rpartition("/")[2]), True
            else:
                size, ranges = number(answer.header("Content-Length")), False
            if size is None:
                raise PullError(
                    f"{host(answer.url)} does not say how large the file is", "use another source"
                )
            if self._remote.size not in (None, size):
                message = f"the file has {size} bytes, and {self._remote.size} by what {self._source} says"
                raise PullError(message, "run it again later, or use another source")
            return Opened(size, answer.header("ETag"), ranges)
        finally:
            answer.close()

    def parts(self, opened: Opened, part_bytes: int) -> Iterator[bytes]:
        """The file in parts of this size, the last one shorter. Raises PullError."""
        if opened.ranges:
            yield from self._parallel(opened, part_bytes)
        else:
            yield from self._sequential(opened, part_bytes)

    def _parallel(self, opened: Opened, part_bytes: int) -> Iterator[bytes]:
        waiting: deque[Future[bytes]] = deque()
        with ThreadPoolExecutor(STREAMS) as pool:
            try:
                for start in range(0, opened.size, part_bytes):
                    end = min(start + part_bytes, opened.size) - 1
                    waiting.append(pool.submit(self._part, opened, start, end))
                    if len(waiting) > STREAMS:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _part(self, opened: Opened, start: int, end: int) -> bytes:
        reason = ""
        for _ in range(ATTEMPTS):
            answer = self._request(start, end)
            try:
                expected = f"bytes {start}-{end}/{opened.size}"
                if answer.status != PARTIAL or answer.header("Content-Range") != expected:
                    message = f"{host(answer.url)} does not send the part that it is asked for"
                    raise PullError(message, "use another source")
                _check_etag(answer, opened)
                data = answer.response.read(end - start + 1)
            except (HTTPError, OSError) as error:
                reason = cause(error)
                continue
            finally:
                answer.response.release_conn()
            if len(data) == end - start + 1:
                return data
            reason = f"it sends {len(data)} of {end - start + 1} bytes"
        raise PullError(f"{host(self._remote.url)} ended early: {reason}", "run it again", unreachable=True)

    def _sequential(self, opened: Opened, part_bytes: int) -> Iterator[bytes]:
        """From a server that knows no ranges: one answer, which cannot be continued."""
        answer = self._asked({})
        try:
            _check_etag(answer, opened)
            read = 0
            while read < opened.size:
                wanted = min(part_bytes, opened.size - read)
                data = answer.response.read(wanted)
                if len(data) != wanted:
                    raise OSError(f"it sends {read + len(data)} of {opened.size} bytes")
                read += wanted
                yield data
            if answer.response.read(1):
                raise _changed()
        except (HTTPError, OSError) as error:
            message = f"{host(answer.url)} ended early: {cause(error)}"
            raise PullError(message, "run it again", unreachable=True) from error
        finally:
            answer.close()

    def _request(self, start: int, end: int) -> Answer:
        return self._asked({"Range": f"bytes={start}-{end}"})

    def _asked(self, headers: Mapping[str, str]) -> Answer:
        """An answer of success, from where the last one came if that address still works."""
        place = self._place
        answer = self._web.request("GET", place, headers)
        if not is_ok(answer.status) and place != self._remote.url:
            answer.close()
            answer = self._web.request("GET", self._remote.url, headers)
        if not is_ok(answer.status):
            answer.close()
            token = self._web.has_token(self._remote.url)
            raise refused(answer, self._source, self._remote.page, has_token=token)
        if urlsplit(answer.url).path.rstrip("/").endswith("/login"):
            raise self._is_page(answer)
        with self._lock:
            self._place = answer.url
        return answer

    def _is_page(self, answer: Answer) -> PullError:
        """A site that shows a page for people, often to log in, in place of a file."""
        answer.close()
        help = f"look at {self._remote.page}; if it wants you to log in, set the token of the site"
        return PullError(f"{host(answer.url)} answers with a web page, not with a file", help)


def _check_etag(answer: Answer, opened: Opened) -> None:
    if opened.etag and answer.header("ETag") not in ("", opened.etag):
        raise _changed()


def _changed() -> PullError:
    return PullError("the file changed at its source while it was read", "run the command again")


def check_start(first: bytes, path: str) -> None:
    """Whether the first bytes are those of a model file. Raises PullError."""
    if first.startswith(POINTER):
        help = "use the address of the file itself: on Hugging Face the one with /resolve/"
        raise PullError("the source has a pointer of Git LFS, not the file", help)
    if first[:64].lstrip().lower().startswith(HTML):
        raise PullError(f"the source has a web page, not {path}", "open the address in a browser")
