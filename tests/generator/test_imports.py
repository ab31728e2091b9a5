"""Imports go one way in every package: a new arrow between two parts is a decision, made here.

Parts are the folders and modules at the top of a package. docs/architecture.md explains the layers.
"""

import ast
import functools
import importlib
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

from generator.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
# What each part may import of the same package; for generator and agent docs/architecture.md has it.
API = {
    "authorizer": set(),
    "cors": set(),
    "problem": set(),
    "records": set(),
    "schema": {"webhook_urls"},
    "sender": set(),
    "settings": {"webhook_signatures", "webhook_urls"},
    "openapi": {
        *("comfy_openapi", "content_schema", "index", "listing", "schema", "settings", "webhook_signatures"),
        "uploads",
    },
    "addresses": {"cors"},
    "discovery": {"node_inputs", "records", "settings", "waits"},
    "listing": {
        *("addresses", "index", "problem", "records", "schema", "settings", "state", "tasks", "validation"),
    },
    "index": set(),
    "blake3": set(),
    "multipart": set(),
    "comfy_errors": {"problem"},
    "comfy_ids": set(),
    "comfy_workflow": {"comfy_errors", "node_checks"},
    "comfy_documents": {"comfy_ids", "settings", "state"},
    "comfy_events": {"comfy_documents"},
    "comfy_assets": {
        *("blake3", "comfy_documents", "comfy_errors", "comfy_ids", "multipart", "node_inputs", "records"),
        "state",
    },
    "comfy_jobs": {
        *("comfy_assets", "comfy_documents", "comfy_errors", "comfy_ids", "comfy_workflow", "index"),
        *("content", "node_lists", "problem", "records", "settings", "state", "tasks"),
    },
    "comfy": {
        *("comfy_assets", "comfy_documents", "comfy_errors", "comfy_events", "comfy_jobs", "node_lists"),
        *("addresses", "problem", "records", "sender", "settings", "tasks"),
    },
    "node_inputs": set(),
    "node_checks": {"node_inputs"},
    "node_lists": {"node_checks", "settings"},
    "content_schema": {"content", "schema", "sdwebui_fields"},
    "sdwebui_fields": {"problem", "schema"},
    "content": {"node_checks", "node_lists", "problem", "sdwebui_fields", "settings"},
    "comfy_openapi": {"comfy_assets", "comfy_errors", "comfy_ids", "comfy_workflow", "index"},
    "webhook_urls": set(),
    "webhook_signatures": set(),
    "webhook_calls": {"webhook_urls"},
    "webhooks": {"records", "webhook_calls", "webhook_signatures", "webhook_urls"},
    "validation": {"problem", "schema", "webhook_urls"},
    "state": {"records"},
    "waits": {"state"},
    "uploads": {"problem", "records", "schema", "settings", "state", "validation"},
    "tasks": {"index", "problem", "records", "settings", "state", "waits"},
    "routes": {
        *("comfy", "content", "cors", "node_lists", "openapi", "problem", "records", "schema", "sender"),
        *("addresses", "discovery", "listing", "settings", "tasks", "validation", "waits"),
        *("uploads", "webhook_signatures"),
    },
}
LOCAL = {
    "die_with_parent": set(),
    "fair_queues": set(),
    "gateway_keys": set(),
    "examples": set(),
    "manifests": set(),
    "processes": set(),
    "runtimes": set(),
    "locks": {"processes"},
    "progress": {"examples"},
    "display": {"progress"},
    "summary": {"progress"},
    "gallery": {"progress", "summary"},
    "venvs": {"locks", "processes"},
    "emulator": {"processes", "venvs"},
    "cloud": {"emulator", "processes", "progress"},
    "config": {"manifests", "processes"},
    "pods": {"emulator", "manifests", "processes"},
    "application": {"cloud", "examples", "progress"},
    "pipeline": {"cloud", "config", "emulator", "pods", "processes"},
    "background": {"config", "locks", "pipeline", "pods", "processes"},
    "demo": {
        *("application", "config", "display", "emulator", "examples", "gallery", "locks", "pipeline", "pods"),
        *("progress", "summary"),
    },
}


