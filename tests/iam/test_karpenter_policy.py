"""Karpenter's policy against its official one: what it may start, end, tag and pass."""

from typing import Any

import pytest

from generator.iam import karpenter
from generator.iam.policy import listed
from generator.solution.model import Solution

# The statements of Karpenter's own policy for 1.8.8 and the actions of each:
# karpenter-provider-aws v1.8.8, website/content/en/docs/getting-started/…/cloudformation.yaml
KARPENTER_1_8 = {
    "AllowScopedEC2InstanceAccessActions": "CreateFleet RunInstances",
    "AllowScopedEC2LaunchTemplateAccessActions": "CreateFleet RunInstances",
    "AllowScopedEC2InstanceActionsWithTags": "CreateFleet CreateLaunchTemplate RunInstances",
    "AllowScopedResourceCreationTagging": "CreateTags",
    "AllowScopedResourceTagging": "CreateTags",
    "AllowScopedDeletion": "DeleteLaunchTemplate TerminateInstances",
    "AllowRegionalReadActions": "DescribeCapacityReservations DescribeImages DescribeInstanceTypeOfferings "
    "DescribeInstanceTypes DescribeInstances DescribeLaunchTemplates DescribeSecurityGroups "
    "DescribeSpotPriceHistory DescribeSubnets",
    "AllowSSMReadActions": "GetParameter",
    "AllowPricingReadActions": "GetProducts",
    "AllowInterruptionQueueActions": "DeleteMessage GetQueueUrl ReceiveMessage",
    "AllowPassingInstanceRole": "PassRole",
    "AllowScopedInstanceProfileCreationActions": "CreateInstanceProfile",
    "AllowScopedInstanceProfileTagActions": "TagInstanceProfile",
    "AllowScopedInstanceProfileActions": "AddRoleToInstanceProfile DeleteInstanceProfile "
    "RemoveRoleFromInstanceProfile",
    "AllowInstanceProfileReadActions": "GetInstanceProfile",
    "AllowUnscopedInstanceProfileListAction": "ListInstanceProfiles",
    "AllowAPIServerEndpointDiscovery": "DescribeCluster",
}


def karpenter_statements(solution: Solution) -> dict[str, dict[str, Any]]:
    return {statement["Sid"]: statement for statement in karpenter.controller(solution)["Statement"]}


def test_karpenters_policy_has_the_statements_of_the_official_one(solution_of: Any) -> None:
    ours = karpenter_statements(solution_of("eks-1.28"))

    actions = {
        sid: " ".join(sorted(a.partition(":")[2] for a in listed(statement["Action"])))
        for sid, statement in ours.items()
    }
    assert actions == KARPENTER_1_8


def test_karpenter_ends_only_instances_of_this_cluster(solution_of: Any) -> None:
    solution = solution_of("minimal")

    assert karpenter_statements(solution)["AllowScopedDeletion"]["Condition"] == {
        "StringEquals": {f"aws:ResourceTag/kubernetes.io/cluster/{solution.stack}": "owned"},
        "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
    }


SCOPED = [sid for sid in KARPENTER_1_8 if sid.startswith("AllowScoped") and "Access" not in sid]


@pytest.mark.parametrize("sid", SCOPED)
def test_karpenter_touches_only_what_it_tags_with_a_node_pool(solution_of: Any, sid: str) -> None:
    tags = karpenter_statements(solution_of("minimal"))[sid]["Condition"]["StringLike"]

    assert {tag.partition("/")[2] for tag in tags} & {
        "karpenter.sh/nodepool",
        "karpenter.k8s.aws/ec2nodeclass",
    }


def test_karpenter_may_start_nodes_from_a_snapshot_of_images(solution_of: Any) -> None:
    access = karpenter_statements(solution_of("image-cache-snapshot"))["AllowScopedEC2InstanceAccessActions"]

    assert "arn:aws:ec2:us-west-2::snapshot/*" in access["Resource"]


def test_karpenter_passes_the_node_role_and_one_that_the_user_chose(solution_of: Any) -> None:
    chosen = {"karpenter": {"nodeTemplate": {"iamRole": "our-nodes"}}}
    runtimes = [{"name": "a", "type": "comfyui", "extraValues": chosen}]
    solution = solution_of("minimal", modelsRuntime=runtimes)

    roles = karpenter_statements(solution)["AllowPassingInstanceRole"]["Resource"]

    assert [role.rpartition("/")[2] for role in roles] == ["our-nodes", f"{solution.stack}-karpenter-node"]


def test_a_later_karpenter_may_read_what_it_needs(solution_of: Any) -> None:
    solution = solution_of("minimal", eksVersion="1.34")

    reads = karpenter_statements(solution)["AllowRegionalReadActions"]["Action"]
    assert {"ec2:DescribePlacementGroups", "ec2:DescribeInstanceStatus"} <= set(reads)
    access = karpenter_statements(solution)["AllowScopedEC2InstanceAccessActions"]["Resource"]
    assert any("placement-group" in arn for arn in access)
