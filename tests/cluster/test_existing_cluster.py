"""A build for a cluster that exists: what the runtimes need, nothing of network, cluster or controllers."""

import json
from collections import Counter
from typing import Any

import pytest

from generator import app, yaml_loader
from generator.build import files, stack, stack_layout
from generator.deploy import charts, helm
from generator.iam import boundary, controllers, deployer
from generator.images import images
from generator.solution import resolve
from generator.solution.model import Solution
from testing import cfn_lint, solving
from tests.cluster.conftest import Resolve
from tests.cluster.stack_template import Template

PLATFORM = {"name": "platform", "nodeRole": "KarpenterNodeRole-platform"}
AUTO = {"name": "platform", "nodeRole": "AmazonEKSAutoNodeRole", "autoMode": True}
KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
WAYS = pytest.mark.parametrize("pod_identity", [False, True], ids=["IRSA", "Pod Identity"])


@pytest.fixture(scope="module")
def solution(solution_of: Resolve) -> Solution:
    return solution_of("three-runtimes", existingCluster=PLATFORM)


def templates(solution: Solution) -> dict[str, Template]:
    return {path: Template(text) for path, text in stack.files(solution).items()}


def test_the_build_has_roles_queues_buckets_and_values_only(solution: Solution) -> None:
    paths = set(solving.built(solution))

    policies = {path for path in paths if path.startswith("iam/deployer-policy")}
    assert paths - policies == {
        "stack.yaml",
        "identity.yaml",
        "values/sdxl-turbo.yaml",
        "values/comfyui.yaml",
        "values/invokeai.yaml",
        "images/stack.yaml",
        "iam/keda-operator-policy.json",
        "iam/s3-csi-driver-policy.json",
        "iam/permissions-boundary.json",
        "plan.md",
        "plan.json",
        files.MADE_FROM,
    }


@WAYS
def test_the_stacks_have_nothing_of_network_cluster_and_controllers(
    solution_of: Resolve, pod_identity: bool
) -> None:
    parts = templates(solution_of("three-runtimes", existingCluster=PLATFORM, podIdentity=pod_identity))

    kinds = {resource["Type"] for part in parts.values() for resource in part.resources.values()}
    roles = {
        role["Properties"].get("RoleName")
        for part in parts.values()
        for role in part.of("AWS::IAM::Role").values()
    }
    assert not {kind for kind in kinds if kind.startswith(("AWS::EC2", "AWS::Events"))}
    assert not {role for role in roles if role and role.endswith(("-node", "-controller", "-operator"))}
    assert "sdoneks-karpenter-interruption" not in "".join(part.text for part in parts.values())


@WAYS
def test_the_number_of_resources_is_that_of_the_templates(solution_of: Resolve, pod_identity: bool) -> None:
    solution = solution_of("three-runtimes", existingCluster=PLATFORM, podIdentity=pod_identity)
    kinds = [r["Type"] for part in templates(solution).values() for r in part.resources.values()]

    assert stack_layout.resource_counts(solution) == Counter(kinds)


def trust(template: Template, role: str, issuer: str) -> dict[str, Any]:
    """The trust policy of a role as CloudFormation creates it."""
    function = template.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Fn::Sub"]
    document: dict[str, Any] = json.loads(function.replace("${OidcIssuer}", issuer))
    return document


