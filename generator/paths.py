"""Where the parts are that are not Python: schema, charts, cluster templates, the code of the HTTP API."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_BUNDLED = _PACKAGE / "bundled"

# Where builds go unless the user names another folder: one folder for each solution.
DEFAULT_OUTPUT = Path("build")


def installed() -> bool:
    """Whether this is an installed package, which is read-only, and not a clone."""
    return _BUNDLED.is_dir()


def root() -> Path:
    """The folder with values-schema.json, charts/, cluster/, api/: the clone, or the wheel's copy of it."""
    return _BUNDLED if installed() else _PACKAGE.parent


def data() -> Path:
    """The folder with the dated facts about AWS."""
    return _PACKAGE / "facts" / "data"


def rules_page() -> Path:
    """The page that explains each rule."""
    return root() / "docs" / "rules.md"
