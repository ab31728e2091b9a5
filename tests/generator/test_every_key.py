"""Every key of the contract changes something that is deployed, or gives a warning that it does not."""

import copy
import re
from datetime import date
from typing import Any

import pytest
import yaml

from generator import app
from generator.build import files
from generator.build.files import RUNTIMES_ALONE, UMBRELLA
from generator.config import document, validate
from generator.deploy import charts, helm
from generator.errors import Problem, Severity
from generator.solution.context import Context
from testing import solving
from tests.generator.every_key import (
    EFFECTIVE,
    FILES,
    OF_RUNTIME,
    PAIRED_KEYS,
    REQUIRED_TOP,
    SCHEMA,
    TOP,
    WITHOUT_EFFECT,
    Data,
    config,
    other_value,
    put,
    runtime,
)

pytestmark = pytest.mark.thorough


def problems(data: Data) -> list[Problem]:
    """All problems that validation reports."""
    loaded = document.load(yaml.safe_dump(data, sort_keys=False), "config.yaml")
    context = Context(data["region"], data["accountId"], date(2026, 1, 1), FILES)
    return validate.problems(loaded, SCHEMA, app.facts(), context, deriving=True)


def built(data: Data, chart: str) -> dict[str, str]:
    context = Context(data["region"], data["accountId"], date(2026, 1, 1), FILES)
    solution = solving.solution(data, context)
    build = solving.built(solution, chart)
    return {path: files.without_header(text) for path, text in build.items() if path != files.MADE_FROM}


def manifests(data: Data) -> dict[str, str]:
    """For each runtime its objects as one text, in which its name and what derives from it are replaced."""
    text = helm.template("demo", charts.folder(RUNTIMES_ALONE), "1.29", built(data, RUNTIMES_ALONE))
    texts: dict[str, str] = {}
    for manifest in yaml.load_all(text, yaml.CSafeLoader):
        name = manifest["metadata"]["labels"]["app.kubernetes.io/instance"]
        manifest_text = re.sub(
            r"^.*checksum/.*$", "", yaml.dump(manifest, Dumper=yaml.CSafeDumper), flags=re.MULTILINE
        )
        texts[name] = texts.get(name, "") + manifest_text.replace(name, "NAME")
    return texts


def pair(number: int, path: str) -> tuple[Data, Data]:
    """Two runtimes: one without the key, one with it."""
    plain, changed = runtime(f"a{number:03}x", path), runtime(f"b{number:03}x", path)
    value = other_value(path, OF_RUNTIME[path])
    put(changed, path, value)
    if path in PAIRED_KEYS:
        put(changed, PAIRED_KEYS[path], value)
    if path == "dynamicModel":
        # Two runtimes cannot have the same checkpoint. `manifests` replaces the names.
        for entry in (plain, changed):
            entry["modelFilename"] = f"{entry['name']}.safetensors"
    return plain, changed


PAIRS = {path: pair(number, path) for number, path in enumerate(OF_RUNTIME)}
ALL = config([entry for runtimes in PAIRS.values() for entry in runtimes])


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    """Each runtime's manifests, all from one run of Helm."""
    return manifests(ALL)


@pytest.fixture(scope="module")
def reported() -> list[Problem]:
    return problems(ALL)


def test_the_configs_of_these_tests_are_valid(reported: list[Problem]) -> None:
    assert [problem for problem in reported if problem.severity is Severity.ERROR] == []


@pytest.mark.parametrize("path", EFFECTIVE)
def test_a_key_of_a_runtime_changes_its_manifests(path: str, rendered: dict[str, str]) -> None:
    plain, changed = PAIRS[path]

    assert rendered[plain["name"]] != rendered[changed["name"]]


def test_two_equal_runtimes_have_equal_manifests(rendered: dict[str, str]) -> None:
    """Or the test above would see changes that no key made."""
    names = [plain["name"] for path, (plain, _) in PAIRS.items() if plain == runtime(plain["name"], "")]

    assert len({rendered[name] for name in names}) == 1


@pytest.mark.parametrize("path", WITHOUT_EFFECT)
def test_a_key_without_effect_changes_nothing(path: str, rendered: dict[str, str]) -> None:
    plain, changed = PAIRS[path]

    assert rendered[plain["name"]] == rendered[changed["name"]]


@pytest.mark.parametrize("path", WITHOUT_EFFECT)
def test_a_key_without_effect_gives_a_warning(path: str, reported: list[Problem]) -> None:
    index = ALL["modelsRuntime"].index(PAIRS[path][1])

    warned = [problem.path for problem in reported if problem.severity is Severity.WARNING]
    assert f"modelsRuntime[{index}].{path}" in warned


@pytest.mark.parametrize("path", TOP)
def test_a_key_of_the_solution_changes_what_is_built(path: str) -> None:
    plain, changed = config([runtime("comfy", path)]), config([runtime("comfy", path)])
    for key, value in REQUIRED_TOP.get(path, {}).items():
        put(plain, key, copy.deepcopy(value))
        put(changed, key, copy.deepcopy(value))
    put(changed, path, other_value(path, TOP[path]))

    assert deployed(plain) != deployed(changed)


def deployed(data: Data) -> dict[str, Any]:
    """A build without the values that only pass the config on, whose effect is in the manifests."""
    platform = {path: text for path, text in built(data, UMBRELLA).items() if not path.startswith("values/")}
    return {**platform, **manifests(data)}