def test_with_irsa_only_the_service_account_of_the_cluster_may_have_the_role(solution: Solution) -> None:
    template = templates(solution)["identity.yaml"]
    issuer = "oidc.eks.us-west-2.amazonaws.com/id/ABC"

    [statement] = trust(template, "RuntimecomfyuiRole", issuer)["Statement"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"}
    assert statement["Condition"] == {
        "StringEquals": {
            f"{issuer}:aud": "sts.amazonaws.com",
            f"{issuer}:sub": "system:serviceaccount:default:comfyui",
        }
    }
    assert template.of("AWS::EKS::PodIdentityAssociation") == {}
    assert set(template.document["Parameters"]) == {"OidcIssuer"}


def test_with_pod_identity_associations_are_those_of_the_cluster(solution_of: Resolve) -> None:
    template = templates(solution_of("three-runtimes", existingCluster=PLATFORM, podIdentity=True))[
        "identity.yaml"
    ]

    associations = template.of("AWS::EKS::PodIdentityAssociation").values()
    assert {association["Properties"]["ClusterName"] for association in associations} == {"platform"}
    assert {association["Properties"]["ServiceAccount"] for association in associations} == {
        "log-collector",
        "sdxl-turbo",
        "comfyui",
        "invokeai",
    }
    assert "Parameters" not in template.document


@WAYS
@pytest.mark.thorough
def test_cfn_lint_has_nothing_to_say(solution_of: Resolve, pod_identity: bool) -> None:
    solution = solution_of("three-runtimes", existingCluster=PLATFORM, podIdentity=pod_identity)
    for text in stack.files(solution).values():
        assert cfn_lint.findings(text, "us-west-2") == []


def test_values_name_the_cluster_and_the_role_of_its_nodes(solution: Solution) -> None:
    values = yaml_loader.load(solving.built(solution)["values/comfyui.yaml"])

    assert values["global"]["clusterName"] == "platform"
    assert values["global"]["stackName"] == "sdoneks"
    template = values["runtimes"]["comfyui"]["karpenter"]["nodeTemplate"]
    assert template["iamRole"] == "KarpenterNodeRole-platform"
    assert values["logs"]["serviceAccountRoleArn"].endswith(":role/sdoneks-log-collector")


def test_values_of_auto_mode_have_a_lifetime_and_no_ami(solution_of: Resolve) -> None:
    solution = solution_of("minimal", existingCluster=AUTO)
    karpenter = yaml_loader.load(solving.built(solution)["values/sdxl-turbo.yaml"])["runtimes"]["sdxl-turbo"][
        "karpenter"
    ]

    assert karpenter == {
        "provisioner": {"disruption": {"expireAfter": "336h"}},
        "nodeTemplate": {"iamRole": "AmazonEKSAutoNodeRole"},
    }


def test_without_the_key_it_is_the_cluster_of_a_full_deployment(solution_of: Resolve) -> None:
    full = solution_of("minimal")
    only = resolve.in_existing_cluster(full, app.facts())

    assert (only.cluster, only.node_role) == (full.stack, f"{full.stack}-karpenter-node")
    assert "cluster.yaml" in solving.built(full)
    assert "cluster.yaml" not in solving.built(only)


def actions(solution: Solution) -> set[str]:
    return {
        action
        for document in deployer.policies(solution)
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


@WAYS
def test_the_deployer_can_change_neither_network_nor_cluster(
    solution_of: Resolve, pod_identity: bool
) -> None:
    allowed = actions(solution_of("three-runtimes", existingCluster=PLATFORM, podIdentity=pod_identity))

    changes = {
        action
        for action in allowed
        if action.startswith(("ec2:", "eks:", "autoscaling:", "elasticloadbalancing:"))
        and not action.partition(":")[2].startswith(("Describe", "Get", "List"))
    }
    of_pod_identity = {f"eks:{verb}PodIdentityAssociation" for verb in ("Create", "Delete", "Update")}
    assert changes == (of_pod_identity if pod_identity else set())
    assert not {action for action in allowed if "OpenIDConnect" in action} - {
        "iam:GetOpenIDConnectProvider",
        "iam:ListOpenIDConnectProviderTags",
    }
    assert not {action for action in allowed if action.startswith("events:")}
    assert {"cloudformation:CreateStack", "iam:CreateRole", "sqs:CreateQueue"} <= allowed


def test_the_boundary_of_the_roles_starts_no_node(solution: Solution) -> None:
    text = json.dumps(boundary.policy(solution))

    assert "ec2:" not in text
    assert "sqs:ReceiveMessage" in text


def test_policies_for_the_controllers_name_queues_models_and_keys(solution_of: Resolve) -> None:
    keys = {"models": [KEY], "volumes": KEY}
    texts = controllers.files(solution_of("three-runtimes", existingCluster=PLATFORM, kmsKeys=keys))

    assert set(texts) == {
        f"iam/{name}-policy.json" for name in ("keda-operator", "s3-csi-driver", "karpenter-controller")
    }
    assert "sdoneks-comfyui" in texts["iam/keda-operator-policy.json"]
    assert KEY in texts["iam/s3-csi-driver-policy.json"]
    assert "kms:CreateGrant" in texts["iam/karpenter-controller-policy.json"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, False), ({"tags": {"team": "art"}}, True)],
    ids=["no tags", "tags of the solution"],
)
def test_the_role_of_an_auto_mode_cluster_needs_a_policy_for_tags(
    solution_of: Resolve, changes: dict[str, Any], expected: bool
) -> None:
    texts = controllers.files(solution_of("minimal", existingCluster=AUTO, **{"tags": {}, **changes}))

    assert ("iam/cluster-role-policy.json" in texts) is expected


