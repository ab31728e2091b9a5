"""Bytes in memory and on the scratch volume."""

import errno
import gc
import io
import os
import tempfile
from pathlib import Path

import pytest
from queue_agent import blobs
from queue_agent.blobs import Blob, BlobWriter, Scratch, ScratchFull

DATA = bytes(range(256)) * 40_000  # 10 MB


def written(scratch: Scratch, data: bytes) -> Blob:
    """A blob of this data, written in chunks."""
    writer = scratch.writer()
    for at in range(0, len(data), 100_000):
        writer.write(data[at : at + 100_000])
    return writer.blob()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def in_file(writer: BlobWriter) -> bool:
    return writer._file is not None


@pytest.mark.parametrize("memory_bytes", [0, 2**30])
def test_a_blob_reads_the_same_from_memory_and_from_a_file(memory_bytes: int):
    blob = written(Scratch(memory_bytes), DATA)

    assert blob.size == len(DATA)
    assert blob.read() == b"".join(blob.chunks(12_345)) == blob.reader().read() == DATA
    body = blob.part(1000, 300).body()
    assert (bytes(body) if isinstance(body, memoryview) else body.read()) == DATA[1000:1300]
    assert blob.read(1000, 300) == DATA[1000:1300]
    assert blob.read(len(DATA) - 5, 100) == DATA[-5:]
    assert blob.read(len(DATA) + 5, 100) == b""
    assert blob.part(1000, 300).read(10, 20) == DATA[1010:1030]
    with blob.part(1000, 300).view() as view:
        assert bytes(view) == DATA[1000:1300]


@pytest.mark.parametrize("memory_bytes", [0, 2**30])
def test_each_reader_has_a_position_of_its_own(memory_bytes: int):
    blob = written(Scratch(memory_bytes), DATA)

    one, other = blob.reader(), blob.reader()
    one.seek(-4, io.SEEK_END)
    other.seek(10)
    one.close()

    assert other.tell() == 10
    assert other.read(4) == DATA[10:14]


@pytest.mark.parametrize("memory_bytes", [0, 2**30])
async def test_chunks_that_arrive_one_after_the_other_are_one_blob(memory_bytes: int):
    writer = Scratch(memory_bytes).writer()
    for at in range(0, len(DATA), 70_000):
        await writer.add(DATA[at : at + 70_000])

    assert writer.size == len(DATA)
    assert (await writer.close()).read() == DATA


def test_what_does_not_fit_into_the_memory_of_all_blobs_is_in_a_file():
    scratch = Scratch(memory_bytes=12_000_000)
    first, second = scratch.writer(), scratch.writer()
    first.write(DATA)
    second.write(DATA)

    assert (in_file(first), in_file(second)) == (False, True)


def test_memory_is_used_again_when_a_blob_is_freed_or_a_write_is_given_up():
    scratch = Scratch(memory_bytes=12_000_000)
    blob = written(scratch, DATA)
    part = blob.part(0, 10)
    given_up = scratch.writer()
    given_up.write(b"x" * 1_000_000)
    del blob, given_up
    gc.collect()
    held = scratch.writer()
    held.write(DATA)
    assert in_file(held)
    del part, held
    gc.collect()

    again = scratch.writer()
    again.write(DATA)
    assert not in_file(again)


def test_a_blob_larger_than_the_share_of_one_is_in_a_file_whatever_is_left():
    writer = Scratch(memory_bytes=2**40).writer()
    writer.write(bytes(blobs.MAX_IN_MEMORY))
    assert not in_file(writer)
    writer.write(b"x")
    assert in_file(writer)


def test_its_files_have_no_name_and_end_with_it():
    before = open_files()
    blob = written(Scratch(0), DATA)
    assert open_files() == before + 1
    del blob
    gc.collect()
    assert open_files() == before


def test_a_volume_that_is_full_or_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")

    with pytest.raises(ScratchFull, match="cannot be written"):
        written(Scratch(0), DATA)


def test_a_disk_without_room_is_a_full_volume():
    writer = Scratch(0).writer()
    writer.write(DATA)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._file._file.fileno())
    os.close(full)

    with pytest.raises(ScratchFull, match=os.strerror(errno.ENOSPC)):
        writer.write(DATA)
