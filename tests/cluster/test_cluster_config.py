"""eksctl's ClusterConfig: what eksctl takes, and what the fixed network and its roles must be."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import jsonschema
import pytest

from generator import yaml_loader
from generator.build import cluster, jinja
from generator.solution.model import Solution

ROOT = Path(__file__).resolve().parents[2]
Resolve = Callable[..., Solution]
ClusterConfig = Callable[[Solution], dict[str, Any]]

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml"))
IAM_INLINE_POLICY_MAX = 10_240
LONGEST = "a" * 30


def schemas() -> dict[str, dict[str, Any]]:
    """What we know of eksctl, and eksctl's own word where it is on this machine."""
    schemas = {"taken down": yaml_loader.load((ROOT / "tests/cluster/eksctl.schema.yaml").read_text("utf-8"))}
    if eksctl := shutil.which("eksctl"):
        printed = subprocess.run([eksctl, "utils", "schema"], check=True, capture_output=True, text=True)
        schemas["eksctl utils schema"] = json.loads(printed.stdout)
    return schemas


def problems(schema: dict[str, Any], config: dict[str, Any]) -> list[str]:
    errors = jsonschema.Draft7Validator(schema).iter_errors(config)
    return [f"{error.json_path}: {error.message}" for error in errors]


@pytest.mark.parametrize("schema", schemas().values(), ids=schemas())
@pytest.mark.parametrize("example", EXAMPLES)
def test_eksctl_takes_the_cluster_of_every_example(
    schema: dict[str, Any], example: str, solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    assert problems(schema, cluster_config(solution_of(example))) == []


@pytest.mark.parametrize("schema", schemas().values(), ids=schemas())
@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("metadata", "version", 1.28),
        ("vpc", "nat", {"gateway": "HighAvailable"}),
        ("iam", "serviceAccount", []),
        ("managedNodeGroups", 0, {"name": "controllers", "volumeEncryption": True}),
    ],
)
def test_the_check_of_the_cluster_sees_a_fault(
    schema: dict[str, Any],
    section: str,
    key: Any,
    value: Any,
    solution_of: Resolve,
    cluster_config: ClusterConfig,
) -> None:
    config = cluster_config(solution_of("minimal"))

    config[section][key] = value

    assert problems(schema, config)


