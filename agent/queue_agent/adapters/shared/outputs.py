"""Determines the type of an output from its bytes: names and headers of a runtime are only a hint."""

import json
import mimetypes
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import filetype

from queue_agent.contract import Output, RuntimeUnavailable

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
# What a picture may be: extensions of a runtime answer with videos too.
MEDIA = ("image", "animation", "video", "audio")
ANIMATED_WEBP, ANIMATED_PNG = b"ANIM", b"acTL"


class BrokenOutput(RuntimeUnavailable):
    """An output is damaged or missing: the task must run again."""

    def __init__(self, message: str) -> None:
        super().__init__("broken_output", message)


def output_of(data: bytes, metadata: Mapping[str, Any], name: str = "") -> Output:
    """The output of these bytes; the extension of `name` counts where the bytes are not recognized.

    Raises `BrokenOutput`.
    """
    if not data:
        raise BrokenOutput(f"the output {name or 'of the runtime'} is empty")
    guess = filetype.guess(data)
    if guess is not None:
        mime, extension = guess.mime, guess.extension
    else:
        mime, extension = _by_name(data, name)
    kind = KINDS.get(mime.partition("/")[0], "file")
    return Output(data, mime, "animation" if _is_animated(data, mime) else kind, extension, metadata)


def image_output(data: bytes, metadata: Mapping[str, Any], name: str = "") -> Output:
    """The output of these bytes, which must be an image. Raises `BrokenOutput`."""
    result = output_of(data, metadata, name)
    if result.kind not in ("image", "animation"):
        raise BrokenOutput(f"the output {name or 'of the runtime'} is not an image")
    return result


def _by_name(data: bytes, name: str) -> tuple[str, str]:
    extension = PurePosixPath(name).suffix.removeprefix(".").lower()
    mime = mimetypes.guess_type(name)[0]
    if mime in RECOGNIZED_TYPES:
        raise BrokenOutput(f"the output {name} is damaged: its bytes are not {mime}")
    if mime and extension.isalnum():
        return mime, extension
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "application/octet-stream", extension if extension.isalnum() else "bin"
    try:
        json.loads(text)
    except ValueError:
        return "text/plain", "txt"
    return "application/json", "json"


def _is_animated(data: bytes, mime: str) -> bool:
    head = data[:4096]
    return (
        mime == "image/gif" or (mime == "image/webp" and ANIMATED_WEBP in head) or ANIMATED_PNG in head[:64]
    )
