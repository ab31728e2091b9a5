"""The type of an output from its bytes: what a runtime says in names and headers is only a hint."""

import json
import mimetypes
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import filetype

from queue_agent.contract import Output, RuntimeUnavailable

KINDS = {"image": "image", "video": "video", "audio": "audio", "text": "text", "model": "model"}
# A file of these names whose bytes say nothing is not one of them.
SURE = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/tiff", "image/avif")
ANIMATED_WEBP, ANIMATED_PNG = b"ANIM", b"acTL"


class BrokenOutput(RuntimeUnavailable):
    """An output that is not what it should be: only making it again will do."""

    def __init__(self, message: str) -> None:
        super().__init__("broken_output", message)


def output(data: bytes, metadata: Mapping[str, Any], name: str = "") -> Output:
    """An output from its bytes and, where those say nothing, the ending of `name`."""
    if not data:
        raise BrokenOutput(f"the output {name or 'of the runtime'} is empty")
    found = filetype.guess(data)
    if found is not None:
        mime, extension = found.mime, found.extension
    else:
        mime, extension = _by_name(data, name)
    kind = KINDS.get(mime.partition("/")[0], "file")
    return Output(data, mime, "animation" if _moves(data, mime) else kind, extension, metadata)


def image(data: bytes, metadata: Mapping[str, Any], name: str = "") -> Output:
    """An output that has to be a picture. Raises BrokenOutput when it is none."""
    made = output(data, metadata, name)
    if made.kind not in ("image", "animation"):
        raise BrokenOutput(f"the output {name or 'of the runtime'} is no picture")
    return made


def _by_name(data: bytes, name: str) -> tuple[str, str]:
    extension = PurePosixPath(name).suffix.removeprefix(".").lower()
    mime = mimetypes.guess_type(name)[0]
    if mime in SURE:
        raise BrokenOutput(f"the output {name} is damaged: its bytes are no {mime}")
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


def _moves(data: bytes, mime: str) -> bool:
    head = data[:4096]
    return (
        mime == "image/gif" or (mime == "image/webp" and ANIMATED_WEBP in head) or ANIMATED_PNG in head[:64]
    )
