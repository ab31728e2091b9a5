"""Pages name only what exists: targets, commands, flags, paths, keys, codes."""

import argparse
import importlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator import yaml_loader
from generator.cli.main import COMMANDS
from generator.facts.quotas import ADDRESSES, BUCKETS, NAT_GATEWAYS, PUBLISHES, VPCS, of_instance
from generator.paths import root

ROOT = root()
PAGES = sorted(
    [
        *ROOT.glob("README*.md"),
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("*/README.md"),
    ]
)
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=IDS)

CODE = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
TOP_FOLDERS = (
    "agent",
    "api",
    "build",
    "charts",
    "cluster",
    "docs",
    "examples",
    "generator",
    "images",
    "local",
    "make",
    "requirements",
    "sd_on_eks",
    "testing",
)
PATH = re.compile(rf"(?<![\w./{{-])((?:{'|'.join(TOP_FOLDERS)}|tests|tools|bench)/[\w./-]*[\w-])")
# Folders that only exist after a run, or in a wheel.
NOT_IN_GIT = ("build/", "generator/bundled")


def code(page: Path) -> Iterator[str]:
    """The lines of the code blocks and code spans of a page."""
    for block, inline in CODE.findall(page.read_text("utf-8")):
        yield from (block or inline).splitlines()


@pytest.fixture(scope="module")
def makefiles() -> str:
    """The text of all makefiles."""
    return "".join(path.read_text("utf-8") for path in [ROOT / "Makefile", *(ROOT / "make").glob("*.mk")])


@pytest.fixture(scope="module")
def targets(makefiles: str) -> set[str]:
    """The targets of make."""
    return {name for line in re.findall(r"^\.PHONY: (.*)$", makefiles, re.MULTILINE) for name in line.split()}


@EACH_PAGE
def test_make_targets_exist(page: Path, targets: set[str]) -> None:
    names = {
        word
        for line in code(page)
        for words in re.findall(r"(?:^|[\s(])make((?: +[a-z][a-z0-9-]*)+)", line)
        for word in words.split()
    }

    assert names <= targets


@EACH_PAGE
def test_make_variables_exist(page: Path, makefiles: str) -> None:
    for line in code(page):
        for words in re.findall(r"(?:^|[\s(])make ([^#|;]*)", line):
            for name in re.findall(r"\b([A-Z][A-Z_0-9]+)=", words):
                assert f"$({name})" in makefiles, line


@EACH_PAGE
def test_python_modules_that_are_run_exist(page: Path) -> None:
    for line in code(page):
        for module in re.findall(r"python -m ((?:bench|generator|local|testing|tests)(?:\.\w+)*)", line):
            file = ROOT / module.replace(".", "/")
            assert file.with_suffix(".py").exists() or (file / "__main__.py").exists(), line


def test_git_hooks_call_make_targets_only(targets: set[str]) -> None:
    config = yaml_loader.load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))

    for repository in config["repos"]:
        assert repository["repo"] == "local"
        for hook in repository["hooks"]:
            program, *names = hook["entry"].split()
            assert (program, hook["language"], hook["pass_filenames"]) == ("make", "system", False)
            assert names and set(names) <= targets


def test_modules_in_the_drawing_of_the_architecture_exist() -> None:
    drawing = (ROOT / "docs" / "images" / "architecture.svg").read_text("utf-8")
    modules = {path.name for path in (ROOT / "agent" / "queue_agent" / "flow").glob("*.py")}
    folders = {path.name for path in (ROOT / "generator").iterdir() if path.is_dir()}

    labels = re.findall(r'class="name"[^>]*>([^<]+)<', drawing)
    assert {label for label in labels if label.endswith(".py")} <= modules
    packages = {"config", "solution", "build", "deploy", "facts", "iam", "plan", "images", "preflight"}
    assert packages <= {name for label in labels for name in label.split(", ")}
    assert packages <= folders


def flags_of(command: str) -> set[str]:
    """The flags of a command of the generator."""
    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[command][0]).add_flags(parser)
    return set(parser._option_string_actions)


@EACH_PAGE
def test_commands_of_the_generator_and_their_flags_exist(page: Path) -> None:
    for line in code(page):
        for command, arguments in re.findall(r"(?:^|[\s(/])generator ([a-z]+)([^|;>#&]*)", line):
            assert command in COMMANDS, line
            unknown = set(re.findall(r"(?:^|\s)(--?[a-z][a-z0-9-]*)", arguments)) - flags_of(command)
            assert not unknown, line


@EACH_PAGE
def test_paths_exist(page: Path) -> None:
    for line in code(page):
        for path in PATH.findall(line):
            here = (ROOT / path).exists() or (page.parent / path).exists()
            assert here or path.startswith(NOT_IN_GIT) or path == "build", f"{path} in: {line}"


@EACH_PAGE
def test_names_that_a_page_places_in_a_file_are_in_it(page: Path) -> None:
    for name, path in re.findall(r"`(\w+)`(?: and `\w+`)? in `([\w./-]+\.\w+)`", page.read_text("utf-8")):
        assert name in (ROOT / path).read_text("utf-8"), f"{name} in {path}"


@EACH_PAGE
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), target


def keys(node: object) -> Iterator[str]:
    """Every key that the schema of a config describes."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "properties" and isinstance(value, dict):
                yield from value
            yield from keys(value)
    elif isinstance(node, list):
        for item in node:
            yield from keys(item)


@EACH_PAGE
def test_keys_with_a_value_are_keys_of_a_config(page: Path) -> None:
    schema_keys = set(keys(json.loads((ROOT / "values-schema.json").read_text("utf-8"))))
    for inline in re.findall(r"`([A-Za-z][\w.]*): [^`\n]*`", page.read_text("utf-8")):
        if page.parent.name in ("charts", "sd-runtimes", "sd-on-eks", "agent") or inline in ("status",):
            continue
        assert inline.rpartition(".")[2] in schema_keys, inline


def test_the_quotas_of_the_page_are_those_that_are_checked() -> None:
    names = ("g5.xlarge", "p4d.24xlarge", "p5.48xlarge", "m7g.large")
    gpu_quotas = [of_instance(name, market) for name in names for market in ("on-demand", "spot")]
    # The controllers' node group runs on demand.
    checked = {
        quota.code for quota in [*gpu_quotas[:7], ADDRESSES, VPCS, NAT_GATEWAYS, PUBLISHES, BUCKETS] if quota
    }

    assert set(re.findall(r"L-[0-9A-F]{8}", (ROOT / "docs" / "deploy.md").read_text("utf-8"))) == checked


def test_make_help_lists_every_target_with_a_text() -> None:
    output = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    for name in ("demo", "preflight", "cluster", "install", "smoke", "status", "uninstall"):
        assert re.search(rf"^  {name} +\w", output, re.MULTILINE), name