def test_the_plan_has_no_cluster(solution: Solution) -> None:
    plan = solving.plan(solution)

    kinds = {row.kind for row in plan.resources}
    assert not kinds & {"EKS cluster", "VPC", "NAT gateway", "elastic IP", "node group"}
    assert not {need.quota.code for need in plan.needs} & {"L-0263D0A3", "L-F678F1CE", "L-FE5A380F"}
    assert not [line for line in plan.cost.idle if "control plane" in line.what or "NAT" in line.what]
    assert any("platform exists already" in note for note in plan.notes)


def test_the_plan_of_auto_mode_counts_node_classes_of_aws(solution_of: Resolve) -> None:
    plan = solving.plan(solution_of("minimal", existingCluster=AUTO))

    kinds = {row.kind for row in plan.resources}
    assert "NodeClass" in kinds
    assert "EC2NodeClass" not in kinds
    assert any("fee for each instance" in note for note in plan.notes)


def test_images_are_those_of_the_runtimes_and_collectors(solution_of: Resolve) -> None:
    config = {"existingCluster": PLATFORM, "region": "cn-north-1"}
    parts = {image.part for image in images.images(solution_of("china", **config))}

    assert not parts & {"Karpenter", "KEDA", "S3 CSI driver", "EKS add-ons"}
    assert {"log collector", "queue agent"} <= parts


def test_runtimes_that_share_a_pool_share_its_node_class(solution_of: Resolve) -> None:
    shared = {"karpenter": {"nodePool": "shared"}}
    entries = [{"name": name, "type": "comfyui", "extraValues": shared} for name in ("one", "two")]
    solution = solution_of("minimal", existingCluster=AUTO, modelsRuntime=entries, eksVersion="1.35")
    text = helm.template("sd", charts.folder("sd-runtimes"), "1.35", solving.built(solution))

    kinds = Counter(item["kind"] for item in yaml_loader.load_all(text) if item)
    assert (kinds["NodeClass"], kinds["NodePool"], kinds["Deployment"]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("cluster", "key", "families"),
    [
        (AUTO, "eks.amazonaws.com/instance-family", {"g6"}),
        (PLATFORM, "karpenter.k8s.aws/instance-family", {"g6"}),
        # Not a label of instance types there: Karpenter gives it to each node.
        (PLATFORM, "eks.amazonaws.com/instance-family", {"g5", "g6"}),
    ],
)
def test_labels_of_instance_types_limit_them(
    solution_of: Resolve, cluster: dict[str, Any], key: str, families: set[str]
) -> None:
    provisioner = {"extraRequirements": [{"key": key, "operator": "In", "values": ["g6"]}]}
    entry = {"name": "one", "type": "comfyui", "extraValues": {"karpenter": {"provisioner": provisioner}}}
    solution = solution_of("minimal", existingCluster=cluster, modelsRuntime=[entry], eksVersion="1.35")

    [runtime] = solving.plan(solution).runtimes
    assert {option.instance_type.partition(".")[0] for option in runtime.options} == families
