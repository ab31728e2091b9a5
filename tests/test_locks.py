"""Every package that runs with the deployer's credentials, or in the agent's image, is pinned by its hash."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def direct(project: str, *extras: str) -> list[Requirement]:
    """The requirements that a pyproject.toml names."""
    table = tomllib.loads((ROOT / project).read_text())["project"]
    extra = [line for name in extras for line in table["optional-dependencies"][name]]
    return [Requirement(line) for line in (*table["dependencies"], *extra)]


def entries(lock: str) -> list[str]:
    """The entries of a lock: a requirement and the hashes that follow it."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return re.sub(r"\\\n\s*", "", text).splitlines()


def versions(lock: str) -> dict[str, set[str]]:
    """The versions of each package: more than one where they differ between versions of Python."""
    pins: dict[str, set[str]] = {}
    for entry in entries(lock):
        name, version = re.match(r"([\w.\-]+)(?:\[[^\]]*\])?==([^\s;]+)", entry).groups()
        pins.setdefault(canonicalize_name(name), set()).add(version)
    return pins


LOCKS = {
    "requirements/generator.lock": direct("pyproject.toml"),
    "requirements/development.lock": direct("pyproject.toml", "local", "test")
    + direct("agent/pyproject.toml", "tracing"),
    "requirements/e2e.lock": direct("pyproject.toml", "e2e"),
    "agent/requirements.lock": direct("agent/pyproject.toml", "tracing"),
}


@pytest.mark.parametrize("lock", [*LOCKS, "requirements/tools.lock", "local/ministack.txt"])
def test_every_entry_of_a_lock_has_a_version_and_a_hash(lock):
    assert entries(lock)
    for entry in entries(lock):
        assert re.match(r"[\w.\-\[\]]+==\S+ ", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_satisfies_what_its_pyproject_asks_for(lock):
    pins = versions(lock)
    for requirement in LOCKS[lock]:
        found = pins.get(canonicalize_name(requirement.name), set())
        assert found, f"{requirement.name} is not in {lock}: run `make lock`"
        assert all(version in requirement.specifier for version in found), f"{requirement}: run `make lock`"


@pytest.mark.parametrize("lock", ["requirements/generator.lock", "requirements/e2e.lock"])
def test_a_lock_holds_the_versions_that_the_tests_run_with(lock):
    tested = versions("requirements/development.lock")
    assert {name for name, pins in versions(lock).items() if name in tested and pins != tested[name]} == set()