def layers(package: str) -> dict[str, set[str]]:
    """The table of a package in docs/architecture.md: what each of its parts may import."""
    [text] = re.findall(rf"<!-- layers: {package} -->\n(.*?)<!-- end of layers -->", ARCHITECTURE, re.DOTALL)
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*)\|$", text, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", allowed)) for name, allowed in rows}


def folders() -> dict[str, set[str]]:
    """The table of folders in docs/architecture.md: the packages that each may import besides itself."""
    [text] = re.findall(r"\| folder \| may import of the others \|(.*?)\n\n", ARCHITECTURE, re.DOTALL)
    rows: dict[str, set[str]] = {}
    for name, allowed in re.findall(r"^\| `(\w+)/` \| ([^|]*)\|", text, re.MULTILINE):
        all_above = allowed.strip() == "all of the above"
        package = "queue_agent" if name == "agent" else name
        rows[package] = (
            set(rows) if all_above else {word.rstrip("/") for word in re.findall(r"`([\w/]+)`", allowed)}
        )
    return rows


ARROWS: Mapping[str, Mapping[str, set[str]]] = {
    "generator": layers("generator"),
    "queue_agent": layers("queue_agent"),
    "api": API,
    "local": LOCAL,
}
FOLDERS = folders()
# These connect all parts of their package.
ENTRY = ("__init__", "__main__")
TASK_CONTRACT = "queue_agent.task.protocol"
# What others may import of the agent: the contract; the API too how the content of a task is read, and which
# addresses are public.
OF_THE_AGENT = {
    "api": (
        TASK_CONTRACT,
        *(f"queue_agent.task.{name}" for name in ("invokeai", "output_rules", "public_addresses", "sdwebui")),
        *(f"queue_agent.task.{name}" for name in ("url_rules", "workflow")),
    ),
    "local": (TASK_CONTRACT,),
}
# Parts that decide: no file, clock, environment, process or network.
PURE = {
    "generator": ("errors", "solution", "config", "facts", "images", "iam", "plan", "build"),
    "queue_agent": ("contract",),
}
SHELL_ONLY = {"os", "subprocess", "socket", "time", "boto3", "botocore", "requests"}


@cache
def graph(package: str) -> grimp.ImportGraph:
    return grimp.build_graph(package, cache_dir=None)


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def arrows(package: str) -> dict[str, set[str]]:
    """The parts of a package, each with the other parts that it imports."""
    parts: dict[str, set[str]] = {}
    for module in graph(package).modules:
        imported = {part(name) for name in graph(package).find_modules_directly_imported_by(module)}
        parts.setdefault(part(module), set()).update(imported - {part(module)})
    return {name: imported for name, imported in parts.items() if name not in ENTRY}


@functools.cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    """The imports and attributes in a module, at any level."""
    every = ast.walk(ast.parse(file.read_text("utf-8")))
    return tuple(node for node in every if isinstance(node, ast.Import | ast.ImportFrom | ast.Attribute))


def imported_names(file: Path) -> set[str]:
    """Full names of all that a module imports, at any level."""
    names: set[str] = set()
    for node in nodes(file):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return names


def folder(package: str) -> Path:
    return ROOT / "agent" / package if package == "queue_agent" else ROOT / package


@pytest.mark.parametrize("package", ARROWS)
def test_the_arrows_between_the_parts_of_a_package_match_the_table(package: str) -> None:
    assert arrows(package) == ARROWS[package]


@pytest.mark.parametrize("package", ARROWS)
def test_no_module_imports_itself_indirectly(package: str) -> None:
    modules = {
        name: graph(package).find_modules_directly_imported_by(name) for name in graph(package).modules
    }

    assert set(TopologicalSorter(modules).static_order()) == set(modules)  # raises CycleError


@pytest.mark.parametrize("package", ARROWS)
def test_the_parts_of_a_package_are_layers(package: str) -> None:
    assert set(TopologicalSorter(dict(ARROWS[package])).static_order()) == set(
        ARROWS[package]
    )  # raises CycleError


@pytest.mark.parametrize("package", FOLDERS)
def test_a_folder_imports_only_what_the_architecture_lists(package: str) -> None:
    for file in folder(package).rglob("*.py"):
        names = {name.partition(".")[0] for name in imported_names(file)}
        assert names & FOLDERS.keys() - {package} <= FOLDERS[package], file


