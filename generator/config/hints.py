"""Typing slips in a value that the schema rejects: what to write instead."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from generator import yaml_loader

# A value as written, and how to fix it.
Candidate = tuple[str, str]


def of_value(value: str, is_valid: Callable[[Any], bool]) -> str | None:
    """The cure of a slip in a string, if the value is valid without the slip."""
    for fixed, help in _candidates(value):
        if is_valid(fixed) or is_valid(_parsed(fixed)):
            return help
    return None


def _parsed(text: str) -> Any:
    try:
        return yaml_loader.load(text)
    except yaml.YAMLError:
        return None


def _candidates(value: str) -> Iterator[Candidate]:
    if match := re.fullmatch(r"(.*\S)([,;.])", value):
        yield match[1], f"remove the `{match[2]}` at the end"
    if match := re.fullmatch(r"(.*?\S)\s*#.*", value):
        yield match[1], "put a space before the `#` of the comment"
    for quote in ('"', "'", "`", "“", "”", "‘", "’"):
        if quote in (value[:1], value[-1:]):
            text = value.strip("\"'`“”‘’")
            yield text, f'write "{text}": the quotes around the value are not a pair of straight quotes'
    if value != value.strip():
        yield value.strip(), "remove the space at the start or the end"
    plain = unicodedata.normalize("NFKC", value.replace("−", "-").replace("–", "-"))
    if plain != value:
        yield plain, f"write it in ASCII: {plain}"


def of_type(value: Any, types: list[str]) -> str | None:
    """The cure of a slip that gives a value another type than the schema's."""
    if (
        isinstance(value, str)
        and "object" in types
        and (match := re.match(r"([\w.-]+)\s*[:：=]\s*(?!//)(.*)", value))
    ):
        return f"put a colon and a space between key and value: `{match[1]}: {match[2]}`"
    if isinstance(value, str) and "array" in types:
        text = unicodedata.normalize("NFKC", value)
        return f"write it as a list: [{text.strip('[]')}]"
    if isinstance(value, dict) and "array" in types:
        return "put `- ` before the first key of each item"
    if isinstance(value, list) and "object" in types and all(isinstance(item, dict) for item in value):
        return "remove the `- ` before the keys: this is a mapping, not a list"
    return None
