"""What an output is, from its bytes, whatever a runtime calls it."""

import io

import pytest
from PIL import Image
from queue_agent.adapters.shared import sniff


def made(form: str, frames: int = 1) -> bytes:
    data, pictures = io.BytesIO(), [Image.new("RGB", (8, 8), (0, 200 * n, 0)) for n in range(frames)]
    pictures[0].save(data, form, save_all=frames > 1, append_images=pictures[1:])
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "found"),
    [
        (made("PNG"), "a.jpg", ("image/png", "image", "png")),
        (made("JPEG"), "a.png", ("image/jpeg", "image", "jpg")),
        (made("WEBP"), "", ("image/webp", "image", "webp")),
        (made("GIF"), "", ("image/gif", "animation", "gif")),
        (made("WEBP", 2), "", ("image/webp", "animation", "webp")),
        (made("PNG", 2), "", ("image/apng", "animation", "apng")),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "a.png", ("video/mp4", "video", "mp4")),
        (b"RIFF\0\0\0\0WAVEfmt " + bytes(20), "", ("audio/x-wav", "audio", "wav")),
        (b"fLaC" + bytes(30), "", ("audio/x-flac", "audio", "flac")),
        (b"a caption", "", ("text/plain", "text", "txt")),
        (b'{"a": 1}', "", ("application/json", "file", "json")),
        (b"\xff\x00\x01", "latent.bin", ("application/octet-stream", "file", "bin")),
        (b"\xff\x00\x01", "", ("application/octet-stream", "file", "bin")),
    ],
)
def test_every_kind_of_output_is_known_by_its_bytes(data: bytes, name: str, found: tuple[str, str, str]):
    output = sniff.output(data, {}, name)

    assert (output.content_type, output.kind, output.extension) == found


@pytest.mark.parametrize(("data", "name"), [(b"", "a.txt"), (b"<html>", "a.png"), (made("PNG")[3:], "a.png")])
def test_what_is_empty_or_no_picture_under_a_pictures_name_is_broken(data: bytes, name: str):
    with pytest.raises(sniff.BrokenOutput):
        sniff.output(data, {}, name)


def test_what_has_to_be_a_picture_is_broken_when_it_is_text():
    with pytest.raises(sniff.BrokenOutput):
        sniff.image(b"not a picture", {})
