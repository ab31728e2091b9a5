"""Imports between the local pipeline, the simulated runtimes, shared test code, tests and benchmarks."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Module of local/ -> the modules of local/ that it may import; any other import is a mistake.
LOCAL: Mapping[str, set[str]] = {
    "die_with_parent": set(),
    "manifests": set(),
    "examples": set(),
    "processes": set(),
    "locks": {"processes"},
    "venvs": {"locks", "processes"},
    "emulator": {"processes", "venvs"},
    "progress": {"examples"},
    "display": {"progress"},
    "summary": {"progress"},
    "gallery": {"progress", "summary"},
    "cloud": {"emulator", "processes", "progress"},
    "application": {"cloud", "examples", "progress"},
    "config": {"manifests", "processes"},
    "pods": {"emulator", "manifests", "processes"},
    "pipeline": {"cloud", "config", "emulator", "pods", "processes"},
    "demo": {
        *("application", "config", "display", "emulator", "examples", "gallery", "locks", "pipeline"),
        *("pods", "progress", "summary"),
    },
    "background": {"config", "locks", "pipeline", "pods", "processes"},
    "__main__": {"background", "demo", "pods", "processes"},
}
# Folder -> the top-level packages of the project that it may not import.
FORBIDDEN: Mapping[str, set[str]] = {
    "local": {"testing", "tests", "bench", "api"},
    "testing": {"tests", "bench"},
    "bench": {"tests"},
}


def imports(file: Path) -> Iterator[str]:
    """The full names that a module imports, with those of names in modules."""
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (module, *(f"{module}.{name.name}" for name in node.names))


@pytest.mark.parametrize("module", LOCAL)
def test_a_module_of_the_local_pipeline_imports_only_those_below_it(module: str) -> None:
    names = [name.split(".") for name in imports(ROOT / "local" / f"{module}.py")]
    used = {name[1] for name in names if name[0] == "local" and len(name) > 1}

    assert used <= LOCAL[module]


def test_every_module_of_the_local_pipeline_has_its_layer() -> None:
    assert {path.stem for path in (ROOT / "local").glob("*.py")} - {"__init__"} == set(LOCAL)


@pytest.mark.parametrize("runtime", ["comfyui", "custom", "invokeai", "sdwebui", "shared"])
def test_a_simulated_runtime_imports_only_itself_and_what_all_share(runtime: str) -> None:
    for file in (ROOT / "local" / "runtimes" / runtime).glob("*.py"):
        names = {name for name in imports(file) if name.startswith("local.")}
        allowed = ("local.runtimes.shared", f"local.runtimes.{runtime}")
        assert all(name == "local.runtimes" or name.startswith(allowed) for name in names), file


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_shared_code_imports_nothing_from_its_users(folder: str) -> None:
    for file in (ROOT / folder).rglob("*.py"):
        assert not {name.split(".")[0] for name in imports(file)} & FORBIDDEN[folder], file


def test_no_test_module_is_imported_by_another_module() -> None:
    for folder in ("tests", "testing", "bench"):
        for file in (ROOT / folder).rglob("*.py"):
            modules = [name for name in imports(file) if name.startswith("tests.")]
            assert not [name for name in modules if name.split(".")[-1].startswith("test_")], file


def test_only_the_soak_test_imports_a_benchmark() -> None:
    importers = {
        file.name
        for file in (ROOT / "tests").rglob("*.py")
        if any(name == "bench" or name.startswith("bench.") for name in imports(file))
    }

    assert importers <= {"test_soak.py"}


def test_no_module_edits_the_import_path() -> None:
    for folder in ("agent", "api", "bench", "generator", "local", "testing", "tests", "tools"):
        for file in (ROOT / folder).rglob("*.py"):
            if file != Path(__file__):
                assert "sys.path." not in file.read_text(), file
