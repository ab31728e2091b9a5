"""What follows from a config alone, without a call to AWS."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader
from generator.solution.context import Context
from generator.solution.model import Solution
from generator.solution.nodes import Volume
from testing import solving

ROOT = Path(__file__).resolve().parents[2]
Solve = Callable[..., Solution]


def test_every_name_of_a_runtime_follows_from_stack_account_region_and_name(solve: Solve) -> None:
    runtime = solve().runtimes[0]

    assert runtime.queue.url == "https://sqs.us-west-2.amazonaws.com/123456789012/demo-sdxl"
    assert runtime.queue.arn == "arn:aws:sqs:us-west-2:123456789012:demo-sdxl"
    assert runtime.dead_letter_queue.arn == "arn:aws:sqs:us-west-2:123456789012:demo-sdxl-dead-letter"
    assert runtime.output_bucket == "demo-sdxl-123456789012-us-west-2"
    assert runtime.role_arn == "arn:aws:iam::123456789012:role/demo-sdxl-runtime"
    assert runtime.service_account == "sdxl"
    assert runtime.node_pool == "demo-sdxl"


def test_china_has_its_own_partition_and_hosts(solve: Solve) -> None:
    solution = solve(region="cn-north-1", modelBucketArn="arn:aws-cn:s3:::demo-models")

    assert solution.requests_topic_arn == "arn:aws-cn:sns:cn-north-1:123456789012:demo-requests"
    assert solution.runtimes[0].queue.url.startswith("https://sqs.cn-north-1.amazonaws.com.cn/")
    assert solution.role_arn("karpenter-node") == "arn:aws-cn:iam::123456789012:role/demo-karpenter-node"


def test_a_solution_without_an_account_cannot_be_named(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="account"):
        solving.solution(config, Context("us-west-2", None, None))  # type: ignore[arg-type]


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

    assert solve().runtimes[0].agent_image.name == f"{ecr}/sd-on-eks/queue-agent:0.1.0"


def test_a_mirror_takes_the_place_of_the_registry_of_a_default_image(solve: Solve) -> None:
    solution = solve(imageRegistry="mirror.example.com/all")

    collector = solution.runtimes[0].collector_image.name
    assert collector.startswith("mirror.example.com/all/aws-observability/")


def test_an_image_that_the_user_placed_in_a_registry_stays_there(solve: Solve) -> None:
    image = {"repository": "ghcr.io/us/sdwebui", "tag": "2.0.0"}
    extra = {"runtime": {"inferenceApi": {"image": image}}}

    solution = solve(imageRegistry="mirror.example.com", extra=extra)

    assert solution.runtimes[0].runtime_image.name == "ghcr.io/us/sdwebui:2.0.0"


def test_a_digest_wins_over_a_tag(solve: Solve) -> None:
    digest = f"sha256:{'0' * 64}"
    extra = {"runtime": {"queueAgent": {"image": {"digest": digest}}}}

    assert solve(extra=extra).runtimes[0].agent_image.name.endswith(f"/queue-agent@{digest}")


@pytest.mark.parametrize("spelling", ["xray", "XRay"])
def test_traces_bring_the_image_of_their_collector(solve: Solve, spelling: str) -> None:
    image = {"repository": "ghcr.io/us/collector", "tag": "v1"}
    extra = {"runtime": {"queueAgent": {spelling: {"enabled": True}}}}
    own = {"runtime": {"queueAgent": {"xray": {"enabled": True, "daemon": {"image": image}}}}}

    default = solve(extra=extra).runtimes[0].collector_image

    assert default.name.startswith("public.ecr.aws/aws-observability/aws-otel-collector:v")
    assert solve(extra=own).runtimes[0].collector_image.name == "ghcr.io/us/collector:v1"


def test_models_come_from_the_bucket_of_the_solution_or_of_the_runtime(solve: Solve) -> None:
    own = {"runtime": {"persistence": {"s3": {"modelBucket": "ours"}}}}

    models = [solve().runtimes[0].models, solve(extra=own).runtimes[0].models]

    assert [(one.bucket, one.mounted) for one in models] == [("demo-models", True), ("ours", True)]


@pytest.mark.parametrize(
    "persistence", [{"enabled": False}, {"s3": {"enabled": False}}, {"existingClaim": "x"}]
)
def test_models_of_a_claim_or_an_image_are_not_mounted_from_a_bucket(
    solve: Solve, persistence: dict[str, Any]
) -> None:
    assert not solve(extra={"runtime": {"persistence": persistence}}).runtimes[0].models.mounted


def test_nodes_have_the_volumes_and_the_role_that_the_user_names(solve: Solve) -> None:
    template = {"iamRole": "nodes", "dataVolume": {"volumeSize": "200Gi", "snapshotID": "snap-0123456789"}}

    nodes = solve(extra={"karpenter": {"nodeTemplate": template}}).runtimes[0].nodes

    assert nodes.iam_role == "nodes"
    assert nodes.data_volume == Volume(
        size="200Gi", snapshot_id="snap-0123456789", initialization_rate=None, throughput=125
    )
    assert nodes.os_volume == Volume(size="10Gi", snapshot_id=None, initialization_rate=None, throughput=125)


@pytest.mark.parametrize("kind", ["sdwebui", "comfyui", "invokeai"])
def test_the_default_image_is_that_of_the_charts_profile(solve: Solve, kind: str) -> None:
    profile = yaml_loader.load((ROOT / f"charts/sd-runtimes/profiles/{kind}.yaml").read_text())["image"]

    image = solve(runtime={"type": kind}).runtimes[0].runtime_image

    assert image.default_repository == profile["repository"]
    assert image.name.endswith(f"/{profile['repository'].removeprefix('ghcr.io/')}:{profile['tag']}")


def test_what_the_config_leaves_out_is_the_default_of_the_schema(solve: Solve) -> None:
    schema = json.loads((ROOT / "values-schema.json").read_text())
    components, gateway = (schema["properties"][key]["properties"] for key in ("clusterComponents", "APIGW"))
    agent = schema["definitions"]["runtime"]["properties"]["queueAgent"]["properties"]

    solution = solve()

    assert solution.versions.eks == schema["properties"]["eksVersion"]["default"]
    assert solution.components.instance_type == components["instanceType"]["default"]
    assert solution.api.stage == gateway["stageName"]["default"]
    assert solution.runtimes[0].task_timeout_seconds == agent["taskTimeoutSeconds"]["default"]
