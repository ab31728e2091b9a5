"""Imports of the agent, the API and the local pipeline go one way, and only through the task contract."""

import ast
import graphlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = "queue_agent.task.protocol"
# What each part of the agent may import of it: an arrow that is not here is new, and a mistake.
AGENT: Mapping[str, set[str]] = {
    "contract": set(),
    "concurrency": set(),
    "task": {"concurrency", "contract"},
    "settings": {"task"},
    "ops": set(),
    "aws": {"contract", "task"},
    "adapters": {"contract", "settings", "task"},
    "flow": {"aws", "concurrency", "contract", "ops", "settings", "task"},
    "__main__": {"adapters", "aws", "flow", "ops", "settings", "task"},
}
FOLDERS = {"queue_agent": ROOT / "agent" / "queue_agent", "api": ROOT / "api", "local": ROOT / "local"}


def modules(package: str) -> dict[str, Path]:
    """The file of each module of a package, by the module's full name."""
    folder = FOLDERS[package]
    names = {
        file: (package, *file.relative_to(folder).with_suffix("").parts) for file in folder.rglob("*.py")
    }
    return {".".join(name).removesuffix(".__init__"): file for file, name in names.items()}


def imported(file: Path) -> Iterator[str]:
    """The full names of all modules, and of names in them, that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("part", AGENT)
def test_a_part_of_the_agent_imports_only_the_parts_below_it(part: str) -> None:
    for name, file in modules("queue_agent").items():
        if name.split(".")[1:2] == [part]:
            parts = {other.split(".")[1] for other in imported(file) if other.startswith("queue_agent.")}
            assert parts - {part} <= AGENT[part], name


def test_every_part_of_the_agent_has_its_layer() -> None:
    assert {name.split(".")[1] for name in modules("queue_agent") if "." in name} == set(AGENT)


@pytest.mark.parametrize("package", FOLDERS)
def test_there_is_no_import_circle(package: str) -> None:
    files = modules(package)
    graph = {name: {*imported(file)} & {*files} - {name} for name, file in files.items()}

    assert [*graphlib.TopologicalSorter(graph).static_order()]


def test_the_task_contract_needs_nothing_but_the_standard_library() -> None:
    names = {name.split(".")[0] for name in imported(modules("queue_agent")[PROTOCOL])}

    assert names <= sys.stdlib_module_names


@pytest.mark.parametrize("package", ["api", "local"])
def test_the_api_and_the_local_pipeline_import_only_the_contract_of_the_agent(package: str) -> None:
    for name, file in modules(package).items():
        of_agent = {other for other in imported(file) if other.startswith("queue_agent")}
        assert all(other.startswith(PROTOCOL) for other in of_agent), name


def test_neither_the_agent_nor_the_api_imports_another_part_of_the_project() -> None:
    for package, allowed in (("queue_agent", set()), ("api", {"queue_agent"})):
        for name, file in modules(package).items():
            foreign = {other.split(".")[0] for other in imported(file)} - {package}
            assert foreign & {"api", "generator", "local", "queue_agent", "testing"} <= allowed, name
