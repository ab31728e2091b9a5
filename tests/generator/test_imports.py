"""Imports go one way, and the core touches no file, clock, environment or network."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "generator"
# What each part of the core may import of ours, beside itself.
ALLOWED = {
    "errors": set(),
    "model": {"names"},
    "names": set(),
    "context": set(),
    "quantity": set(),
    "document": {"errors"},
    "place": {"document"},
    "schema": {"document", "errors", "place"},
    "facts": {"model"},
    "report": {"errors"},
    "explain": {"errors", "place", "schema"},
    "checks": {"context", "errors", "facts", "names", "place", "quantity", "schema"},
    "validate": {"checks", "context", "document", "errors", "facts", "place", "schema"},
    "resolve": {"context", "facts", "model", "names"},
}
# Only facts read files: those of the package, when they are first asked for.
SHELL_ONLY = {"os", "subprocess", "socket", "time", "boto3", "botocore", "urllib.request", "requests"}


def modules(part: str) -> list[Path]:
    folder = PACKAGE / part
    return sorted(folder.glob("*.py")) if folder.is_dir() else [PACKAGE / f"{part}.py"]


def imports(file: Path) -> set[str]:
    """Full names of all that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def ours(file: Path) -> set[str]:
    """The parts of our package that a module imports."""
    parts = {
        PACKAGE.joinpath(*name.split(".")[1:2]) for name in imports(file) if name.startswith("generator.")
    }
    return {path.name for path in parts if path.is_dir() or path.with_suffix(".py").exists()}


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    for file in modules(part):
        assert ours(file) - {part} <= ALLOWED[part], file.name


def test_nothing_but_commands_imports_the_command_line() -> None:
    importers = {file.parent.name for file in PACKAGE.rglob("*.py") if "generator.cli" in imports(file)}

    assert importers <= {"commands"}


@pytest.mark.parametrize("part", ALLOWED)
def test_the_core_touches_neither_clock_nor_environment_nor_network(part: str) -> None:
    for file in modules(part):
        assert not imports(file) & SHELL_ONLY, file.name


def test_commands_are_found_by_the_table() -> None:
    import importlib

    from generator.cli import COMMANDS

    for name, (module, words) in COMMANDS.items():
        command = importlib.import_module(module)
        assert callable(command.add), name
        assert callable(command.run), name
        assert words


def test_every_command_module_is_in_the_table() -> None:
    from generator.cli import COMMANDS

    files = {file.stem for file in (PACKAGE / "commands").glob("*.py") if "def add(" in file.read_text()}
    assert files == {module.rpartition(".")[2] for module, _ in COMMANDS.values()}
