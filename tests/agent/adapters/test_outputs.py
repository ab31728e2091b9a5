"""What an output is, from its bytes, not from the name a runtime gives it."""

import io
import zipfile
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from queue_agent.adapters.shared.outputs import BrokenOutput, media_output, output_of
from queue_agent.blobs import Blob


def encoded(image_format: str, frames: int = 1, **options: Any) -> bytes:
    data, pictures = io.BytesIO(), [Image.new("RGB", (8, 8), (0, 100 * n, 0)) for n in range(frames)]
    pictures[0].save(data, image_format, save_all=frames > 1, append_images=pictures[1:], **options)
    return data.getvalue()


def texts(length: int) -> PngImagePlugin.PngInfo:
    """A text chunk before the image data, as ComfyUI writes its workflow."""
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "acTL" * (length // 4))
    return info


def packets(start: int, length: int, count: int = 20) -> bytes:
    """An MPEG transport stream: packets with a sync byte."""
    return (bytes(start) + b"\x47" + bytes(length - start - 1)) * count


def ogg(codec: bytes) -> bytes:
    return b"OggS\0\2" + bytes(22) + b"\x01\x1e" + codec + bytes(40)


def movie(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(40)


def zipped(name: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name, "content")
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
        (encoded("PNG", 2, pnginfo=texts(20_000)), "a.png", ("image/apng", "animation", "apng")),
        (encoded("PNG", pnginfo=texts(20)), "a.png", ("image/png", "image", "png")),
        (encoded("WEBP", 2, icc_profile=bytes(20_000)), "a.webp", ("image/webp", "animation", "webp")),
        (encoded("WEBP", exif=b"Exif\0\0ANIM"), "a.webp", ("image/webp", "image", "webp")),
        (movie(b"avis"), "a.avif", ("image/avif", "animation", "avif")),
        (packets(0, 188), "a.ts", ("video/mp2t", "video", "ts")),
        (packets(4, 192), "a.ts", ("video/mp2t", "video", "m2ts")),
        (packets(0, 188), "a.mp4", ("video/mp2t", "video", "ts")),
        (b"const a: number = 1", "a.ts", ("text/plain", "text", "txt")),
        (b"\x89\xff\x01", "a.ts", ("application/octet-stream", "file", "ts")),
        (movie(b"iso5"), "", ("video/mp4", "video", "mp4")),
        (movie(b"3gp4"), "", ("video/3gpp", "video", "3gp")),
        (ogg(b"\x80theora"), "a.ogg", ("video/ogg", "video", "ogv")),
        (ogg(b"vorbis"), "a.ogg", ("audio/ogg", "audio", "ogg")),
        (b"glTF\2\0\0\0" + bytes(20), "", ("model/gltf-binary", "model", "glb")),
        (b"v/1\x01" + bytes(20), "a.exr", ("image/x-exr", "image", "exr")),
        (b"\xff\x00\x01", "a.flac", ("audio/flac", "audio", "flac")),
        (b"o cube", "a.obj", ("model/obj", "model", "obj")),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "a.png", ("video/mp4", "video", "mp4")),
        (b"RIFF\0\0\0\0WAVEfmt " + bytes(20), "", ("audio/x-wav", "audio", "wav")),
        (b"fLaC" + bytes(30), "", ("audio/x-flac", "audio", "flac")),
        (b"a caption", "", ("text/plain", "text", "txt")),
        (b'{"a": 1}', "", ("application/json", "file", "json")),
        (b"a: 1", "a.yaml", ("text/yaml", "text", "yaml")),
        (
            bytes(8) + b"{}" + bytes(1024),
            "ComfyUI_00001_.latent",
            ("application/octet-stream", "file", "latent"),
        ),
        (zipped("scene.usda"), "mesh.usdz", ("model/vnd.usdz+zip", "model", "usdz")),
        (zipped("a.npy"), "a.npz", ("application/zip", "file", "npz")),
        (zipped("a.npy"), "", ("application/zip", "file", "zip")),
        (b"\x1f\x8b\x08" + bytes(20), "a.spz", ("application/gzip", "file", "spz")),
        (b"\xff\x00\x01", "latent.bin", ("application/octet-stream", "file", "bin")),
        (b"\xff\x00\x01", "", ("application/octet-stream", "file", "bin")),
    ],
)
def test_every_kind_of_output_is_known_by_its_bytes(data: bytes, name: str, expected: tuple[str, str, str]):
    output = output_of(Blob(data), {}, name)

    assert (output.content_type, output.kind, output.extension) == expected


@pytest.mark.parametrize(
    ("data", "name"), [(b"", "a.txt"), (b"<html>", "a.png"), (encoded("PNG")[3:], "a.png")]
)
def test_what_is_empty_or_no_picture_under_a_pictures_name_is_broken(data: bytes, name: str):
    with pytest.raises(BrokenOutput):
        output_of(Blob(data), {}, name)


def test_what_has_to_be_a_picture_is_broken_when_it_is_text():
    with pytest.raises(BrokenOutput):
        media_output(Blob(b"not a picture"), {})
