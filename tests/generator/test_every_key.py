"""Every key of the contract changes something that is deployed, or gives a warning that it does not."""

import copy
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import paths
from generator.build import files
from generator.build.files import RUNTIMES_ALONE, UMBRELLA
from generator.config import document, validate
from generator.deploy import charts, helm
from generator.errors import Problem, Severity
from generator.facts.facts import Facts
from generator.solution.context import Context
from testing import solving

ROOT = Path(__file__).resolve().parents[2]
Data = dict[str, Any]

SCHEMA: Data = json.loads((ROOT / "values-schema.json").read_text("utf-8"))
RUNTIME = SCHEMA["definitions"]["modelsRuntime"]

CUSTOM = {
    "type": "custom",
    "extraValues.runtime.inferenceApi.image.repository": "ghcr.io/us/ours",
    "extraValues.runtime.inferenceApi.image.tag": "1.0.0",
    "extraValues.runtime.inferenceApi.probePath": "/ready",
    "extraValues.runtime.inferenceApi.taskPath": "/run",
}
REQUIREMENTS = "extraValues.karpenter.provisioner.extraRequirements"
TAINTS = "extraValues.karpenter.provisioner.extraTaints"
ZONES = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-west-2a", "us-west-2b"]}

NODES = "extraValues.karpenter.nodeTemplate"
GPU = "nvidia.com/gpu"
FOUR_GPUS = {"extraValues.karpenter.provisioner.instanceType": ["g5.12xlarge"]}
RESOURCES = {
    container: f"extraValues.runtime.{container}.resources" for container in ("inferenceApi", "queueAgent")
}

VARIABLES = [f"extraValues.runtime.{container}.extraEnv" for container in RESOURCES]
SOURCES: Data = {
    "secretKeyRef": {"name": "secret", "key": "one"},
    "configMapKeyRef": {"name": "config", "key": "one"},
    "fieldRef": {"fieldPath": "metadata.namespace"},
    "resourceFieldRef": {"resource": "limits.cpu"},
}

# The other keys that a runtime needs before a key has an effect.
REQUIRED_KEYS: dict[str, Data] = {
    "modelFilename": {"type": "sdwebui", "modelFilename": "one.safetensors"},
    "dynamicModel": {"type": "sdwebui"},
    "extraValues.runtime.inferenceApi.port": CUSTOM,
    "extraValues.runtime.inferenceApi.probePath": CUSTOM,
    "extraValues.runtime.inferenceApi.taskPath": CUSTOM,
    "extraValues.runtime.queueAgent.xray.daemon": {"extraValues.runtime.queueAgent.xray.enabled": True},
    "extraValues.runtime.persistence.storageClass": {
        "extraValues.runtime.persistence.s3.enabled": False,
        "extraValues.runtime.persistence.storageClass": "gp2",
    },
    "extraValues.runtime.persistence.s3.enabled": {"extraValues.runtime.persistence.storageClass": "gp2"},
    f"{NODES}.osVolume.volumeType": {f"{NODES}.osVolume.throughput": None},
    f"{NODES}.dataVolume.volumeType": {f"{NODES}.dataVolume.throughput": None},
    f"{NODES}.osVolume.iops": {f"{NODES}.osVolume.volumeSize": "100Gi"},
    f"{NODES}.osVolume.snapshotID": {f"{NODES}.osVolume.volumeSize": "100Gi"},
    f"{NODES}.dataVolume.snapshotID": {f"{NODES}.dataVolume.volumeSize": "100Gi"},
    **{
        f"{RESOURCES[container]}.{kind}.{GPU}": FOUR_GPUS
        for container in RESOURCES
        for kind in ("limits", "requests")
    },
    f"{REQUIREMENTS}[]": {REQUIREMENTS: [ZONES]},
    **{f"{path}[]": {path: [{"name": "A"}]} for path in VARIABLES},
    **{
        f"{path}[].valueFrom.{source}": {path: [{"name": "A", "valueFrom": {source: fields}}]}
        for path in VARIABLES
        for source, fields in SOURCES.items()
    },
    f"{TAINTS}[]": {TAINTS: [{"key": "team", "value": "art", "effect": "NoSchedule"}]},
}
# Values where no example of the schema differs from the default, or is valid with the rest.
VALUES: Data = {
    "stackName": "other",
    "region": "us-east-1",
    "accountId": "210987654321",
    "APIGW.throttle.rateLimit": 31,
    "APIGW.throttle.burstLimit": 51,
    "type": "invokeai",
    "modelFilename": "other.safetensors",
    "extraValues.runtime.inferenceApi.modelMountPath": "/models",
    "extraValues.runtime.inferenceApi.imagePullPolicy": "Always",
    "extraValues.runtime.queueAgent.imagePullPolicy": "Always",
    f"{RESOURCES['inferenceApi']}.limits.{GPU}": "3",
    f"{RESOURCES['inferenceApi']}.requests.{GPU}": "3",
    "extraValues.runtime.queueAgent.resources.requests.memory": "768Mi",
    "extraValues.runtime.inferenceApi.resources.requests.cpu": "2",
    "extraValues.runtime.inferenceApi.resources.requests.memory": "5Gi",
    "extraValues.runtime.queueAgent.image.tag": "0.2.0",
    "extraValues.runtime.queueAgent.xray.daemon.image.repository": "ghcr.io/us/collector",
    "extraValues.runtime.queueAgent.xray.daemon.image.tag": "v1.0.0",
    "extraValues.runtime.persistence.size": "4Ti",
    "extraValues.runtime.persistence.accessModes": ["ReadWriteMany"],
    "extraValues.karpenter.nodeTemplate.amiVersion": "1.50.0",
    "extraValues.runtime.persistence.s3.modelBucket": "other-models",
    f"{REQUIREMENTS}[].key": "failure-domain.beta.kubernetes.io/zone",
    f"{REQUIREMENTS}[].operator": "NotIn",
    f"{REQUIREMENTS}[].values": ["us-west-2c"],
    f"{REQUIREMENTS}[].minValues": 2,
    **{f"{path}[].name": "EXTRA" for path in VARIABLES},
    f"{TAINTS}[].key": "group",
    f"{TAINTS}[].value": "studio",
    f"{TAINTS}[].effect": "NoExecute",
}
# A key that is legal only together with another one.
PAIRED_KEYS = {
    f"{path}.{kind}.{GPU}": f"{path}.{other}.{GPU}"
    for path in RESOURCES.values()
    for kind, other in (("limits", "requests"), ("requests", "limits"))
}
# Keys with one legal value, which is the default.
FIXED = {
    "extraValues.karpenter.nodeTemplate.amiFamily",
    *(f"{path}[].valueFrom.fieldRef.apiVersion" for path in VARIABLES),
}
# Every other name derives from this one: all the tests below change it.
NAME = "name"


