"""Draws a picture from prompt, seed and size; the same input gives the same bytes."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import random
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, PngImagePlugin

from local.runtimes.shared import art

# Signature and IHDR: text chunks stand between them and the pixels.
HEAD_BYTES = 8 + 25


@dataclass(frozen=True)
class Request:
    """The input of a picture."""

    prompt: str
    seed: int
    width: int = 512
    height: int = 512
    texts: dict[str, str] = field(default_factory=dict)  # text chunks of the PNG
    source: bytes | None = None  # the picture to start from
    strength: float = 1.0  # how much of the source is replaced, 0 to 1
    progress: float = 1.0  # below 1: an interrupted picture, with noise


@dataclass(frozen=True)
class Artist:
    """Draws pictures; with `plain` in one color and padded to `size` bytes, which takes no time."""

    plain: bool = False
    size: int = 0

    def draw(self, request: Request) -> bytes:
        """The picture as PNG."""
        if self.plain:
            texts = {"seed": str(request.seed), **request.texts}
            return _plain(request.width, request.height, tuple(texts.items()), self.size)
        digest = hashlib.sha256(request.prompt.encode()).digest()
        image = art.compose(request.prompt, request.seed, digest, (request.width, request.height))
        if request.source is not None:
            image = Image.blend(opened(request.source).resize(image.size), image, 0.25 + request.strength / 2)
        if request.progress < 1:
            image = Image.blend(image, art.noise(request.seed, image.size), 1 - request.progress)
        art.caption(image, request.prompt, f"simulated · seed {request.seed}")
        return encoded(image, request.texts)


def opened(data: bytes) -> Image.Image:
    """A picture from its bytes. Raises OSError if they are not a picture."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def encoded(image: Image.Image, texts: dict[str, str] | None = None) -> bytes:
    """The image as PNG with text chunks."""
    chunks = PngImagePlugin.PngInfo()
    for key, value in (texts or {}).items():
        chunks.add_itxt(key, value)
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=chunks, compress_level=4)
    return out.getvalue()


def scaled(data: bytes, width: int, height: int) -> bytes:
    """The picture in another size, as a simulated upscaler makes it."""
    return encoded(opened(data).resize((width, height), Image.Resampling.LANCZOS))


@functools.lru_cache(maxsize=8)
def as_text(data: bytes) -> str:
    """A picture as base64."""
    return base64.b64encode(data).decode()


def as_json(answer: Any) -> bytes:
    """The JSON text. Pictures go in as they are: to look for characters to escape in them takes long."""
    if not isinstance(answer, Mapping) or "images" not in answer:
        return json.dumps(answer).encode()
    pictures = b", ".join(b'"%s"' % picture.encode("ascii") for picture in answer["images"])
    rest = json.dumps({key: value for key, value in answer.items() if key != "images"})
    return b'{"images": [%s], %s' % (pictures, rest[1:].encode())


@functools.lru_cache(maxsize=8)
def _plain(width: int, height: int, texts: tuple[tuple[str, str], ...], size: int) -> bytes:
    """A picture in one color. A repeated request gets the same object, so that to draw it takes no time."""
    return _with_chunks(_flat(width, height), _text_chunks(dict(texts)) + _padding(size))


@functools.lru_cache(maxsize=64)
def _flat(width: int, height: int) -> bytes:
    return encoded(Image.new("RGB", (width, height), (70, 90, 140)))


@functools.lru_cache(maxsize=1)
def _padding(size: int) -> bytes:
    """A chunk of random bytes, which no reader of PNG looks at."""
    return _chunk(b"paDd", random.Random(size).randbytes(size)) if size else b""  # noqa: S311


def _text_chunks(texts: dict[str, str]) -> bytes:
    bodies = (k.encode() + b"\0\0\0\0\0" + v.encode() for k, v in texts.items())
    return b"".join(_chunk(b"iTXt", body) for body in bodies)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _with_chunks(png: bytes, chunks: bytes) -> bytes:
    return png[:HEAD_BYTES] + chunks + png[HEAD_BYTES:]
