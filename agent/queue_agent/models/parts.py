"""Decides what to fetch of a file: its parts, which of them are here, and the checksum that they make."""

import functools
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Each request waits about 100 ms for its first byte: large parts, of which a small file still has many.
LARGEST_PART, SMALLEST_PART = 16 << 20, 8 << 20
PARTS_PER_STREAM = 4
FIRST_PART, LARGEST_FIRST_PART = 1 << 20, 12 << 20
# The polynomial of CRC-32, with its bits reversed (zlib, gzip, S3's ChecksumCRC32).
CRC32_POLYNOMIAL = 0xEDB88320
_ROW = re.compile("[0-9]{1,9} [0-9]{1,10}")


@dataclass(frozen=True)
class Version:
    """What S3 tells of an object. `crc32`, `sha256`: of the whole object, where S3 has them.

    `size` in bytes; `crc32` as a number; `sha256` as bytes.
    """

    size: int
    etag: str
    crc32: int | None = None
    sha256: bytes | None = None


@dataclass(frozen=True)
class Part:
    """One range of a file: its number, its first byte, how many bytes it has."""

    number: int
    offset: int
    count: int


def part_bytes(size: int, streams: int) -> int:
    """The size of a part: every stream gets several, so that all end at about the same time."""
    return max(SMALLEST_PART, min(LARGEST_PART, size // (streams * PARTS_PER_STREAM)))


def parts(size: int, each: int, streams: int) -> tuple[Part, ...]:
    """The parts of a file in its order: the first ones, as far as the file goes, then parts of one size."""
    listed = [
        Part(part.number, part.offset, min(part.count, size - part.offset))
        for part in first_parts(streams)
        if part.offset < size
    ]
    offset = listed[-1].offset + listed[-1].count if listed else size
    while offset < size:
        listed.append(Part(len(listed), offset, min(each, size - offset)))
        offset += each
    return tuple(listed)


def first_parts(streams: int) -> tuple[Part, ...]:
    """The first part of each stream, the same for every file: asked for before its size is known.

    They are of growing size. Streams with parts of one size would all end them at once, and all wait for the
    first bytes of the next.
    """
    counts = [max(FIRST_PART, LARGEST_FIRST_PART * number // streams) for number in range(1, streams + 1)]
    offsets = itertools.accumulate(counts, initial=0)
    return tuple(Part(*row) for row in zip(range(streams), offsets, counts, strict=False))


def journal_header(version: Version, streams: int) -> str:
    """The first line of a journal: what its parts are parts of."""
    return json.dumps([version.size, version.etag, streams])


def journaled(text: str, version: Version, streams: int) -> dict[int, int]:
    """The checksums of the parts that a journal lists, by number; none if it is of another version."""
    header, *lines = text.split("\n")
    if header != journal_header(version, streams):
        return {}
    # The last line may be incomplete: it is the one without an end. A restart goes on after it, in that line.
    rows = [line.split(" ") for line in lines[:-1] if _ROW.fullmatch(line)]
    return {int(number): int(crc) for number, crc in rows}


def crc32_of(parts: Iterable[Part], checksums: Mapping[int, int]) -> int:
    """The CRC-32 of a file, from those of its parts in their order."""
    total = 0
    for part in parts:
        total = crc32_combined(total, checksums[part.number], part.count)
    return total


def crc32_combined(first: int, second: int, second_bytes: int) -> int:
    """The CRC-32 of two texts one after the other, from those of both."""
    return _applied(_shift(second_bytes * 8), first) ^ second


@functools.cache
def _shift(bits: int) -> tuple[int, ...]:
    """What so many zero bits after a text do to its CRC-32: a linear map, as the image of each bit.

    For twice as many bits it is applied to itself.
    """
    if bits == 0:
        return tuple(1 << bit for bit in range(32))
    half = _shift(bits // 2)
    doubled = tuple(_applied(half, row) for row in half)
    if bits % 2 == 0:
        return doubled
    one = (CRC32_POLYNOMIAL, *(1 << bit for bit in range(31)))
    return tuple(_applied(one, row) for row in doubled)


def _applied(matrix: tuple[int, ...], vector: int) -> int:
    result = 0
    for bit in range(32):
        if vector >> bit & 1:
            result ^= matrix[bit]
    return result
