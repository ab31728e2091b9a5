"""What an output is, from its bytes, not from the name a runtime gives it."""

import io

import pytest
from PIL import Image
from queue_agent.adapters.shared.outputs import BrokenOutput, image_output, output_of


def encoded(image_format: str, frames: int = 1) -> bytes:
    data, pictures = io.BytesIO(), [Image.new("RGB", (8, 8), (0, 200 * n, 0)) for n in range(frames)]
    pictures[0].save(data, image_format, save_all=frames > 1, append_images=pictures[1:])
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (encoded("PNG"), "a.jpg", ("image/png", "image", "png")),
        (encoded("JPEG"), "a.png", ("image/jpeg", "image", "jpg")),
        (encoded("WEBP"), "", ("image/webp", "image", "webp")),
        (encoded("GIF"), "", ("image/gif", "animation", "gif")),
        (encoded("WEBP", 2), "", ("image/webp", "animation", "webp")),
        (encoded("PNG", 2), "", ("image/apng", "animation", "apng")),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "a.png", ("video/mp4", "video", "mp4")),
        (b"RIFF\0\0\0\0WAVEfmt " + bytes(20), "", ("audio/x-wav", "audio", "wav")),
        (b"fLaC" + bytes(30), "", ("audio/x-flac", "audio", "flac")),
        (b"a caption", "", ("text/plain", "text", "txt")),
        (b'{"a": 1}', "", ("application/json", "file", "json")),
        (b"\xff\x00\x01", "latent.bin", ("application/octet-stream", "file", "bin")),
        (b"\xff\x00\x01", "", ("application/octet-stream", "file", "bin")),
    ],
)
def test_every_kind_of_output_is_known_by_its_bytes(data: bytes, name: str, expected: tuple[str, str, str]):
    output = output_of(data, {}, name)

    assert (output.content_type, output.kind, output.extension) == expected


@pytest.mark.parametrize(
    ("data", "name"), [(b"", "a.txt"), (b"<html>", "a.png"), (encoded("PNG")[3:], "a.png")]
)
def test_what_is_empty_or_no_picture_under_a_pictures_name_is_broken(data: bytes, name: str):
    with pytest.raises(BrokenOutput):
        output_of(data, {}, name)


def test_what_has_to_be_a_picture_is_broken_when_it_is_text():
    with pytest.raises(BrokenOutput):
        image_output(b"not a picture", {})
