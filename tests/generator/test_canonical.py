"""What the reference system also accepts: values in another spelling, empty keys, variables in a list."""

from datetime import date
from typing import Any

import pytest
import yaml

from generator.config import document, explain, validate
from generator.config.canonical import canonical
from generator.errors import Problem, Severity
from generator.solution.context import Context
from testing import solving
from tests.generator.configs import FACTS, SCHEMA

CONTEXT = Context("us-west-2", "123456789012", date(2026, 11, 22))
MAY_BE_EMPTY = [key.steps for key in explain.keys(SCHEMA) if "x-may-be-empty" in key.schema]


def config(**runtime: Any) -> dict[str, Any]:
    return {
        "stackName": "demo",
        "modelBucketArn": "arn:aws:s3:::demo-models",
        "modelsRuntime": [{"name": "one", "type": "comfyui", **runtime}],
    }


def problems(data: dict[str, Any]) -> list[Problem]:
    loaded = document.load(yaml.safe_dump(data, allow_unicode=True), "config.yaml")
    return validate.problems(loaded, SCHEMA, FACTS, CONTEXT, deriving=True)


def errors(data: dict[str, Any]) -> list[Problem]:
    return [problem for problem in problems(data) if problem.severity is Severity.ERROR]


def nested(steps: tuple[str, ...], value: Any) -> dict[str, Any]:
    for step in reversed(steps):
        value = {step: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"name": "SDXL", "type": "SDWebUI"}, {"name": "sdxl", "type": "sdwebui"}),
        ({"namespace": "Studio"}, {"namespace": "studio"}),
        (
            nested(("extraValues", "karpenter", "nodeTemplate", "amiFamily"), "BOTTLEROCKET"),
            nested(("extraValues", "karpenter", "nodeTemplate", "amiFamily"), "Bottlerocket"),
        ),
        (
            nested(("extraValues", "karpenter", "nodeTemplate", "instanceStorePolicy"), "raid0"),
            nested(("extraValues", "karpenter", "nodeTemplate", "instanceStorePolicy"), "RAID0"),
        ),
        (
            nested(("extraValues", "karpenter", "nodeTemplate", "instanceStorePolicy"), None),
            nested(("extraValues", "karpenter", "nodeTemplate", "instanceStorePolicy"), "None"),
        ),
        ({"extraValues": None}, {}),
        ({"extraValues": {"karpenter": None, "runtime": None}}, {"extraValues": {}}),
        # Where case matters, it stays.
        ({"modelFilename": "Art.ckpt"}, {"modelFilename": "Art.ckpt"}),
    ],
)
def test_a_value_is_read_as_the_schema_has_it(written: dict[str, Any], read: dict[str, Any]) -> None:
    assert canonical(config(**written), SCHEMA) == config(**read)


@pytest.mark.parametrize("repository", ["public.ecr.aws/xray/aws-xray-daemon", "aws-xray-daemon"])
def test_the_x_ray_daemons_image_counts_as_absent(repository: str) -> None:
    daemon = {"image": {"repository": repository, "tag": "3.3.14"}}
    data = config(extraValues=nested(("runtime", "queueAgent", "xray"), {"enabled": True, "daemon": daemon}))

    [runtime] = solving.solution(data, CONTEXT).runtimes

    assert runtime.xray
    assert runtime.collector_image.name.endswith("/aws-otel-collector:v0.43.1")
    assert "SD815" in {problem.code for problem in problems(data)}
    assert errors(data) == []


def test_another_image_of_a_similar_name_is_used() -> None:
    daemon = {"image": {"repository": "example.com/my-aws-xray-daemon-proxy", "tag": "1"}}
    data = config(extraValues=nested(("runtime", "queueAgent", "xray"), {"enabled": True, "daemon": daemon}))

    assert solving.solution(data, CONTEXT).runtimes[0].collector_image.name.startswith("example.com/")


def test_some_keys_may_be_empty() -> None:
    assert ("clusterComponents",) in MAY_BE_EMPTY
    assert ("modelsRuntime", "[]", "extraValues", "runtime", "labels") in MAY_BE_EMPTY


@pytest.mark.parametrize("steps", MAY_BE_EMPTY, ids=".".join)
def test_an_empty_key_is_read_as_absent(steps: tuple[str, ...]) -> None:
    def with_value(steps: tuple[str, ...], value: Any) -> dict[str, Any]:
        top = steps[:2] != ("modelsRuntime", "[]")
        return {**config(), **nested(steps, value)} if top else config(**nested(steps[2:], value))

    data = with_value(steps, None)

    assert errors(data) == []
    inner = steps[:-1]
    absent = with_value(inner, {}) if inner not in ((), ("modelsRuntime", "[]")) else config()
    assert canonical(data, SCHEMA) == absent


def test_runtimes_that_differ_only_in_case_are_not_unique() -> None:
    data = config()
    data["modelsRuntime"].append({"name": "ONE", "type": "comfyui"})

    assert "SD201" in {problem.code for problem in errors(data)}
