"""Determines the type of an output from its bytes: names and headers of a runtime are only a hint."""

import json
import mimetypes
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from queue_agent.blobs import Blob
from queue_agent.contract import Output, RuntimeUnavailable
from queue_agent.task.media_types import MediaType, media_type

KINDS = {"image": "image", "video": "video", "audio": "audio", "text": "text", "model": "model"}
# A file with the extension of one of these types, but other bytes, is damaged.
RECOGNIZED_TYPES = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/bmp",
    "image/tiff",
    "image/avif",
)
# Archives, as which files of many types are recognized: .usdz, .npz and .pt are ZIP files.
ARCHIVES = ("application/zip", "application/gzip")
# A larger file without an extension is not looked through for whether it is text.
MAX_TEXT_BYTES = 2**20
# What a picture may be: extensions of a runtime answer with videos too.
MEDIA = ("image", "animation", "video", "audio")
# The types of the standard library alone: those of the system's files differ between machines. A `.ts` is a
# video there, or a file of Qt's translator, or source code: its content says which.
EXTENSIONS = mimetypes.MimeTypes(filenames=())
for _extension, _mime in (
    ("3mf", "model/3mf"),
    ("dae", "model/vnd.collada+xml"),
    ("flac", "audio/flac"),
    ("glb", "model/gltf-binary"),
    ("gltf", "model/gltf+json"),
    ("log", "text/plain"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/x-m4v"),
    ("md", "text/markdown"),
    ("mkv", "video/x-matroska"),
    ("obj", "model/obj"),
    ("ogg", "audio/ogg"),
    ("ply", "model/ply"),
    ("stl", "model/stl"),
    ("usdz", "model/vnd.usdz+zip"),
    ("yaml", "text/yaml"),
    ("yml", "text/yaml"),
):
    EXTENSIONS.add_type(_mime, f".{_extension}")


class BrokenOutput(RuntimeUnavailable):
    """An output is damaged or missing: the task must run again."""

    def __init__(self, message: str) -> None:
        super().__init__("broken_output", message)


def output_of(data: Blob, metadata: Mapping[str, Any], name: str = "") -> Output:
    """The output of these bytes; the extension of `name` counts where the bytes are not recognized.

    Raises `BrokenOutput`.
    """
    if data.size == 0:
        raise BrokenOutput(f"the output {name or 'of the runtime'} is empty")
    recognized = media_type(data)
    if recognized is None or recognized.mime in ARCHIVES:
        recognized = _by_name(data, name, recognized)
    kind = "animation" if recognized.animated else KINDS.get(recognized.mime.partition("/")[0], "file")
    return Output(data, recognized.mime, kind, recognized.extension, metadata)


def media_output(data: Blob, metadata: Mapping[str, Any], name: str = "") -> Output:
    """The output of these bytes, which must be an image, video or audio file. Raises `BrokenOutput`."""
    result = output_of(data, metadata, name)
    if result.kind not in MEDIA:
        raise BrokenOutput(f"the output {name or 'of the runtime'} is not an image, video or audio file")
    return result


def _by_name(data: Blob, name: str, archive: MediaType | None) -> MediaType:
    """The type of a file that is not recognized, or only as an archive."""
    extension = PurePosixPath(name).suffix.removeprefix(".").lower()
    mime = EXTENSIONS.guess_type(name)[0]
    if mime in RECOGNIZED_TYPES:
        raise BrokenOutput(f"the output {name} is damaged: its bytes are not {mime}")
    if mime and extension.isalnum():
        return MediaType(mime, extension)
    extension = extension if extension.isalnum() else ""
    if archive is not None:
        return MediaType(archive.mime, extension or archive.extension)
    text = _text(data)
    if text is None:
        return MediaType("application/octet-stream", extension or "bin")
    try:
        json.loads(text)
    except ValueError:
        return MediaType("text/plain", "txt")
    return MediaType("application/json", "json")


def _text(data: Blob) -> str | None:
    """The file as text; None for a large or binary one, such as a latent image of zeros."""
    try:
        text = data.read().decode() if data.size <= MAX_TEXT_BYTES else None
    except UnicodeDecodeError:
        return None
    return None if text is None or "\0" in text else text