def test_the_network_is_three_zones_with_a_nat_gateway_in_each(
    solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    config = cluster_config(solution_of("minimal"))

    assert config["vpc"]["cidr"] == "10.0.0.0/16"
    assert config["vpc"]["nat"] == {"gateway": "HighlyAvailable"}
    assert len(set(config["availabilityZones"])) == 3


def test_subnets_are_left_to_eksctl_which_else_looks_for_existing_ones(
    solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    assert "subnets" not in cluster_config(solution_of("minimal"))["vpc"]


def test_the_subnets_that_the_comment_names_are_those_that_eksctl_carves(solution_of: Resolve) -> None:
    subnets = cluster.subnets(solution_of("minimal"))

    assert [(subnet.kind, str(subnet.cidr)) for subnet in subnets] == [
        ("public", "10.0.0.0/19"),
        ("public", "10.0.32.0/19"),
        ("public", "10.0.64.0/19"),
        ("private", "10.0.96.0/19"),
        ("private", "10.0.128.0/19"),
        ("private", "10.0.160.0/19"),
    ]
    assert [subnet.zone for subnet in subnets[:3]] == [subnet.zone for subnet in subnets[3:]]


def test_karpenter_finds_the_network_by_its_tag_and_the_users_tags_stay(
    solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    tags = cluster_config(solution_of("three-runtimes"))["metadata"]["tags"]

    assert tags["karpenter.sh/discovery"] == "sdoneks"
    assert tags["project"] == "pictures"


def test_controllers_and_each_runtime_have_a_role_of_their_own(
    solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    accounts = cluster_config(solution_of("three-runtimes"))["iam"]["serviceAccounts"]

    trusted = {
        account["roleName"]: f"{account['metadata']['namespace']}/{account['metadata']['name']}"
        for account in accounts
    }
    assert trusted == {
        "sdoneks-karpenter-controller": "kube-system/karpenter",
        "sdoneks-keda-operator": "kube-system/keda-operator",
        "sdoneks-s3-csi-driver": "kube-system/s3-csi-driver-sa",
        "sdoneks-log-collector": "kube-system/log-collector",
        "sdoneks-sdxl-turbo-runtime": "default/sdxl-turbo",
        "sdoneks-comfyui-runtime": "default/comfyui",
        "sdoneks-invokeai-runtime": "default/invokeai",
    }


def test_a_runtime_that_brings_its_role_gets_none(
    solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    role = {"runtime": {"serviceAccountRoleArn": "arn:aws:iam::123456789012:role/ours"}}
    runtimes = [{"name": "comfyui", "type": "comfyui", "extraValues": role}]

    accounts = cluster_config(solution_of("minimal", modelsRuntime=runtimes))["iam"]["serviceAccounts"]

    assert "sdoneks-comfyui-runtime" not in [account["roleName"] for account in accounts]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("region", "bucket"), [("us-west-2", "arn:aws:s3:::models"), ("cn-northwest-1", "arn:aws-cn:s3:::models")]
)
def test_the_policies_of_the_longest_names_fit_into_their_roles(
    region: str, bucket: str, solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    runtimes = [{"name": f"a-runtime-{number:03}", "type": "comfyui"} for number in range(300)]
    solution = solution_of(
        "minimal", stackName=LONGEST, region=region, modelBucketArn=bucket, modelsRuntime=runtimes
    )

    accounts = cluster_config(solution)["iam"]["serviceAccounts"]

    sizes = [len(json.dumps(account["attachPolicy"], separators=(",", ":"))) for account in accounts]
    assert len(solution.stack) == 30
    assert max(sizes) <= IAM_INLINE_POLICY_MAX


def test_nodes_of_karpenter_may_join_the_cluster(solution_of: Resolve, cluster_config: ClusterConfig) -> None:
    entries = cluster_config(solution_of("china"))["accessConfig"]["accessEntries"]

    role = "arn:aws-cn:iam::123456789012:role/sdoneks-karpenter-node"
    assert entries == [{"principalARN": role, "type": "EC2_LINUX"}]


def test_network_policies_are_enforced(solution_of: Resolve, cluster_config: ClusterConfig) -> None:
    addons = {addon["name"]: addon for addon in cluster_config(solution_of("minimal"))["addons"]}

    assert json.loads(addons["vpc-cni"]["configurationValues"]) == {"enableNetworkPolicy": "true"}


@pytest.mark.parametrize(("example", "offered"), [("minimal", True), ("china", False)])
def test_metrics_server_is_asked_for_where_it_is_an_add_on(
    example: str, offered: bool, solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    addons = [addon["name"] for addon in cluster_config(solution_of(example))["addons"]]

    assert ("metrics-server" in addons) is offered


@pytest.mark.parametrize(("desired", "sizes"), [(1, (1, 1, 2)), (2, (2, 2, 3)), (5, (2, 5, 6))])
def test_the_node_group_holds_the_nodes_that_were_asked_for(
    desired: int, sizes: tuple[int, int, int], solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    solution = solution_of("minimal", clusterComponents={"desiredCount": desired})

    group = cluster_config(solution)["managedNodeGroups"][0]

    assert (group["minSize"], group["desiredCapacity"], group["maxSize"]) == sizes


def test_nodes_of_controllers_are_private_encrypted_and_without_imdsv1(
    solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    group = cluster_config(solution_of("minimal"))["managedNodeGroups"][0]

    assert (group["privateNetworking"], group["volumeEncrypted"], group["disableIMDSv1"]) == (True,) * 3


def test_pods_on_nodes_of_controllers_cannot_get_the_credentials_of_the_node(
    solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    group = cluster_config(solution_of("minimal"))["managedNodeGroups"][0]

    # eksctl writes a hop limit of 1 for it, and refuses it next to iam.withAddonPolicies.
    assert group["disablePodIMDS"] is True
    assert "iam" not in group


def test_the_cluster_has_the_keys_of_the_config(solution_of: Resolve, cluster_config: ClusterConfig) -> None:
    keys = solution_of("customer-keys").keys
    encrypted, plain = (cluster_config(solution_of(name)) for name in ("customer-keys", "minimal"))

    assert encrypted["secretsEncryption"] == {"keyARN": keys.secrets}
    assert encrypted["managedNodeGroups"][0]["volumeKmsKeyID"] == keys.volumes
    assert "secretsEncryption" not in plain
    assert "volumeKmsKeyID" not in plain["managedNodeGroups"][0]


def test_a_name_that_the_template_does_not_know_is_an_error(solution_of: Resolve) -> None:
    with pytest.raises(jinja2.UndefinedError, match="description"):
        jinja.render("stack/network.yaml.j2", solution=solution_of("minimal"))


def test_the_cluster_files_that_are_shown_are_what_the_generator_makes() -> None:
    check = subprocess.run(
        [sys.executable, "tools/examples.py", "--check"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert check.stdout == "", "run `make examples`"
