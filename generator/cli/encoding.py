"""Text on streams whose encoding lacks a character: an ASCII look-alike, or the character's number."""

import codecs
import unicodedata
from typing import TextIO

_LOOK_ALIKES = {
    "→": "->", "←": "<-", "↔": "<->", "⇒": "=>", "…": "...", "–": "-", "—": "-", "−": "-", "·": "*", "•": "*",
    "×": "x", "≥": ">=", "≤": "<=", "≈": "~", "“": '"', "”": '"', "‘": "'", "’": "'", "✓": "ok", "✗": "x",
    "\u00a0": " ",
}  # fmt: skip
_HANDLER = "look-alike"


def make_printable(*streams: TextIO) -> None:
    """Let no character stop a program that prints it. Streams that cannot be configured stay as they are."""
    codecs.register_error(_HANDLER, _replace)
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """The handler: what to write in place of the characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(look_alike, error.object[error.start : error.end])), error.end


def look_alike(char: str) -> str:
    """A character in ASCII: `->` for an arrow, lines of a table as + - |, else its number as `\\u4e2d`."""
    if char in _LOOK_ALIKES:
        return _LOOK_ALIKES[char]
    if "\u2500" <= char <= "\u257f":
        name = unicodedata.name(char)
        return "+" if " AND " in name else "|" if name.endswith("VERTICAL") else "-"
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return plain or char.encode("ascii", "backslashreplace").decode()
