"""Real Helm, and what it renders as objects."""

import copy
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import yaml_loader

ROOT = Path(__file__).resolve().parents[2]
RUNTIMES = ROOT / "charts" / "sd-runtimes"
UMBRELLA = ROOT / "charts" / "sd-on-eks"

Values = dict[str, Any]
Object = dict[str, Any]

# What `generator build` gives every runtime; tests say only what matters to them.
BASE: Values = {
    "global": {"stackName": "demo", "region": "us-west-2", "accountId": "123456789012"},
    "defaults": {
        "modelFilename": "sdxl.safetensors",
        "karpenter": {"nodeTemplate": {"iamRole": "demo-karpenter-node"}},
        "runtime": {
            "serviceAccountRoleArn": "arn:aws:iam::123456789012:role/demo-runtime",
            "queueAgent": {
                "s3Bucket": "demo-pictures",
                "snsTopicArn": "arn:aws:sns:us-west-2:123456789012:demo-results",
                "sqsQueueUrl": "https://sqs.us-west-2.amazonaws.com/123456789012/demo-one",
                "deadLetterQueueUrl": "https://sqs.us-west-2.amazonaws.com/123456789012/demo-dead",
            },
            "persistence": {"s3": {"modelBucket": "demo-models"}},
        },
    },
}
# One of each type, with what a custom one needs.
TYPES: Values = {
    "static": {"type": "sdwebui"},
    "dynamic": {"type": "sdwebui", "modelFilename": "", "dynamicModel": True},
    "comfy": {"type": "comfyui", "modelFilename": ""},
    "invoke": {"type": "invokeai", "modelFilename": ""},
    "own": {
        "type": "custom",
        "modelFilename": "",
        "runtime": {
            "inferenceApi": {
                "image": {"repository": "registry.example.com/team/own", "tag": "3.1"},
                "port": 9000,
                "probePath": "/alive",
                "taskPath": "/run",
            }
        },
    },
}


class HelmError(Exception):
    """Helm failed; the text is its error output."""


class Objects(dict[str, Object]):
    """The objects of one rendering, by `Kind/name`."""

    def kinds(self, kind: str) -> list[Object]:
        return [item for key, item in self.items() if key.startswith(f"{kind}/")]

    def pod(self, runtime: str) -> Object:
        return self[f"Deployment/{runtime}"]["spec"]["template"]["spec"]

    def container(self, runtime: str, name: str) -> Object:
        return next(item for item in self.pod(runtime)["containers"] if item["name"] == name)

    def env(self, runtime: str, name: str = "runtime") -> dict[str, str]:
        return {
            variable["name"]: variable["value"] for variable in self.container(runtime, name).get("env", [])
        }

    def agent(self, runtime: str) -> dict[str, str]:
        """The settings of a runtime's queue agent."""
        return self[f"ConfigMap/{runtime}-agent"]["data"]

    def node_class(self, runtime: str) -> Object:
        return self[f"EC2NodeClass/demo-{runtime}"]["spec"]


Render = Callable[..., Objects]


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """`base` merged with `over`, which takes precedence."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        nested_maps = isinstance(result.get(key), dict) and isinstance(value, dict)
        result[key] = merged(result[key], value) if nested_maps else copy.deepcopy(value)
    return result


def nested(path: str, value: Any) -> Values:
    """`a.b` and a value as `{a: {b: value}}`."""
    for step in reversed(path.split(".")):
        value = {step: value}
    return value


def leaves(values: Values, above: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a map, at any depth, by their paths. A map of resources is one value."""
    for key, value in values.items():
        path = f"{above}.{key}" if above else key
        if isinstance(value, dict) and value and "/" not in "".join(value):
            yield from leaves(value, path)
        else:
            yield path, value


# Every value of a runtime, with its default.
PATHS = dict(leaves(yaml_loader.load((RUNTIMES / "values.yaml").read_text(encoding="utf-8"))["defaults"]))


def helm() -> str:
    return shutil.which("helm") or str(ROOT / ".cache" / "bin" / "helm")


@functools.cache
def template(chart: str, values: str, *options: str, release: str = "release") -> Objects:
    """What `helm template` makes of values (JSON text), once for all tests that ask for the same."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(values)
        file.flush()
        command = [helm(), "template", release, chart, "--namespace", "kube-system", "-f", file.name]
        command += ["--kube-version", "1.28", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise HelmError(done.stderr)
    return objects(done.stdout)


def objects(text: str) -> Objects:
    rendered, identities = Objects(), set()
    for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader):
        if manifest:
            key = f"{manifest['kind']}/{manifest['metadata']['name']}"
            full = (key, manifest["metadata"].get("namespace"))
            assert full not in identities, f"{full} is rendered twice"
            identities.add(full)
            rendered[key] = manifest
    return rendered


@pytest.fixture(scope="session")
def render() -> Render:
    """`render(name={…}, …)`: the chart sd-runtimes with these runtimes; `top={…}`: other values."""

    def render(top: Values | None = None, **runtimes: Any) -> Objects:
        values = merged(BASE, {**(top or {}), "runtimes": runtimes})
        return template(str(RUNTIMES), json.dumps(values, sort_keys=True))

    return render


@pytest.fixture(scope="session")
def types(render: Render) -> Objects:
    """One runtime of each type, with defaults."""
    return render(**TYPES)


@pytest.fixture(scope="session")
def with_value(render: Render) -> Callable[..., Objects]:
    """`one("runtime.scaling.enabled", False)`: the runtime `one` with one value changed."""

    def with_value(path: str, value: Any, **entry: Any) -> Objects:
        return render(one=merged(nested(path, value), entry))

    return with_value


@pytest.fixture
def chart_copy(tmp_path: Path) -> Iterator[Path]:
    """A copy of charts/, to change."""
    target = tmp_path / "charts"
    shutil.copytree(ROOT / "charts", target, ignore=shutil.ignore_patterns("*.tgz", "crds"))
    yield target
