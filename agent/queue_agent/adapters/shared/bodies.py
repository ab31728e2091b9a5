"""Encodes JSON bodies that hold files as base64, without a copy of the files in memory."""

import asyncio
import binascii
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from queue_agent.blobs import Blob, Scratch

# A multiple of three bytes is encoded without padding.
CHUNK_BYTES = 3 * 2**14
# Files of more bytes are encoded in a thread, so that the next task can start.
INLINE_BYTES = 2**16


@dataclass(frozen=True)
class FileText:
    """Stands for the base64 text of a file in a JSON document, after `prefix`: "", or that of a data URI."""

    data: Blob
    prefix: str = ""


async def encode(document: Any, scratch: Scratch) -> Blob:
    """The JSON text of a document that may hold `FileText`. Raises `ScratchFull`."""
    files: list[FileText] = []
    mark = uuid.uuid4().hex

    def name(value: Any) -> str:
        if not isinstance(value, FileText):
            raise TypeError(f"{type(value).__name__} is not JSON")
        files.append(value)
        return mark

    parts = re.split(f'(?<="){mark}(?=")', json.dumps(document, default=name))
    if sum(file.data.size for file in files) <= INLINE_BYTES:
        return _write(parts, files, scratch)
    return await asyncio.to_thread(_write, parts, files, scratch)


def _write(parts: list[str], files: list[FileText], scratch: Scratch) -> Blob:
    """The parts of the text, with a file between each two."""
    writer = scratch.writer()
    writer.write(parts[0].encode())
    for file, part in zip(files, parts[1:], strict=True):
        writer.write(file.prefix.encode())
        for chunk in file.data.chunks(CHUNK_BYTES):
            writer.write(binascii.b2a_base64(chunk, newline=False))
        writer.write(part.encode())
    return writer.blob()
