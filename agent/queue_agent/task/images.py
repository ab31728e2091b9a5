"""Which bytes are an image, video or audio file that a runtime may be given."""

import asyncio
from pathlib import PurePosixPath

from queue_agent.blobs import Blob
from queue_agent.contract import InputImage, TaskError
from queue_agent.task import frames
from queue_agent.task.media_types import MediaType, media_type

IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
# Some loaders of videos take animated images too.
MEDIA_IMAGE_TYPES = ("image/gif", "image/webp")
# The runtime decodes the image, and every frame of an animation: 100 megapixels take 400 MB of its memory,
# however small the file is.
MAX_PIXELS = 100_000_000
# The headers of a larger file are read in a thread, so that the next task can start.
INLINE_LOOK_BYTES = 2**16


async def look(data: Blob, source: str, *, media: bool = False) -> InputImage:
    """As `image_of`, or with `media` as `media_of`, without blocking the event loop."""
    check = media_of if media else image_of
    if data.size <= INLINE_LOOK_BYTES:
        return check(data, source)
    return await asyncio.to_thread(check, data, source)


async def look_any(data: Blob, source: str, name: str) -> InputImage:
    """A file of any type; an image is checked as by `image_of`. Raises `TaskError`."""
    kind = await asyncio.to_thread(media_type, data)
    if kind is not None and kind.mime in IMAGE_TYPES:
        return await look(data, source)
    suffix = PurePosixPath(name).suffix.removeprefix(".")
    extension = suffix if suffix.isalnum() and suffix.isascii() else kind.extension if kind else "bin"
    return InputImage(data, kind.mime if kind else "application/octet-stream", extension)


def image_of(data: Blob, source: str) -> InputImage:
    """The image in these bytes, by their content. `source` names it in errors. Raises `TaskError`."""
    kind = media_type(data)
    if kind is not None and kind.mime == "image/apng":  # a PNG with more chunks
        kind = MediaType("image/png", "png")
    if kind is None or kind.mime not in IMAGE_TYPES:
        raise TaskError("input_not_image", f"{source} is not a PNG, JPEG, WebP, GIF or BMP image")
    try:
        with data.view() as view:
            pixels = frames.pixels(view, kind.mime)
    except frames.TooManyBlocksError:
        raise TaskError("input_refused", f"{source} has more blocks than any real image") from None
    if pixels <= 0:
        raise TaskError("input_not_image", f"{source} is a damaged image")
    if pixels > MAX_PIXELS:
        message = f"{source} has {pixels} pixels in all its frames; the maximum is {MAX_PIXELS}"
        raise TaskError("input_too_large", message)
    return InputImage(data, kind.mime, kind.extension)


def media_of(data: Blob, source: str) -> InputImage:
    """The video or audio file in these bytes, by their content. Raises `TaskError`."""
    kind = media_type(data)
    if kind is not None and kind.mime in MEDIA_IMAGE_TYPES:
        return image_of(data, source)
    if kind is None or not kind.mime.startswith(("video/", "audio/")):
        raise TaskError("input_not_media", f"{source} is not a video or audio file")
    return InputImage(data, kind.mime, kind.extension)
