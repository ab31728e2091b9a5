"""Encodes JSON bodies that hold files as base64, without a copy of the files in memory."""

import binascii
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

from queue_agent.blobs import Blob, Scratch
from queue_agent.concurrency import off_loop

# A multiple of three bytes is encoded without padding.
CHUNK_BYTES = 3 * 2**14


@dataclass(frozen=True)
class FileText:
    """Stands for the base64 text of a file in a JSON document, after `prefix`: "", or that of a data URI."""

    data: Blob
    prefix: str = ""


async def encode(document: Any, size: int, scratch: Scratch) -> Blob:
    """The JSON text of a document that may hold `FileText`, and has about `size` bytes besides.

    Raises `ScratchFull`.
    """
    parts, files = await off_loop(size, _split, document)
    return await off_loop(size + sum(file.data.size for file in files), _write, parts, files, scratch)


def _split(document: Any) -> tuple[list[str], list[FileText]]:
    """The text of the document in parts, and the file between each two."""
    files: list[FileText] = []
    mark = uuid.uuid4().hex

    def name(value: Any) -> str:
        if not isinstance(value, FileText):
            raise TypeError(f"{type(value).__name__} is not JSON")
        files.append(value)
        return mark

    return re.split(f'(?<="){mark}(?=")', json.dumps(document, default=name)), files


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
