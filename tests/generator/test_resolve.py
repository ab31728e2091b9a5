"""What follows from a config without asking anyone."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator.facts.facts import Facts
from generator.solution import resolve
from generator.solution.context import Context
from generator.solution.model import Solution

ROOT = Path(__file__).resolve().parents[2]
Solve = Callable[..., Solution]


def test_every_name_of_a_runtime_follows_from_stack_account_region_and_name(solve: Solve) -> None:
    runtime = solve().runtimes[0]

    assert runtime.queue_url == "https://sqs.us-west-2.amazonaws.com/123456789012/demo-sdxl"
    assert runtime.queue_arn == "arn:aws:sqs:us-west-2:123456789012:demo-sdxl"
    assert runtime.dead_letter_queue_arn == "arn:aws:sqs:us-west-2:123456789012:demo-sdxl-dead-letter"
    assert runtime.output_bucket == "demo-sdxl-123456789012-us-west-2"
    assert runtime.role_arn == "arn:aws:iam::123456789012:role/demo-sdxl-runtime"
    assert runtime.service_account == "sdxl"
    assert runtime.cluster_scoped_name == "demo-sdxl"


def test_china_has_its_own_partition_and_hosts(solve: Solve) -> None:
    solution = solve(region="cn-north-1", modelBucketArn="arn:aws-cn:s3:::demo-models")

    assert solution.requests_topic_arn == "arn:aws-cn:sns:cn-north-1:123456789012:demo-requests"
    assert solution.runtimes[0].queue_url.startswith("https://sqs.cn-north-1.amazonaws.com.cn/")
    assert solution.role_arn("karpenter-node") == "arn:aws-cn:iam::123456789012:role/demo-karpenter-node"


def test_a_solution_without_an_account_cannot_be_named(config: dict[str, Any], facts: Facts) -> None:
    with pytest.raises(ValueError, match="account"):
        resolve.solution(config, facts, Context("us-west-2", None, None))  # type: ignore[arg-type]


def test_three_different_zones_of_the_region_are_picked(solve: Solve) -> None:
    zones = solve(region="us-east-1").zones

    assert len(set(zones)) == 3
    assert all(zone.startswith("us-east-1") for zone in zones)


def test_the_eks_version_picks_what_belongs_to_it(solve: Solve) -> None:
    assert solve().versions.karpenter == "1.8.8"
    assert solve(eksVersion="1.34").versions.eks == "1.34"


def test_a_users_role_and_service_account_win_over_the_generated_ones(solve: Solve) -> None:
    role = "arn:aws:iam::123456789012:role/ours"
    extra = {"runtime": {"serviceAccountRoleArn": role, "serviceAccountName": "artist"}}

    runtime = solve(extra=extra).runtimes[0]

    assert (runtime.role_arn, runtime.service_account) == (role, "artist")


@pytest.mark.parametrize("spelling", ["xray", "XRay"])
def test_either_spelling_of_xray_turns_traces_on(solve: Solve, spelling: str) -> None:
    extra = {"runtime": {"queueAgent": {spelling: {"enabled": True}}}}

    assert solve(extra=extra).runtimes[0].xray


def test_extra_values_reach_the_chart_as_they_were_written(solve: Solve) -> None:
    extra = {"runtime": {"inferenceApi": {"extraEnv": {"LEVEL": "1e3"}}}}

    assert solve(extra=extra).runtimes[0].extra_values == extra


def test_an_image_without_a_registry_is_looked_for_in_the_accounts_own(solve: Solve) -> None:
    ecr = "123456789012.dkr.ecr.us-west-2.amazonaws.com"

    assert solve().runtimes[0].agent_image == f"{ecr}/sd-on-eks/queue-agent:0.1.0"


def test_a_mirror_takes_the_place_of_the_registry_of_a_default_image(solve: Solve) -> None:
    solution = solve(
        imageRegistry="mirror.example.com/all", runtime={"type": "invokeai", "modelFilename": ""}
    )

    assert solution.runtimes[0].runtime_image.startswith("mirror.example.com/all/invoke-ai/invokeai:")


def test_an_image_that_the_user_placed_in_a_registry_stays_there(solve: Solve) -> None:
    image = {"repository": "ghcr.io/us/sdwebui", "tag": "2.0.0"}
    extra = {"runtime": {"inferenceApi": {"image": image}}}

    solution = solve(imageRegistry="mirror.example.com", extra=extra)

    assert solution.runtimes[0].runtime_image == "ghcr.io/us/sdwebui:2.0.0"


def test_a_digest_wins_over_a_tag(solve: Solve) -> None:
    digest = f"sha256:{'0' * 64}"
    extra = {"runtime": {"queueAgent": {"image": {"digest": digest}}}}

    assert solve(extra=extra).runtimes[0].agent_image.endswith(f"/queue-agent@{digest}")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "values-schema.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def chart_defaults() -> dict[str, Any]:
    values = yaml.safe_load((ROOT / "charts/sd-runtimes/values.yaml").read_text())
    defaults: dict[str, Any] = values["defaults"]
    return defaults


def test_the_defaults_of_the_top_level_are_those_of_the_schema(schema: dict[str, Any]) -> None:
    assert _of_schema(schema, schema, resolve.DEFAULTS) == resolve.DEFAULTS


@pytest.mark.parametrize("part", ["karpenter", "runtime"])
def test_the_defaults_of_a_runtime_are_those_of_the_schema(schema: dict[str, Any], part: str) -> None:
    ours = resolve.EXTRA_DEFAULTS[part]

    assert _of_schema(schema, schema["definitions"][part], ours) == ours


def test_the_defaults_of_a_runtime_are_those_of_the_chart(chart_defaults: dict[str, Any]) -> None:
    assert _within(chart_defaults, resolve.EXTRA_DEFAULTS) == resolve.EXTRA_DEFAULTS


def test_the_default_images_are_those_of_the_charts_profiles() -> None:
    profiles = ROOT / "charts/sd-runtimes/profiles"
    images = {path.stem: yaml.safe_load(path.read_text())["image"] for path in profiles.glob("*.yaml")}

    assert images == {kind: _within(image, images[kind]) for kind, image in resolve.RUNTIME_IMAGES.items()}


def test_the_agents_default_tag_is_the_charts_app_version() -> None:
    chart = yaml.safe_load((ROOT / "charts/sd-runtimes/Chart.yaml").read_text())

    assert resolve.AGENT_IMAGE["tag"] == chart["appVersion"]


def _within(values: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `values` that has the keys of `shape`."""
    return {
        key: _within(values[key], under) if isinstance(under, Mapping) and under else values[key]
        for key, under in shape.items()
    }


def _of_schema(schema: dict[str, Any], node: dict[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults that `node` gives to the keys of `shape`; no default is the empty one."""
    found = {}
    for key, under in shape.items():
        child = node["properties"][key]
        child = schema["definitions"][child["$ref"].rpartition("/")[2]] if "$ref" in child else child
        is_map = isinstance(under, Mapping) and under
        found[key] = _of_schema(schema, child, under) if is_map else child.get("default", type(under)())
    return found
