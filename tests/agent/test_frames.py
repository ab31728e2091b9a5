"""The pixels of pictures and animations, against Pillow, and files that are made to be slow."""

import asyncio
import io
import struct

import pytest
from PIL import Image
from queue_agent.blobs import Blob
from queue_agent.contract import TaskError
from queue_agent.task.frames import pixels
from queue_agent.task.images import image_of, look

pytestmark = pytest.mark.thorough

TYPES = {
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "JPEG": "image/jpeg",
    "BMP": "image/bmp",
}


def picture(kind: str, size: tuple[int, int] = (40, 30), count: int = 1, **options: object) -> bytes:
    out = io.BytesIO()
    first, *more = [Image.new("RGB", size, (n * 7 % 256, n * 13 % 256, 99)) for n in range(count)]
    animation = {"save_all": True, "append_images": more} if count > 1 else {}
    first.save(out, kind, **animation, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", TYPES)
def test_a_picture_has_the_pixels_of_its_one_frame(kind: str):
    assert pixels(picture(kind), TYPES[kind]) == 1200


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("count", [2, 57])
def test_all_frames_of_an_animation_count(kind: str, count: int):
    data = picture(kind, count=count)

    assert Image.open(io.BytesIO(data)).n_frames == count
    assert pixels(data, TYPES[kind]) == 1200 * count


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_an_animation_whose_frames_are_too_large_together_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str
):
    monkeypatch.setattr("queue_agent.task.images.MAX_PIXELS", 1200 * 8)

    assert image_of(Blob(picture(kind, count=8)), "as large as allowed").content_type == TYPES[kind]
    data = picture(kind, count=9)
    with pytest.raises(TaskError, match="in all its frames"):
        image_of(Blob(data), "bomb")


def test_a_gif_whose_frames_are_larger_than_its_screen_is_refused():
    data = bytearray(picture("GIF", (8, 8)))
    at = data.index(b"\x2c\0\0\0\0")
    data[at + 5 : at + 9] = struct.pack("<HH", 60_000, 60_000)

    with pytest.raises(TaskError, match=str(60_000**2)):
        image_of(Blob(bytes(data)), "bomb")


def segments_of_two_bytes(total: int) -> bytes:
    return b"\xff\xd8" + b"\xff\xe1\0\2" * (total // 4) + picture("JPEG")[2:]


SLOW = {
    "JPEG of empty segments": segments_of_two_bytes(32 * 2**20),
    "GIF of blocks of one byte": picture("GIF")[:-2] + b"\1a" * 16 * 2**20 + b"\0;",
    "GIF of empty extensions": picture("GIF")[:-1] + b"\x21\xfe\0" * 10 * 2**20 + b";",
    "WebP of empty chunks": b"RIFF\0\0\0\2WEBP" + picture("WEBP")[12:] + b"EXIF\0\0\0\0" * 4 * 2**20,
    "PNG of empty chunks": picture("PNG")[:33] + b"\0\0\0\0teXtabcd" * 2 * 2**20 + picture("PNG")[33:],
}


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW)
async def test_a_file_of_tiny_segments_is_refused_while_the_loop_goes_on(data: bytes):
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    watching = asyncio.ensure_future(watch())
    with pytest.raises(TaskError):
        await look(Blob(data), "slow")
    watching.cancel()

    assert turns > 0


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_a_file_that_ends_too_soon_is_answered(kind: str):
    data = picture(kind, count=3)
    for length in range(0, len(data), 3):
        try:
            assert image_of(Blob(data[:length]), "cut").data.size
        except TaskError as error:
            assert error.code in ("input_not_image", "input_refused")
