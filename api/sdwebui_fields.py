"""The fields of SD WebUI's requests: their types and ranges, as A1111 1.10 and Forge check them. Pure.

Like their pydantic models, the checks convert what can be converted ("20" is 20), take null in most fields,
and pass over fields that they do not know: extensions add some. Sources: modules/api/models.py and
modules/processing.py of A1111 1.10.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api.problem import FieldError
from api.schema import Schema


@dataclass(frozen=True)
class WebUiField:
    """A field: its kind, its range, whether it may be null; `text`: the numbers that may be sent as text."""

    kind: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    nullable: bool = True
    text: str = "^-?[0-9]{1,9}$"

    @property
    def schema(self) -> Schema:
        """The field in JSON Schema."""
        types, more = _KINDS[self.kind]
        schema: Schema = {"type": [*types, *(["null"] if self.nullable else [])], **more}
        if self.kind in ("integer", "number"):
            schema["pattern"] = self.text
        limits = {"minimum": self.least, "maximum": self.most, "exclusiveMinimum": self.above}
        return schema | {name: limit for name, limit in limits.items() if limit is not None}

    def problem(self, value: Any) -> str:
        """Why a value is not valid; "" if it is."""
        if value is None:
            return "" if self.nullable else "must not be null"
        convert, expected = _CONVERTERS[self.kind]
        try:
            converted = convert(value)
        except (TypeError, ValueError, OverflowError):
            return f"must be {expected}"
        return self._range_problem(converted) if self.kind in ("integer", "number") else ""

    def _range_problem(self, number: float) -> str:
        if not math.isfinite(number):
            return "must be a finite number"
        if self.least is not None and number < self.least:
            return f"must be at least {self.least}"
        if self.above is not None and number <= self.above:
            return f"must be greater than {self.above}"
        return f"must be at most {self.most}" if self.most is not None and number > self.most else ""


# The types of each kind in JSON Schema, and what else it says.
_KINDS: Mapping[str, tuple[list[str], Schema]] = {
    "string": (["string", "number"], {}),
    "integer": (["integer", "number", "string"], {"description": "A fraction is cut off."}),
    "number": (["number", "string"], {}),
    "boolean": (["boolean"], {}),
    "array": (["array"], {}),
    "texts": (["array"], {"minItems": 1, "items": {"type": "string"}}),
    "object": (["object", "array"], {"maxItems": 0}),
}
_TEXT_FIELD, _LIST_FIELD, _OBJECT_FIELD = WebUiField("string"), WebUiField("array"), WebUiField("object")
_NUMBER_FIELD = WebUiField("number")
_SHARE_FIELD = WebUiField("number", least=0, most=1, text="^[01]$")
# At the edge of PyTorch's integers.
_SEED_FIELD = WebUiField("integer", least=1 - 2**63, most=2**63 - 1)
_COUNT_FIELD = WebUiField("integer", least=1, nullable=False, text="^[1-9][0-9]{0,8}$")
# Pixels: the latent image has one cell for eight.
_SIDE_FIELD = WebUiField("integer", least=8, nullable=False, text="^[1-9][0-9]{1,8}$")
_SIZE_FIELD = WebUiField("integer", least=1, text="^[1-9][0-9]{0,8}$")
IMAGE_FIELDS: Mapping[str, WebUiField] = {
    "prompt": WebUiField("string", nullable=False),
    "negative_prompt": _TEXT_FIELD,
    "styles": _LIST_FIELD,
    "seed": _SEED_FIELD,
    "subseed": _SEED_FIELD,
    "subseed_strength": _NUMBER_FIELD,
    "sampler_name": _TEXT_FIELD,
    "sampler_index": _TEXT_FIELD,
    "scheduler": _TEXT_FIELD,
    "batch_size": _COUNT_FIELD,
    "n_iter": _COUNT_FIELD,
    "steps": _COUNT_FIELD,
    "cfg_scale": _NUMBER_FIELD,
    "width": _SIDE_FIELD,
    "height": _SIDE_FIELD,
    "denoising_strength": _NUMBER_FIELD,
    "override_settings": _OBJECT_FIELD,
    "script_name": _TEXT_FIELD,
    "script_args": _LIST_FIELD,
    "alwayson_scripts": _OBJECT_FIELD,
    "enable_hr": WebUiField("boolean"),
    "hr_upscaler": _TEXT_FIELD,
    "hr_scale": _NUMBER_FIELD,
    "hr_resize_x": WebUiField("integer"),
    "hr_resize_y": WebUiField("integer"),
    "refiner_checkpoint": _TEXT_FIELD,
    "init_images": WebUiField("texts"),
    "mask": _TEXT_FIELD,
}
EXTRA_FIELDS: Mapping[str, WebUiField] = {
    "image": _TEXT_FIELD,
    "imageList": WebUiField("array", nullable=False),
    "resize_mode": WebUiField("integer", least=0, most=1, text="^[01]$"),
    "upscaler_1": _TEXT_FIELD,
    "upscaler_2": _TEXT_FIELD,
    "upscaling_resize": WebUiField("number", above=0, text="^[1-9][0-9]{0,8}$"),
    "upscaling_resize_w": _SIZE_FIELD,
    "upscaling_resize_h": _SIZE_FIELD,
    "gfpgan_visibility": _SHARE_FIELD,
    "codeformer_visibility": _SHARE_FIELD,
    "codeformer_weight": _SHARE_FIELD,
    "extras_upscaler_2_visibility": _SHARE_FIELD,
}


def field_errors(
    content: Mapping[str, Any], fields: Mapping[str, WebUiField], place: str
) -> Iterator[FieldError]:
    """The errors of the fields that a request has."""
    for name, field in fields.items():
        if name in content and (problem := field.problem(content[name])):
            yield FieldError(f"{place}.{name}" if place else name, problem)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return int(value)


def _real(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _sequence(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    # As pydantic: https://docs.pydantic.dev/1.10/usage/types/#booleans
    if str(value).lower() not in ("0", "1", "f", "t", "n", "y", "no", "yes", "off", "on", "false", "true"):
        raise TypeError
    return True


def _mapping(value: Any) -> Any:
    # Some languages have one empty value for both.
    if not isinstance(value, dict) and value != []:
        raise TypeError
    return value


_CONVERTERS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "string": (_text, "a string"),
    "integer": (_whole, "an integer"),
    "number": (_real, "a number"),
    "boolean": (_flag, "true or false"),
    "array": (_sequence, "a list"),
    "texts": (_texts, "a list of strings, not empty"),
    "object": (_mapping, "an object"),
}
