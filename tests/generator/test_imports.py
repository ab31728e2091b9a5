"""Imports go one way, and the core touches no file, clock, environment or network."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from generator.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
# What each part of a package may import of the same package: an arrow that is not here is new, and a mistake.
GENERATOR: Mapping[str, set[str]] = {
    "errors": set(),
    "paths": set(),
    "client": set(),
    "app": {
        "aws",
        "build",
        "config",
        "deploy",
        "errors",
        "facts",
        "iam",
        "images",
        "paths",
        "plan",
        "preflight",
        "solution",
    },
    "facts": {"paths"},
    "solution": {"facts"},
    "config": {"errors", "facts", "solution"},
    "images": {"facts", "solution"},
    "iam": {"facts", "solution"},
    "plan": {"facts", "iam", "solution"},
    "build": {"facts", "iam", "images", "paths", "plan", "solution"},
    "aws": {"errors", "facts", "solution"},
    "preflight": {"aws", "build", "errors", "facts", "iam", "plan", "solution"},
    "deploy": {"aws", "build", "client", "errors", "facts", "paths", "solution"},
}
CORE = ("errors", "solution", "config", "facts", "images", "iam", "plan", "build")
SHELL_ONLY = {"os", "subprocess", "socket", "time", "boto3", "botocore", "requests"}


def modules(package: str, part: str) -> list[Path]:
    folder = ROOT / package / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def imports(file: Path) -> set[str]:
    """Full names of all that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return names


def parts(package: str, file: Path) -> set[str]:
    """The parts of a package that a module imports."""
    return {name.split(".")[1] for name in imports(file) if name.startswith(f"{package}.")}


@pytest.mark.parametrize("part", GENERATOR)
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    for file in modules("generator", part):
        assert parts("generator", file) - {part} <= GENERATOR[part], file


def test_every_part_of_the_generator_has_its_layer() -> None:
    names = {path.stem for path in (ROOT / "generator").iterdir() if path.suffix == ".py" or path.is_dir()}

    assert names - {"__init__", "__main__", "__pycache__", "bundled"} == {*GENERATOR, "cli"}


@pytest.mark.parametrize("part", CORE)
def test_the_core_touches_neither_clock_nor_environment_nor_network(part: str) -> None:
    for file in modules("generator", part):
        assert not imports(file) & SHELL_ONLY, file


def test_commands_are_found_by_the_table() -> None:
    for name, (module, words) in COMMANDS.items():
        command = importlib.import_module(module)
        assert callable(command.add_flags), name
        assert callable(command.run), name
        assert words


def test_every_command_module_is_in_the_table() -> None:
    shared = {"__init__", "main", "flags", "output"}
    files = {file.stem for file in (ROOT / "generator" / "cli").glob("*.py")} - shared
    assert files == {module.rpartition(".")[2] for module, _ in COMMANDS.values()}


def test_validate_starts_without_the_slow_libraries() -> None:
    code = "import sys; from generator.cli.main import main; main(['validate', 'examples/minimal.yaml']); "
    code += "print(sorted({'boto3', 'jinja2', 'rich', 'urllib3'} & sys.modules.keys()))"

    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert result.stdout == "[]\n"
