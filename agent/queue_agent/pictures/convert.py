"""Makes other pictures of one picture: in another format or size. Pillow needs memory for each pixel."""

import io
from dataclasses import dataclass
from typing import IO

from PIL import Image

from queue_agent.contract import OutputOptions, PictureOptions
from queue_agent.pictures.metadata import save_options
from queue_agent.task.output_rules import JPEG, PNG, WEBP

READABLE = {"PNG": PNG, "JPEG": JPEG, "WEBP": WEBP}
BACKGROUND = (255, 255, 255)


@dataclass(frozen=True)
class Picture:
    """One encoded picture."""

    data: bytes
    format: str
    width: int
    height: int


def pictures_of(source: IO[bytes], options: OutputOptions) -> tuple[Picture | None, Picture | None]:
    """The picture as the options want it, None if it is so already, and its thumbnail, if they want one.

    Raises `OSError`, `ValueError` and `MemoryError`.
    """
    with Image.open(source, formats=tuple(READABLE)) as image:
        kind = READABLE[str(image.format)]
        wanted = options.picture
        same = wanted.format in ("", kind) and max(image.size) <= (wanted.max_size or max(image.size))
        small = options.thumbnail
        thumbnail = None if small is None else _written(image, small, kind, keep=False)
        return None if same else _written(image, wanted, kind, keep=True), thumbnail


def _written(image: Image.Image, wanted: PictureOptions, kind: str, *, keep: bool) -> Picture:
    """The picture in the format and size that are wanted. `keep`: with its metadata; its pixels are freed."""
    kind = wanted.format or kind
    extra = save_options(image, kind) if keep else {}
    pixels = _scaled(image, wanted.max_size)
    if keep and pixels is not image:
        image.close()  # which frees its pixels
    if kind == JPEG:
        pixels = _opaque(pixels)
    elif pixels.mode not in ("RGB", "RGBA"):
        pixels = pixels.convert("RGBA" if pixels.has_transparency_data else "RGB")
    quality = {} if kind == PNG else {"quality": wanted.quality}
    target = io.BytesIO()
    pixels.save(target, kind.upper(), **quality, **extra)
    return Picture(target.getvalue(), kind, *pixels.size)


def _scaled(image: Image.Image, max_size: int) -> Image.Image:
    """The image, its longer side at most `max_size` pixels; 0: as it is."""
    image = _eight_bits(image)
    longer = max(image.size)
    if not max_size or longer <= max_size:
        return image
    width, height = (max(1, round(side * max_size / longer)) for side in image.size)
    full = image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGBA")
    return full.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _eight_bits(image: Image.Image) -> Image.Image:
    """A gray image of 16 bits a pixel has 8 afterwards."""
    if not image.mode.startswith("I"):
        return image
    return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")


def _opaque(image: Image.Image) -> Image.Image:
    """The image on white, where it is transparent: JPEG has no transparency."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGB", layer.size, BACKGROUND)
    ground.paste(layer, mask=layer.getchannel("A"))
    return ground
