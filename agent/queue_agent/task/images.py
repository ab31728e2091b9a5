"""Which bytes are an image that a runtime may be given."""

import io

import filetype
import imagesize

from queue_agent.contract import InputImage, TaskError

IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
# The runtime decodes the image: 100 megapixels take 400 MB of its memory, however small the file is.
MAX_PIXELS = 100_000_000


def image_of(data: bytes, source: str) -> InputImage:
    """The image in these bytes, by their content. `source` names it in errors. Raises `TaskError`."""
    kind = filetype.guess(data[:8192])
    if kind is None or kind.mime not in IMAGE_TYPES:
        raise TaskError("input_not_image", f"{source} is not a PNG, JPEG, WebP, GIF or BMP image")
    width, height = imagesize.get(io.BytesIO(data))
    if width <= 0 or height <= 0:
        raise TaskError("input_not_image", f"{source} is a damaged image")
    if width * height > MAX_PIXELS:
        raise TaskError(
            "input_too_large", f"{source} has {width} x {height} pixels; the maximum is {MAX_PIXELS}"
        )
    return InputImage(data, kind.mime, kind.extension)
