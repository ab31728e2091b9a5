"""How many pixels an image has, over all its frames, from its headers alone: nothing is decoded."""

import io
import os
import struct
from collections.abc import Iterator

import imagesize

# A file of tiny segments is an attack on the code that reads them. Real files have fewer: a GIF of 32 MiB has
# 130,000 blocks of 255 bytes, and the color profile of a JPEG at most 255 segments.
MAX_BLOCKS = 400_000
MAX_READS = 5000
PNG_SIGNATURE_BYTES = 8


class TooManyBlocksError(ValueError):
    """The file has more blocks than any real one."""


class _BoundedReader(io.BytesIO):
    """Reads bytes, of which it makes no copy, and only so many times."""

    def __init__(self, data: memoryview) -> None:
        super().__init__()
        self._data, self._at, self._reads = data, 0, 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > MAX_READS:
            raise TooManyBlocksError
        start = self._at
        self._at = len(self._data) if size is None or size < 0 else min(start + size, len(self._data))
        return bytes(self._data[start : self._at])

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._data)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at


def pixels(data: memoryview, content_type: str) -> int:
    """The pixels of all frames together; 0 or less when the size cannot be read.

    Raises `TooManyBlocksError`.
    """
    width, height = (int(side) for side in imagesize.get(_BoundedReader(data)))
    if width <= 0 or height <= 0:
        return 0
    try:
        match content_type:
            case "image/gif":
                return sum(max(width * height, size) for size in _gif_frames(data)) or width * height
            case "image/webp":
                return width * height * max(1, sum(name == b"ANMF" for name, _ in _webp_chunks(data)))
            case "image/png":
                return width * height * _png_frames(data)
    except (struct.error, IndexError):
        return 0
    return width * height


def is_animated(data: memoryview, content_type: str) -> bool:
    """Whether a PNG or WebP has the chunk of an animation. Raises `TooManyBlocksError`."""
    if content_type == "image/webp":
        return any(name == b"ANIM" for name, _ in _webp_chunks(data))
    return any(name == b"acTL" for name, _ in _png_head(data))


def _gif_frames(data: memoryview) -> Iterator[int]:
    """The pixels of each frame. https://www.w3.org/Graphics/GIF/spec-gif89a.txt"""
    at = 13 + _color_table_bytes(data[10])
    blocks = 0
    while at < len(data) and data[at] != 0x3B:
        if blocks > MAX_BLOCKS:
            raise TooManyBlocksError
        if data[at] == 0x2C:
            width, height, flags = struct.unpack_from("<HHB", data, at + 5)
            yield width * height
            at += 11 + _color_table_bytes(flags)
        else:
            at += 2
        while data[at] and blocks <= MAX_BLOCKS:
            at += 1 + data[at]
            blocks += 1
        at += 1
        blocks += 1


def _color_table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _webp_chunks(data: memoryview) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk. https://developers.google.com/speed/webp/docs/riff_container"""
    at, count = 12, 0
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        yield name, size
        at += 8 + size + size % 2
        count += 1
        if count > MAX_BLOCKS:
            raise TooManyBlocksError


def _png_frames(data: memoryview) -> int:
    """The frames that an `acTL` chunk names. https://www.w3.org/TR/png-3/#11acTL"""
    for name, at in _png_head(data):
        if name == b"acTL":
            return max(1, int(struct.unpack_from(">I", data, at)[0]))
    return 1


def _png_head(data: memoryview) -> Iterator[tuple[bytes, int]]:
    """Name and place of each chunk before the image data. https://www.w3.org/TR/png-3/#5DataRep"""
    at, count = PNG_SIGNATURE_BYTES, 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT":
            return
        yield name, at + 8
        at += 12 + size
        count += 1
        if count > MAX_BLOCKS:
            raise TooManyBlocksError
