"""Where the parts lie that are not Python: schema, charts, cluster templates, the HTTP API's code."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder with values-schema.json, charts/, cluster/, api/: the clone, or the wheel's copy of it."""
    bundled = _PACKAGE / "bundled"
    return bundled if bundled.is_dir() else _PACKAGE.parent


def data() -> Path:
    """The folder with the dated facts about AWS."""
    return _PACKAGE / "facts" / "data"