def keys(node: Data, path: str = "") -> Iterator[tuple[str, Data]]:
    """Every key that holds a value, by its dotted path, with its part of the schema."""
    node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    if node.get("properties"):
        for key, child in node["properties"].items():
            if key != "modelsRuntime":
                yield from keys(child, f"{path}.{key}" if path else key)
        return
    yield path, node
    if node.get("items", {}).get("properties"):
        yield from keys(node["items"], f"{path}[]")


TOP = dict(keys(SCHEMA))
OF_RUNTIME = {path: node for path, node in keys(RUNTIME) if path not in {NAME, *FIXED}}
EFFECTIVE = [path for path, node in OF_RUNTIME.items() if "x-no-effect" not in node]
WITHOUT_EFFECT = [path for path, node in OF_RUNTIME.items() if "x-no-effect" in node]


def other_value(path: str, node: Data) -> Any:
    """A legal value that is not the default."""
    if path in VALUES:
        return VALUES[path]
    if node.get("type") == "boolean" and "default" in node:
        return not node["default"]
    return next(value for value in node["examples"] if value != node.get("default"))


def put(data: Data, path: str, value: Any) -> None:
    """Set a dotted path; `[]` is the first item of a list. Names of resources may hold dots themselves."""
    *parents, last = re.findall(r"nvidia\.com/gpu|[^.\[\]]+|\[\]", path)
    parent: Any = data
    for step in parents:
        parent = parent[0] if step == "[]" else parent.setdefault(step, {})
    parent[last] = value


def runtime(name: str, path: str) -> Data:
    """A runtime in which `path` has an effect."""
    entry: Data = {"name": name, "type": "comfyui"}
    for prefix, required in REQUIRED_KEYS.items():
        if path.startswith(prefix):
            for key, value in required.items():
                put(entry, key, copy.deepcopy(value))
    return entry


def config(runtimes: list[Data]) -> Data:
    return {
        "stackName": "demo",
        "region": "us-west-2",
        "accountId": "123456789012",
        "modelBucketArn": "arn:aws:s3:::demo-models",
        "modelsRuntime": runtimes,
    }


def problems(data: Data) -> list[Problem]:
    """All problems that validation reports."""
    loaded = document.load(yaml.safe_dump(data, sort_keys=False), "config.yaml")
    context = Context(data["region"], data["accountId"], date(2026, 1, 1))
    return validate.problems(loaded, SCHEMA, Facts(paths.data()), context, deriving=True)


def built(data: Data, chart: str) -> dict[str, str]:
    context = Context(data["region"], data["accountId"], date(2026, 1, 1))
    solution = solving.solution(data, context)
    build = solving.built(solution, chart)
    return {path: files.without_header(text) for path, text in build.items() if path != files.MADE_FROM}


def manifests(data: Data) -> dict[str, str]:
    """For each runtime its objects as one text, in which its name and what derives from it are replaced."""
    text = helm.template("demo", charts.folder(RUNTIMES_ALONE), "1.28", built(data, RUNTIMES_ALONE))
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
    plain, changed = (
        config([{"name": "comfy", "type": "comfyui"}]),
        config([{"name": "comfy", "type": "comfyui"}]),
    )
    put(changed, path, other_value(path, TOP[path]))

    assert deployed(plain) != deployed(changed)


def deployed(data: Data) -> dict[str, Any]:
    """A build without the values that only pass the config on, whose effect is in the manifests."""
    platform = {path: text for path, text in built(data, UMBRELLA).items() if not path.startswith("values/")}
    return {**platform, **manifests(data)}
