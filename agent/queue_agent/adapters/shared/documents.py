"""Reads large JSON documents from a runtime: a file in base64 in them never is in memory as a whole."""

import binascii
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from queue_agent.blobs import Blob, BlobWriter, Scratch
from queue_agent.contract import RuntimeUnavailable

# Python holds its lock while it decodes so much, which takes half a millisecond.
CHUNK_BYTES = 2**16
# A shorter string stays what it is.
LONG_BYTES = 2**14
# The document without its files, which is in memory as a whole.
MAX_REST_BYTES = 16 * 2**20
DATA_URI = re.compile(rb"data:[^,]{0,200},")
QUOTE, BACKSLASH = b'"', b"\\"


@dataclass(frozen=True)
class Document:
    """A JSON value. In the place of each long base64 text or data URI it has a name of `files`."""

    value: Any
    files: Mapping[str, Blob] = field(default_factory=dict)


def parse(body: Blob, scratch: Scratch) -> Document:
    """The document in these bytes. Raises `RuntimeUnavailable` and `ScratchFull`."""
    writer = scratch.writer()
    splitter = _Splitter(writer)
    for chunk in body.chunks(CHUNK_BYTES):
        splitter.feed(chunk)
        if len(splitter.rest) > MAX_REST_BYTES:
            raise RuntimeUnavailable(
                "runtime_answer", f"the response has more than {MAX_REST_BYTES} bytes besides its files"
            )
    try:
        value = json.loads(splitter.rest)
    except (ValueError, RecursionError):
        raise RuntimeUnavailable("runtime_answer", "the response is not JSON") from None
    written = writer.blob()
    return Document(value, {name: written.part(*place) for name, place in splitter.places.items()})


class _Splitter:
    """Separates a JSON text from the files in it: `rest` is the text with names for them.

    `places` has offset and size of each file in the blob.
    """

    def __init__(self, writer: BlobWriter) -> None:
        self.rest = bytearray()
        self.places: dict[str, tuple[int, int]] = {}
        self._writer = writer
        self._names = uuid.uuid4().hex
        self._string: _String | None = None

    def feed(self, chunk: bytes) -> None:
        """Continue with the next bytes of the text."""
        at = 0
        while at < len(chunk):
            if self._string is None:
                quote = chunk.find(QUOTE, at)
                end = quote + 1 or len(chunk)
                self.rest += chunk[at:end]
                if quote >= 0:
                    self._string = _String(self._writer)
                at = end
            else:
                quote = self._string.end_in(chunk, at)
                self.rest += self._string.add(chunk[at:quote] if quote >= 0 else chunk[at:])
                at = quote + 1 or len(chunk)
                if quote >= 0:
                    self._close(self._string)

    def _close(self, string: "_String") -> None:
        self.rest += string.close()
        if string.start is not None:
            name = f"{self._names}-{len(self.places)}"
            self.places[name] = (string.start, self._writer.size - string.start)
            self.rest += name.encode()
        self.rest += QUOTE
        self._string = None


class _String:
    """One string of a JSON text. `start` is the offset of its file in the blob, if it holds one."""

    def __init__(self, writer: BlobWriter) -> None:
        self.start: int | None = None
        self._writer = writer
        self._pending = b""
        self._backslashes = 0  # at the end of the last part
        self._is_text = False

    def end_in(self, chunk: bytes, start: int) -> int:
        """The index of the quote in `chunk[start:]` that ends the string, or -1."""
        quote = chunk.find(QUOTE, start)
        while quote >= 0 and self._backslashes_before(chunk, start, quote) % 2:
            quote = chunk.find(QUOTE, quote + 1)
        return quote

    def add(self, part: bytes) -> bytes:
        """Continue with the next part; what of it belongs to the rest of the document."""
        self._backslashes = self._backslashes_before(part, 0, len(part))
        if self._is_text:
            return part
        self._pending += part
        if len(self._pending) > LONG_BYTES:
            return self._decode() if self.start is not None else self._begin()
        return b""

    def close(self) -> bytes:
        """Continue with the end of the string; what belongs to the rest of the document."""
        return self._decode(final=True) if self.start is not None else self._pending

    def _begin(self) -> bytes:
        """Take the string for a file, if it begins like one."""
        text, self.start = self._pending, self._writer.size
        prefix = DATA_URI.match(text)
        self._pending = text[prefix.end() if prefix else 0 :]
        self._decode()
        return text if self._is_text else b""

    def _decode(self, *, final: bool = False) -> bytes:
        """Write the bytes of the pending text. What is not base64 is no file: it is lost."""
        half = BACKSLASH if self._pending.endswith(BACKSLASH) else b""  # of an escaped slash
        text = self._pending.removesuffix(half)
        if BACKSLASH in text:  # to look for one byte takes a fiftieth of the time of `replace`
            text = text.replace(b"\\/", b"/")
        end = len(text) if final else len(text) // 4 * 4
        try:
            self._writer.write(binascii.a2b_base64(text[:end], strict_mode=True))
            self._pending = text[end:] + half
        except binascii.Error:
            self._pending, self.start, self._is_text = b"", None, True
        return b""

    def _backslashes_before(self, chunk: bytes, start: int, end: int) -> int:
        at = end
        while at > start and chunk[at - 1] == BACKSLASH[0]:
            at -= 1
        return end - at + (self._backslashes if at == start else 0)
