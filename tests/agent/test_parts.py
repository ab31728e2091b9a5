"""The parts of a download: their sizes, checksums and journal, without a server."""

import zlib

import pytest
from queue_agent.models import parts
from queue_agent.models.__main__ import size_limit
from queue_agent.models.bucket import version_of
from queue_agent.models.parts import Version


def test_a_journal_that_was_cut_off_and_continued_is_read_as_far_as_it_is_right() -> None:
    version = Version(100, '"e"')
    text = parts.journal_header(version, 4) + "\n0 11\n1 3415 77\n2 \n3 44\n4 5"

    assert parts.journaled(text, version, 4) == {0: 11, 3: 44}


@pytest.mark.parametrize(("quantity", "size"), [("512Mi", 512 << 20), ("40Gi", 40 << 30), ("1Ti", 1 << 40)])
def test_the_limit_of_the_volume_leaves_a_mebibyte_for_journals(quantity: str, size: int) -> None:
    assert size_limit(quantity) == size - (1 << 20)


@pytest.mark.parametrize(
    ("first", "second"), [(b"", b"x"), (b"abc", b"defgh"), (b"a", b""), (b"a" * 999, b"b" * 70001)]
)
def test_checksums_are_combined(first: bytes, second: bytes) -> None:
    combined = parts.crc32_combined(zlib.crc32(first), zlib.crc32(second), len(second))
    assert combined == zlib.crc32(first + second)


@pytest.mark.parametrize("size", [0, 1, 8 << 20, (8 << 20) + 1, 2_130_000_000, 6_940_000_000])
def test_the_parts_are_the_file(size: int) -> None:
    every = parts.parts(size, parts.part_bytes(size, 48), 48)

    ends = [part.offset + part.count for part in every]
    assert [part.offset for part in every] == [0, *ends][:-1]
    assert ends[-1:] == ([size] if size else [])
    assert all(0 < part.count <= 16 << 20 for part in every)
    assert [part.number for part in every] == list(range(len(every)))


def test_streams_do_not_end_their_first_parts_at_once() -> None:
    first = [part.count for part in parts.parts(6_940_000_000, 16 << 20, 48)[:48]]

    assert len(set(first)) > 40
    assert first == sorted(first)


def test_the_checksums_of_a_multipart_uploads_parts_are_not_the_objects() -> None:
    head = {"ContentLength": 3, "ETag": '"e"', "ChecksumCRC32": "AAAAAQ==", "ChecksumSHA256": "AAAA-2"}
    assert version_of(head) == Version(3, '"e"', crc32=1)
    assert version_of(head | {"ChecksumType": "COMPOSITE"}) == Version(3, '"e"')
