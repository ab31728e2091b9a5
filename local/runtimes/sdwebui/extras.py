"""Requests for extras to the SD WebUI simulation: which pictures to enlarge, and to which size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.runtimes.sdwebui.fields import (
    INTEGER,
    NUMBER,
    TEXT,
    ApiError,
    FieldError,
    Range,
    missing,
    problem,
    typed,
)
from local.runtimes.sdwebui.request import UPSCALERS, decoded

DEFAULTS: dict[str, Any] = {
    "resize_mode": 0,
    "gfpgan_visibility": 0.0,
    "codeformer_visibility": 0.0,
    "codeformer_weight": 0.0,
    "upscaling_resize": 2.0,
    "upscaling_resize_w": 512,
    "upscaling_resize_h": 512,
    "upscaling_crop": True,
    "upscaler_1": "None",
    "upscaler_2": "None",
    "extras_upscaler_2_visibility": 0.0,
    "image": "",
}
SHARES = ("gfpgan_visibility", "codeformer_visibility", "codeformer_weight", "extras_upscaler_2_visibility")
TYPES = {
    "upscaler_1": TEXT,
    "upscaler_2": TEXT,
    "image": TEXT,
    "upscaling_resize": NUMBER,
    "upscaling_resize_w": INTEGER,
    "upscaling_resize_h": INTEGER,
    **dict.fromkeys(SHARES, NUMBER),
}
RANGES = {
    "upscaling_resize": Range(above=0),
    "upscaling_resize_w": Range(least=1),
    "upscaling_resize_h": Range(least=1),
    **dict.fromkeys(SHARES, Range(least=0, most=1)),
}


@dataclass(frozen=True)
class Enlargement:
    """One valid request for extras."""

    body: dict[str, Any]  # with all defaults
    sources: tuple[bytes, ...]

    def size(self, source: tuple[int, int]) -> tuple[int, int]:
        """The size of the result, in pixels. Raises ApiError, in the words of the exception."""
        body = self.body
        named = [body["upscaler_1"]]
        if body["extras_upscaler_2_visibility"] > 0:
            named.append(body["upscaler_2"])
        for name in named:
            if name not in UPSCALERS:
                raise ApiError(500, "AssertionError", errors=f"could not find upscaler named {name}")
        if body["upscaler_1"] == "None":
            return source
        if body["resize_mode"] == 1:
            return int(body["upscaling_resize_w"]), int(body["upscaling_resize_h"])
        # As for a real one, to whole blocks of 8 pixels.
        width, height = (int(side * body["upscaling_resize"]) // 8 * 8 for side in source)
        if not width or not height:
            raise ApiError(500, "ValueError", errors="height and width must be > 0")
        return width, height


def single(body: Mapping[str, Any]) -> Enlargement:
    """A request for one picture. Raises ApiError."""
    full = _checked(body)
    return Enlargement(full, (decoded(full["image"]),))


def several(body: Mapping[str, Any]) -> Enlargement:
    """A request for a list of pictures. Raises ApiError."""
    if "imageList" not in body:
        raise missing("imageList")
    full, pictures = _checked(body), body["imageList"]
    if not isinstance(pictures, list):
        raise FieldError([problem("type_error.list", "value is not a valid list", "imageList")])
    for n, item in enumerate(pictures):
        if not isinstance(item, Mapping):
            raise FieldError([problem("type_error.dict", "value is not a valid dict", "imageList", n)])
        for name in ("data", "name"):
            if name not in item:
                raise missing("imageList", n, name)
    return Enlargement(full, tuple(decoded(item["data"]) for item in pictures))


def _checked(body: Mapping[str, Any]) -> dict[str, Any]:
    full = typed(body, DEFAULTS, TYPES, RANGES)
    if full["resize_mode"] not in (0, 1):
        text = "unexpected value; permitted: 0, 1"
        raise FieldError([problem("value_error.const", text, "resize_mode")])
    return full
