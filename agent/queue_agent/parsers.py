"""Parsers of settings: from the text of an environment variable to its value.

Each raises `InvalidValueError`. Only the standard library is needed: see settings.py.
"""

import re
from collections.abc import Callable

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# Other names of Python's log levels.
LOG_LEVEL_ALIASES = {"NOTSET": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}


class InvalidValueError(ValueError):
    """A value that a parser refuses; the text is what it expects, as a noun."""


def text(value: str) -> str:
    """Any text."""
    return value


def matches(pattern: str, noun: str) -> Callable[[str], str]:
    """Text that matches the pattern; `noun` is what that is."""

    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise InvalidValueError(noun)
        return value

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """A number in this range."""

    def parse(value: str) -> float:
        if not re.fullmatch(r"\d+(\.\d+)?", value) or not low <= float(value) <= high:
            raise InvalidValueError(f"a number from {low:g} to {high:g}")
        return float(value)

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number in this range."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"\d{1,15}", value) or not low <= int(value) <= high:
            raise InvalidValueError(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def flag(value: str) -> bool:
    """`true` or `false`, in any case."""
    if value.lower() not in ("true", "false"):
        raise InvalidValueError("true or false")
    return value.lower() == "true"


def one_of(choices: tuple[str, ...], normalize: Callable[[str], str] = str) -> Callable[[str], str]:
    """One of these texts, once it is normalized."""

    def parse(value: str) -> str:
        if normalize(value) not in choices:
            raise InvalidValueError(f"one of {', '.join(choices)}")
        return normalize(value)

    return parse


url = matches(r"https?://[^\s/?#@]+(/[^\s?#]*)?", "a URL that starts with http:// or https://")
path = matches(r"/[^\s]*", "a path that starts with /")
bucket = matches(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a valid bucket name")
topic = matches(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}", "the ARN of an SNS topic")


def level(value: str) -> str:
    """The name of a log level, in Python's own form."""
    return LOG_LEVEL_ALIASES.get(value.upper(), value.upper())


def base_url(value: str) -> str:
    """A URL, without a slash at its end."""
    return str(url(value)).rstrip("/")


def buckets(value: str) -> tuple[str, ...]:
    """Names of buckets, separated by commas."""
    return tuple(bucket(name.strip()) for name in value.split(",") if name.strip())
