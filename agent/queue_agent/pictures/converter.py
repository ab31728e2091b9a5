"""Converts the pictures of tasks, one at a time, each in a process of its own.

The process has neither the agent's memory nor its environment: a picture that needs too much, or a flaw of a
decoder, ends it and not the agent.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from typing import IO, Any

from queue_agent.blobs import Blob, Scratch, ScratchFull
from queue_agent.contract import Output, OutputOptions
from queue_agent.task import frames
from queue_agent.task.output_options import options_text

# 4096 x 4096. More would need more memory than the chart gives the agent next to its other work.
MAX_PIXELS = 4096 * 4096
# A picture of this size takes some seconds on a busy node.
CONVERT_SECONDS = 120.0
CONTENT_TYPES = {"png": ("image/png", "png"), "jpeg": ("image/jpeg", "jpg"), "webp": ("image/webp", "webp")}
PROBLEM_CHARACTERS = 200
_ERROR_BYTES = 65_536


@dataclass(frozen=True)
class Converted:
    """A picture as it is to be stored, and its thumbnail. `problem`: why it is as the runtime made it."""

    picture: Output
    thumbnail: Output | None = None
    problem: str = ""


class _NotConvertedError(Exception):
    """The picture cannot be converted."""


class Converter:
    """Converts one picture at a time."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._one = asyncio.Lock()

    async def convert(self, output: Output, options: OutputOptions) -> Converted:
        """The output as the options want it, if it is a picture. Raises `ScratchFull`."""
        if output.kind != "image":
            return Converted(output)
        try:
            if output.content_type not in {mime for mime, _ in CONTENT_TYPES.values()}:
                raise _NotConvertedError(f"{output.content_type} is not converted")
            await asyncio.to_thread(_check_size, output)
            async with self._one, asyncio.timeout(CONVERT_SECONDS):
                picture, thumbnail = await self._run(output.data, options)
        except TimeoutError:
            return Converted(output, problem=f"it was not converted within {CONVERT_SECONDS:g} s")
        except _NotConvertedError as error:
            return Converted(output, problem=str(error)[:PROBLEM_CHARACTERS])
        return Converted(
            output if picture is None else _of(output, picture),
            None if thumbnail is None else _of(replace(output, metadata={}), thumbnail),
        )

    async def _run(self, data: Blob, options: OutputOptions) -> "tuple[_Written | None, _Written | None]":
        source = await asyncio.to_thread(_copied, data)
        with source:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "queue_agent.pictures", options_text(options)),
                stdin=source,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={},
            )
        try:
            return await self._read(child)
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _read(self, child: asyncio.subprocess.Process) -> "tuple[_Written | None, _Written | None]":
        if child.stdout is None or child.stderr is None:
            raise AssertionError("both are pipes")
        heads = [await child.stdout.readline() for _ in range(2)]
        if not all(heads):
            errors = await child.stderr.read(_ERROR_BYTES)
            raise _NotConvertedError(f"it cannot be converted: {_last_line(errors.decode(errors='replace'))}")
        picture, thumbnail = [await self._written(json.loads(head), child.stdout) for head in heads]
        return picture, thumbnail

    async def _written(self, head: Any, stream: asyncio.StreamReader) -> "_Written | None":
        if head is None:
            return None
        writer, left = self._scratch.writer(), int(head["bytes"])
        while left:
            chunk = await stream.read(left)
            if not chunk:
                raise _NotConvertedError("the conversion ended early")
            await writer.add(chunk)
            left -= len(chunk)
        return _Written(head["format"], head["width"], head["height"], await writer.close())


@dataclass(frozen=True)
class _Written:
    format: str
    width: int
    height: int
    data: Blob


def _last_line(text: str) -> str:
    """The last line of what a process wrote before it failed."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else "the process ended without a message"


def _check_size(output: Output) -> None:
    try:
        with output.data.view() as view:
            pixels = frames.pixels(view, output.content_type)
    except frames.TooManyBlocksError:
        raise _NotConvertedError("it has more blocks than any real picture") from None
    if not 0 < pixels <= MAX_PIXELS:
        raise _NotConvertedError(f"it has {pixels} pixels; those of at most {MAX_PIXELS} are converted")


def _copied(data: Blob) -> IO[bytes]:
    """The bytes in a file that another process can read."""
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the caller)
        for chunk in data.chunks():
            file.write(chunk)
        file.seek(0)
    except OSError as error:
        raise ScratchFull(f"the scratch volume cannot be written: {error}") from error
    return file


def _of(output: Output, written: _Written) -> Output:
    content_type, extension = CONTENT_TYPES[written.format]
    return replace(output, data=written.data, content_type=content_type, extension=extension)
