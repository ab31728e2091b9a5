"""Types, ranges and conversions of the SD WebUI simulation's requests: A1111 1.10, pydantic 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class ApiError(Exception):
    """An error response with the fields of A1111's."""

    def __init__(self, status: int, kind: str, detail: str = "", errors: str = "") -> None:
        super().__init__(detail or errors)
        self.status = status
        self.body: dict[str, Any] = {"error": kind, "detail": detail, "body": "", "errors": errors}


class FieldError(ApiError):
    """Fields of the wrong type or out of range: status 422 with FastAPI's list of problems."""

    def __init__(self, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(422, "")
        self.body = {"detail": problems}


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _object(value: Any) -> dict[str, Any]:
    return dict(value)


@dataclass(frozen=True)
class Type:
    """How a value is converted, and what is said of one that cannot be."""

    convert: Callable[[Any], Any]
    kind: str
    message: str


TEXT = Type(_text, "type_error.str", "str type expected")
INTEGER = Type(int, "type_error.integer", "value is not a valid integer")
NUMBER = Type(float, "type_error.float", "value is not a valid float")
LIST = Type(_list, "type_error.list", "value is not a valid list")
OBJECT = Type(_object, "type_error.dict", "value is not a valid dict")


@dataclass(frozen=True)
class Range:
    """The values of a number: above `above`, from `least` to `most`."""

    above: float | None = None
    least: float | None = None
    most: float | None = None

    def problem(self, value: float) -> tuple[str, str] | None:
        """Kind and message where the value is outside."""
        if self.above is not None and value <= self.above:
            return "value_error.number.not_gt", f"ensure this value is greater than {self.above}"
        if self.least is not None and value < self.least:
            return "value_error.number.not_ge", f"ensure this value is greater than or equal to {self.least}"
        if self.most is not None and value > self.most:
            return "value_error.number.not_le", f"ensure this value is less than or equal to {self.most}"
        return None


def typed(
    body: Mapping[str, Any],
    defaults: Mapping[str, Any],
    types: Mapping[str, Type],
    ranges: Mapping[str, Range] | None = None,
) -> dict[str, Any]:
    """The body with defaults and converted values. Raises FieldError."""
    full, problems = {**defaults, **body}, []
    for name in types.keys() & body.keys():
        if (value := body[name]) is None:
            continue
        try:
            full[name] = types[name].convert(value)
        except (TypeError, ValueError, OverflowError):
            problems.append(problem(types[name].kind, types[name].message, name))
            continue
        if outside := (ranges or {}).get(name, Range()).problem(full[name]):
            problems.append(problem(*outside, name))
    if problems:
        raise FieldError(problems)
    return full


def problem(kind: str, message: str, *path: str | int) -> dict[str, Any]:
    """One problem of a body in FastAPI's form."""
    return {"loc": ["body", *path], "msg": message, "type": kind}


def missing(*path: str | int) -> FieldError:
    """The error of a body without this field."""
    return FieldError([problem("value_error.missing", "field required", *path)])
