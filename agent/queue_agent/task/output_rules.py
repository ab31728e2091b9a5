"""What a task may ask of its pictures: `metadata.output`. Pure; the API and the agent both decide by it."""

from collections.abc import Iterator, Mapping
from typing import Any

PNG, JPEG, WEBP = "png", "jpeg", "webp"
FORMATS = (PNG, JPEG, WEBP)
LOSSY = (JPEG, WEBP)
DEFAULT_QUALITY, THUMBNAIL_FORMAT = 85, WEBP
QUALITY_MAX, SIZE_MIN, SIZE_MAX = 100, 16, 16_384
THUMBNAIL_SIZE_MAX = 1024
PICTURE_KEYS = ("format", "quality", "maxSize")
OUTPUT_KEYS = (*PICTURE_KEYS, "thumbnail")


def output_errors(value: Any) -> Iterator[tuple[str, str]]:
    """The name of each wrong key ("thumbnail.quality"; "" for the whole), and what it must be."""
    if not isinstance(value, dict):
        yield "", "must be an object"
        return
    yield from _picture_errors(value, OUTPUT_KEYS, SIZE_MAX, default=None)
    thumbnail = value.get("thumbnail")
    if isinstance(thumbnail, dict):
        if "maxSize" not in thumbnail:
            yield "thumbnail.maxSize", "is missing"
        errors = _picture_errors(thumbnail, PICTURE_KEYS, THUMBNAIL_SIZE_MAX, default=THUMBNAIL_FORMAT)
        yield from ((f"thumbnail.{name}", text) for name, text in errors)
    elif "thumbnail" in value:
        yield "thumbnail", "must be an object"


def _picture_errors(
    value: Mapping[str, Any], keys: tuple[str, ...], size_max: int, default: str | None
) -> Iterator[tuple[str, str]]:
    """The errors of one picture's options. `default`: its format where the options name none."""
    for name in sorted(value.keys() - set(keys)):
        yield name[:64], f"is not a known key; the keys are {', '.join(keys)}"
    if not value:
        yield "", "must not be empty"
    kind = value.get("format", default)
    if "format" in value and kind not in FORMATS:
        yield "format", f"must be one of {', '.join(FORMATS)}"
    elif "quality" in value and kind not in LOSSY:
        yield "quality", f"is only for the formats {' and '.join(LOSSY)}: name one in `format`"
    for name, least, most in (("quality", 1, QUALITY_MAX), ("maxSize", SIZE_MIN, size_max)):
        if not _is_integer(value.get(name, least), least, most):
            yield name, f"must be an integer from {least} to {most}"


def _is_integer(value: Any, least: int, most: int) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and least <= value <= most and value % 1 == 0
