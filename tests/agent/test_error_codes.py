"""The page for users of the API explains every code that a failed task can have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.paths import root

PACKAGE = root() / "agent" / "queue_agent"
RAISED = {"TaskError", "RuntimeUnavailable", "Error", "ScratchFullError"}


def constants() -> dict[str, str]:
    """The texts of the package's constants, by their names."""
    texts: dict[str, str] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign):
                [target] = node.targets
                names, values = (target, node.value)
                pairs = (
                    zip(names.elts, values.elts, strict=False)
                    if isinstance(names, ast.Tuple) and isinstance(values, ast.Tuple)
                    else [(names, values)]
                )
                texts |= {
                    name.id: value.value
                    for name, value in pairs
                    if isinstance(name, ast.Name)
                    and isinstance(value, ast.Constant)
                    and isinstance(value.value, str)
                }
    return texts


def codes(path: Path, texts: dict[str, str]) -> Iterator[str]:
    """The codes that a module gives to errors, as literals or as constants."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in RAISED
            and node.args
        ):
            match node.args[0]:
                case ast.Constant(value=str(code)):
                    yield code
                case ast.Name(id=name) if name in texts:
                    yield texts[name]


@pytest.mark.parametrize("page", ["api.md", "api.zh-CN.md"])
def test_the_page_explains_every_code(page: str) -> None:
    texts = constants()
    raised = {code for path in PACKAGE.rglob("*.py") for code in codes(path, texts)}
    rows = [
        line for line in (root() / "docs" / page).read_text("utf-8").splitlines() if line.startswith("| `")
    ]
    explained = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row.split("|")[1])}

    assert len(raised) > 30
    assert raised - explained == set()
