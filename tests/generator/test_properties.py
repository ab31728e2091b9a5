"""Any config that validates also builds and renders, and yields names that Kubernetes and AWS accept."""

import re
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings

from generator.build import files
from generator.config import document, validate
from generator.deploy import charts, helm
from generator.errors import Severity
from generator.solution.context import Context
from generator.solution.model import Solution
from testing import kubernetes, solving
from tests.generator.configs import FACTS, SCHEMA, Config, configs

pytestmark = pytest.mark.thorough

Object = dict[str, Any]

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
# The naming rules of SQS, S3 and IAM.
QUEUE = re.compile(r"[A-Za-z0-9_-]{1,80}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
CORE = {
    "Deployment",
    "ConfigMap",
    "ServiceAccount",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "NetworkPolicy",
}


class GoYaml(yaml.CSafeLoader):
    """Reads what Helm writes: to Go `=` is a text like any other, to YAML 1.1 it was something special."""


GoYaml.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))


def solved(config: Config) -> Solution | None:
    """The solution of a config, if it validates."""
    loaded = document.load(yaml.safe_dump(config, allow_unicode=True), "config.yaml")
    context = Context(config["region"], config["accountId"], date(2026, 1, 1))
    problems = validate.problems(loaded, SCHEMA, FACTS, context, deriving=True)
    if any(problem.severity is Severity.ERROR for problem in problems):
        return None
    return solving.solution(loaded.data, context)


def rendered(solution: Solution) -> list[Object]:
    built = solving.built(solution, files.RUNTIMES_ALONE)
    chart = charts.folder(files.RUNTIMES_ALONE)
    text = helm.template(solution.stack, chart, solution.versions.eks, built)
    return [manifest for manifest in yaml.load_all(text, GoYaml) if manifest]


@settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
@given(configs())
def test_a_config_that_validates_renders_to_objects_that_kubernetes_accepts(config: Config) -> None:
    solution = solved(config)
    assume(solution is not None)
    assert solution is not None

    objects = rendered(solution)

    names = [
        (manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"])
        for manifest in objects
    ]
    assert len(names) == len(set(names))
    for manifest in objects:
        assert DNS_LABEL.fullmatch(manifest["metadata"]["name"])
        assert all(LABEL_VALUE.fullmatch(value) for value in manifest["metadata"].get("labels", {}).values())
        if manifest["kind"] in CORE:
            kubernetes.check(manifest, "1.28")
    for runtime in config["modelsRuntime"]:
        variables = runtime["extraValues"]["runtime"]["inferenceApi"].get("extraEnv", {})
        assert variables.items() <= environment(objects, runtime["name"]).items()


def environment(objects: list[Object], name: str) -> dict[str, str]:
    """The environment of the runtime's container, as the manifest sets it."""
    pods = (manifest["spec"]["template"]["spec"] for manifest in objects if manifest["kind"] == "Deployment"
            and manifest["metadata"]["name"] == name)  # fmt: skip
    container = next(container for container in next(pods)["containers"] if container["name"] == "runtime")
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


@settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
@given(configs())
def test_a_config_that_validates_builds_with_names_that_aws_accepts(config: Config) -> None:
    solution = solved(config)
    assume(solution is not None)
    assert solution is not None

    built = solving.built(solution)

    cluster = yaml.load(built["cluster.yaml"], yaml.CSafeLoader)
    stack = yaml.load(built["stack.yaml"], yaml.CSafeLoader)
    assert cluster["metadata"]["name"] == solution.stack
    assert all(ROLE.fullmatch(account["roleName"]) for account in cluster["iam"]["serviceAccounts"])
    assert len(stack["Resources"]) <= 500
    for runtime in solution.runtimes:
        assert QUEUE.fullmatch(runtime.queue.name)
        assert QUEUE.fullmatch(runtime.dead_letter_queue.name)
        assert BUCKET.fullmatch(runtime.output_bucket)
        values = yaml.load(built[f"values/{runtime.name}.yaml"], yaml.CSafeLoader)
        assert values["global"]["tags"] == solution.tags
