"""What `validate` passes, the chart renders, to objects that Kubernetes takes: every key with all its values.

First each value of each key is validated alone. Those that pass are then put together, one of each key in a
runtime, and rendered: a single refusal, failure or invalid object is a contradiction.
"""

import copy
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import jsonschema
import pytest
import yaml

from generator.build import files
from generator.config import document, validate
from generator.deploy import charts, helm
from generator.errors import Severity
from generator.solution.context import Context
from testing import kubernetes, solving
from tests.charts.rules import SPECS
from tests.generator.configs import FACTS, SCHEMA, Config
from tests.generator.every_key import EFFECTIVE, FILES, REQUIRED_KEYS, config, put, runtime
from tests.generator.verdict_values import POOL, REQUIREMENTS_PATH, covered, free_form, swept

pytestmark = pytest.mark.thorough

CONTEXT = Context("us-west-2", "123456789012", date(2026, 11, 26), FILES)
OLDEST, NEWEST = FACTS.eks_versions()[0], FACTS.eks_versions()[-1]
# What depends on the Karpenter version.
BY_VERSION = (f"{POOL}.labels", REQUIREMENTS_PATH)

Value = tuple[str, Any]


class GoYaml(yaml.CSafeLoader):
    """Reads what Helm writes as Go does: `=` and `<<` are texts as values, and a key is there only once."""


def _mapping(loader: GoYaml, node: yaml.MappingNode) -> dict[Any, Any]:
    pairs = [
        (loader.construct_object(key), loader.construct_object(value, True)) for key, value in node.value
    ]
    assert len(dict(pairs)) == len(pairs), f"a key is there twice: {[key for key, _ in pairs]}"
    return dict(pairs)


for tag in ("value", "merge"):
    GoYaml.add_constructor(f"tag:yaml.org,2002:{tag}", lambda loader, node: loader.construct_scalar(node))
GoYaml.add_constructor("tag:yaml.org,2002:map", _mapping)


def alone(number: int, path: str, value: Any) -> Config:
    """A runtime with one value of one key, and what the key needs to have an effect."""
    entry = runtime(f"r{number}", path)
    if entry["type"] == "sdwebui" and path != "modelFilename":
        entry["modelFilename"] = f"r{number}.safetensors"
    if path == "dynamicModel":
        del entry["modelFilename"]
    put(entry, path, copy.deepcopy(value))
    return entry


def together(number: int, values: Iterable[Value]) -> Config:
    """A runtime with several values, those of the outer keys first."""
    entry = {"name": f"r{number}", "type": "comfyui"}
    for path, value in sorted(values, key=lambda item: len(item[0])):
        put(entry, path, copy.deepcopy(value))
    return entry


def valid(entries: list[Config], eks: str) -> list[bool]:
    """Whether `validate` passes each runtime."""
    text = yaml.dump(config(entries) | {"eksVersion": eks}, Dumper=yaml.CSafeDumper, allow_unicode=True)
    problems = validate.problems(document.load(text, "config.yaml"), SCHEMA, FACTS, CONTEXT, deriving=True)
    errors = [problem.path for problem in problems if problem.severity is Severity.ERROR]
    numbers = {re.match(r"modelsRuntime\[(\d+)\]", path) for path in errors}
    assert None not in numbers, errors
    refused = {int(match[1]) for match in numbers if match}
    return [index not in refused for index in range(len(entries))]


def combined(values: list[Value], eks: str) -> list[Config]:
    """Valid runtimes with all these values: as many in one as go together."""
    columns = defaultdict(list)
    single = [value for value in values if value[0] in REQUIRED_KEYS or value[0] in ("type", "modelFilename")]
    for path, value in values:
        if (path, value) not in single:
            columns[path].append((path, value))
    rows = [list(filter(None, row)) for row in itertools.zip_longest(*columns.values())]
    entries: list[Config] = []
    while rows:
        packed = [together(len(entries) + number, row) for number, row in enumerate(rows)]
        good = valid(packed, eks)
        entries += [entry for entry, fits in zip(packed, good, strict=True) if fits]
        refused = [row for row, fits in zip(rows, good, strict=True) if not fits]
        single += [row[0] for row in refused if len(row) == 1]
        halves = [(row[: len(row) // 2], row[len(row) // 2 :]) for row in refused if len(row) > 1]
        rows = [half for pair in halves for half in pair]
    entries += [alone(number, *value) for number, value in enumerate(single)]
    return [entry | {"name": f"r{number}"} for number, entry in enumerate(entries)]


def rendered(entries: list[Config], eks: str) -> Iterator[Config]:
    """The objects that Helm renders. Raises HelmError."""
    solution = solving.solution(config(entries) | {"eksVersion": eks}, CONTEXT)
    built = solving.built(solution, files.RUNTIMES_ALONE)
    text = helm.template(solution.stack, charts.folder(files.RUNTIMES_ALONE), eks, built)
    return (manifest for manifest in yaml.load_all(text, GoYaml) if manifest)


@pytest.fixture(scope="module")
def passed() -> list[Value]:
    """The values that `validate` passes, on the oldest EKS version."""
    values = swept()
    entries = [alone(number, *value) for number, value in enumerate(values)]
    return [value for value, fits in zip(values, valid(entries, OLDEST), strict=True) if fits]


def test_no_key_is_left_out() -> None:
    keys = {path for path, _ in swept()}

    assert {path for path in EFFECTIVE if path not in keys and not covered(path)} == set()
    assert len(free_form()) > 20


def test_validate_passes_and_refuses_a_share_of_the_values_of_each_free_form_key(passed: list[Value]) -> None:
    total, accepted = defaultdict(int), defaultdict(int)
    for path, _ in swept():
        total[path] += 1
    for path, _ in passed:
        accepted[path] += 1
    print(f"{len(passed)} of {sum(total.values())} values pass")

    assert 0.3 < len(passed) / sum(total.values()) < 0.8
    assert [path for path in free_form() & total.keys() if not accepted[path]] == []


def test_what_validate_passes_the_chart_renders_to_objects_that_kubernetes_takes(passed: list[Value]) -> None:
    specs = {kind: jsonschema.Draft202012Validator(schema) for kind, schema in SPECS.items()}
    for manifest in rendered(combined(passed, OLDEST), OLDEST):
        if manifest["kind"] in SPECS:
            specs[manifest["kind"]].validate(manifest["spec"])
        else:
            kubernetes.check(manifest, "1.28")


def test_what_validate_passes_for_the_newest_karpenter_the_chart_renders() -> None:
    values = [value for value in swept() if value[0] in BY_VERSION]
    entries = [alone(number, *value) for number, value in enumerate(values)]
    accepted = [value for value, fits in zip(values, valid(entries, NEWEST), strict=True) if fits]

    assert ("example.kubernetes.io/team") in str(accepted)
    assert len(list(rendered(combined(accepted, NEWEST), NEWEST))) > len(accepted)