def test_the_task_contract_needs_nothing_but_the_standard_library() -> None:
    for module in OF_THE_AGENT["api"]:
        file = ROOT / "agent" / (module.replace(".", "/") + ".py")
        names = {name for name in imported_names(file) if not name.startswith(OF_THE_AGENT["api"])}

        assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("package", ["api", "local"])
def test_the_api_and_the_local_pipeline_import_only_the_task_contract_of_the_agent(package: str) -> None:
    for file in folder(package).rglob("*.py"):
        names = {name for name in imported_names(file) if name.startswith("queue_agent")}
        allowed = tuple(f"{module}." for module in OF_THE_AGENT[package])
        assert all(f"{name}.".startswith(allowed) or name == "queue_agent.task" for name in names), file


@pytest.mark.parametrize(("package", "name"), [(p, name) for p, names in PURE.items() for name in names])
def test_a_part_that_decides_touches_neither_clock_nor_environment_nor_network(
    package: str, name: str
) -> None:
    path = folder(package) / name
    files = list(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    assert files
    for file in files:
        assert not imported_names(file) & SHELL_ONLY, file


@pytest.mark.parametrize("runtime", ["comfyui", "custom", "invokeai", "sdwebui", "shared"])
def test_a_simulated_runtime_imports_only_itself_and_what_all_share(runtime: str) -> None:
    for file in (ROOT / "local" / "runtimes" / runtime).glob("*.py"):
        names = {name for name in imported_names(file) if name.startswith("local.")}
        allowed = ("local.runtimes.shared", f"local.runtimes.{runtime}")
        assert all(name == "local.runtimes" or name.startswith(allowed) for name in names), file


def test_no_test_module_is_imported_by_another_module() -> None:
    for package in ("tests", "testing", "bench"):
        for file in folder(package).rglob("*.py"):
            modules = [name.split(".") for name in imported_names(file) if name.startswith("tests.")]
            assert not [name for name in modules if name[-1].startswith("test_")], file


def test_only_the_soak_test_imports_a_benchmark() -> None:
    files = folder("tests").rglob("*.py")
    importers = {file.name for file in files if any(n.startswith("bench") for n in imported_names(file))}

    assert importers <= {"test_soak.py"}


def test_nothing_changes_the_import_path() -> None:
    for package in FOLDERS:
        for file in folder(package).rglob("*.py"):
            paths = [node for node in nodes(file) if isinstance(node, ast.Attribute) and node.attr == "path"]
            assert "sys.path" not in {ast.unparse(node) for node in paths}, file


def test_commands_are_found_by_the_table() -> None:
    for name, (module, words) in COMMANDS.items():
        command = importlib.import_module(module)
        assert callable(command.add_flags), name
        assert callable(command.run), name
        assert words


def test_every_command_module_is_in_the_table() -> None:
    shared = {
        "__init__",
        "bars",
        "encoding",
        "flags",
        "forecast_text",
        "image_building",
        "main",
        "output",
        "parser",
    }
    files = {file.stem for file in (ROOT / "generator" / "cli").glob("*.py")} - shared

    assert files == {module.rpartition(".")[2] for module, _ in COMMANDS.values()}


def test_validate_starts_without_the_slow_libraries() -> None:
    code = "import sys; from generator.cli.main import main; main(['validate', 'examples/minimal.yaml']); "
    code += "print(sorted({'boto3', 'jinja2', 'rich', 'urllib3'} & sys.modules.keys()))"

    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert result.stdout == "[]\n"


@pytest.mark.parametrize(
    "script",
    [
        *("tests/local/sdwebui_checkpoint.py", "tests/local/comfyui_checkpoint.py"),
        *("tests/local/invokeai_model.py", "images/sdwebui/tokenizer.py"),
    ],
)
def test_a_script_that_runs_with_the_python_of_another_program_imports_nothing_of_this_project(script: str):
    tree = ast.parse((ROOT / script).read_text("utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    own = {path.name for path in ROOT.iterdir() if path.is_dir()} | {"queue_agent"}
    assert not {name.partition(".")[0] for name in names} & own
