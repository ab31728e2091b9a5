"""The permissions boundary allows all that the solution's roles do, and every role has it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from moto.iam.aws_managed_policies import aws_managed_policies_data

from generator import yaml_loader
from generator.build import cluster
from generator.iam import accounts, boundary, deployer, image_builder, policy, roles
from generator.iam.deployer_roles import MANAGED_POLICIES
from generator.iam.policy import listed
from generator.solution.model import Solution
from testing import solving
from testing.iam import Principal, Request, allowed
from tests.cluster.conftest import ROOT

pytestmark = pytest.mark.thorough

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml"))
ARN = "arn:aws:iam::123456789012:policy/sdoneks-boundary"
# A value that fulfills a condition whose pattern is `*`.
ANY = "x"

# Actions of AWS's managed policies that no part of the solution calls, by the reason.
WITHHELD = {
    "load balancers and volumes of Kubernetes' old cloud provider": """
        autoscaling: elasticloadbalancing: ec2:AttachVolume ec2:AuthorizeSecurityGroupIngress ec2:CreateRoute
        ec2:CreateSecurityGroup ec2:CreateVolume ec2:DeleteRoute ec2:DeleteSecurityGroup ec2:DeleteVolume
        ec2:DescribeAccountAttributes ec2:DescribeAddresses ec2:DescribeInternetGateways ec2:DetachVolume
        ec2:ModifyInstanceAttribute ec2:ModifyVolume ec2:RevokeSecurityGroupIngress
        iam:CreateServiceLinkedRole
    """,
    "security groups of pods, which are off": "ec2:CreateNetworkInterfacePermission",
    "images are pulled, not listed": """
        ecr:GetRepositoryPolicy ecr:DescribeRepositories ecr:ListImages ecr:DescribeImages
        ecr:GetLifecyclePolicy ecr:GetLifecyclePolicyPreview ecr:ListTagsForResource
        ecr:DescribeImageScanFindings
    """,
    "of Systems Manager, only sessions are used": """
        ec2messages: ssm:DescribeAssociation ssm:GetDeployablePatchSnapshotForInstance ssm:GetDocument
        ssm:DescribeDocument ssm:GetManifest ssm:ListAssociations ssm:ListInstanceAssociations
        ssm:PutInventory ssm:PutComplianceItems ssm:PutConfigurePackageResult ssm:UpdateAssociationStatus
        ssm:UpdateInstanceAssociationStatus
    """,
}


def documents(solution: Solution) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for account in accounts.service_accounts(solution):
        yield account.role_name, account.policy
    for function in (roles.api_function, roles.api_authorizer, roles.webhooks):
        yield function.__name__, function(solution)


def samples(statement: Mapping[str, Any]) -> Iterator[Request]:
    """A request for each action and resource of a statement, with what its condition asks for."""
    context: dict[str, Any] = {
        key: listed(values)[0].replace("*", ANY)
        for operator, pairs in statement.get("Condition", {}).items()
        if "IfExists" not in operator
        for key, values in pairs.items()
    }
    for action in listed(statement["Action"]):
        for resource in listed(statement["Resource"]):
            # An ARN without an account is one of AWS's own: an image, a snapshot.
            yield Request(action, resource.replace("*", ANY), context)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_boundary_allows_all_that_the_roles_are_given(solution_of: Any, example: str) -> None:
    solution = solution_of(example)
    limit = boundary.policy(solution)

    refused = [
        (role, statement["Sid"], request)
        for role, document in documents(solution)
        for statement in document["Statement"]
        for request in samples(statement)
        if not allowed(Principal("role", (document,), limit), request)
    ]

    assert refused == []


WITH_NODES = {
    "name": "graphs",
    "type": "comfyui",
    "customNodes": [{"repository": "https://github.com/a/b", "commit": "a" * 40}],
}


@pytest.mark.parametrize("existing", [{}, {"existingCluster": {"name": "platform"}}])
def test_the_boundary_of_a_solution_with_custom_nodes_allows_its_builds(
    solution_of: Any, existing: dict[str, Any]
) -> None:
    solution = solution_of("minimal", modelsRuntime=[WITH_NODES], **existing)
    role, limit = image_builder.role(solution), boundary.policy(solution)

    refused = [
        request
        for statement in role["Statement"]
        for request in samples(statement)
        if not allowed(Principal("role", (role,), limit), request)
    ]
    assert refused == []
    assert policy.size(limit) <= policy.MANAGED_POLICY_MAX


def managed_actions() -> set[str]:
    """The actions of the managed policies that our templates, and eksctl, attach."""
    data = json.loads(aws_managed_policies_data)
    texts = [data[name.rpartition("/")[2]]["Document"] for name in MANAGED_POLICIES]
    return {action for text in texts for part in text["Statement"] for action in listed(part["Action"])}


def test_the_boundary_allows_what_nodes_and_cluster_need_of_the_managed_policies(solution_of: Any) -> None:
    limit = boundary.policy(solution_of("minimal"))
    given = {action for part in limit["Statement"] for action in listed(part["Action"])}
    withheld = tuple(word for words in WITHHELD.values() for word in words.split())

    assert {action for action in managed_actions() - given if not action.startswith(withheld)} == set()
    assert [word for word in withheld if not any(a.startswith(word) for a in managed_actions() - given)] == []


def test_no_role_of_the_solution_changes_roles_or_policies(solution_of: Any) -> None:
    limit = boundary.policy(solution_of("minimal"))
    iam = {a for part in limit["Statement"] for a in listed(part["Action"]) if a.startswith(("iam:", "sts:"))}

    assert iam == {
        "iam:PassRole",
        "iam:GetInstanceProfile",
        "iam:ListInstanceProfiles",
        "iam:CreateInstanceProfile",
        "iam:AddRoleToInstanceProfile",
        "iam:DeleteInstanceProfile",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:TagInstanceProfile",
    }


def roles_of(solution: Solution) -> dict[str, Any]:
    """The boundary of each role in the templates and in the ClusterConfig."""
    found: dict[str, Any] = {}
    for file, text in solving.built(solution).items():
        data = yaml.load(text, yaml.CSafeLoader) if file.endswith(".yaml") else {}
        for name, resource in data.get("Resources", {}).items():
            if resource["Type"] == "AWS::IAM::Role":
                found[f"{file} {name}"] = resource["Properties"].get("PermissionsBoundary")
    config = yaml_loader.load(cluster.files(solution)["cluster.yaml"])
    found["cluster"] = config["iam"].get("serviceRolePermissionsBoundary")
    for account in config["iam"].get("serviceAccounts", ()):
        found[account["roleName"]] = account.get("permissionsBoundary")
    for association in config["iam"].get("podIdentityAssociations", ()):
        found[association["roleName"]] = association.get("permissionsBoundaryARN")
    for addon in config["addons"]:
        if addon.keys() & {"attachPolicy", "attachPolicyARNs", "wellKnownPolicies"}:
            found[addon["name"]] = addon.get("permissionsBoundary")
        for association in addon.get("podIdentityAssociations", ()):
            found[addon["name"]] = association.get("permissionsBoundaryARN")
    for group in config["managedNodeGroups"]:
        found[group["name"]] = group.get("iam", {}).get("instanceRolePermissionsBoundary")
    return found


@pytest.mark.parametrize("pod_identity", [False, True])
@pytest.mark.parametrize("example", ["minimal", "three-runtimes"])
def test_every_role_has_the_boundary_that_the_config_names_and_none_otherwise(
    solution_of: Any, example: str, pod_identity: bool
) -> None:
    pods = {"podIdentity": pod_identity}
    named, without = solution_of(example, permissionsBoundaryArn=ARN, **pods), solution_of(example, **pods)

    assert len(roles_of(named)) >= 10
    assert set(roles_of(named).values()) == {ARN}
    assert set(roles_of(without).values()) == {None}


def test_the_deployers_policy_asks_for_the_boundary_of_the_config(solution_of: Any) -> None:
    another = "arn:aws:iam::123456789012:policy/team/limits"

    assert boundary.arn(solution_of("minimal")) == ARN
    assert boundary.arn(solution_of("minimal", permissionsBoundaryArn=another)) == another
    text = json.dumps(deployer.policies(solution_of("minimal", permissionsBoundaryArn=another)))
    assert text.count(f'"iam:PermissionsBoundary": "{another}"') == 2


def test_a_new_runtime_needs_no_new_boundary(solution_of: Any) -> None:
    one = [{"name": "a", "type": "comfyui"}]

    before = boundary.policy(solution_of("minimal", modelsRuntime=one))
    after = boundary.policy(solution_of("minimal", modelsRuntime=[*one, {"name": "b", "type": "invokeai"}]))

    assert before == after


def test_a_boundary_that_is_too_large_for_iam_is_not_written(solution_of: Any) -> None:
    buckets = {"runtime": {"queueAgent": {"inputBuckets": [f"photos-{'x' * 50}-{n:02}" for n in range(20)]}}}
    runtimes = [{"name": "a", "type": "comfyui", "extraValues": buckets}]
    solution = solution_of("minimal", modelsRuntime=runtimes)

    assert policy.size(boundary.policy(solution)) > policy.MANAGED_POLICY_MAX
    assert deployer.BOUNDARY_FILE not in deployer.files(solution)


@pytest.mark.parametrize("inputs", [1, 8])
def test_customer_keys_leave_space_for_buckets_with_inputs(solution_of: Any, inputs: int) -> None:
    names = [f"photos-{'x' * 54}-{number}" for number in range(inputs)]
    buckets = {"runtime": {"queueAgent": {"inputBuckets": names}}}
    runtimes = [{"name": "a", "type": "comfyui", "extraValues": buckets}]
    solution = solution_of("customer-keys", modelsRuntime=runtimes)
    limit, text = boundary.policy(solution), json.dumps(boundary.policy(solution))

    assert policy.size(limit) <= policy.MANAGED_POLICY_MAX
    assert all(f'"arn:aws:s3:::{name}/*"' in text for name in names)
    for arn in solution.keys.inputs:
        context = {"kms:ViaService": "s3.us-west-2.amazonaws.com"}
        anything = policy.document([policy.allow("All", "kms:*", "*")])
        role = Principal("role", (anything,), limit)
        assert allowed(role, Request("kms:Decrypt", arn, context))
        assert not allowed(
            role, Request("kms:Decrypt", arn, {"kms:ViaService": "rds.us-west-2.amazonaws.com"})
        )
        assert not allowed(role, Request("kms:Decrypt", arn.replace("us-west-2", "eu-west-1"), context))


def test_no_role_lists_the_buckets_with_inputs(solution_of: Any) -> None:
    solution = solution_of("customer-keys")
    anything = policy.document([policy.allow("All", "s3:*", "*")])
    role = Principal("role", (anything,), boundary.policy(solution))
    [bucket] = {name for runtime in solution.runtimes for name in runtime.input_buckets}

    assert allowed(role, Request("s3:GetObject", f"arn:aws:s3:::{bucket}/photo.png", {}))
    assert not allowed(role, Request("s3:ListBucket", f"arn:aws:s3:::{bucket}", {}))
    assert allowed(role, Request("s3:ListBucket", solution.model_bucket_arn, {}))


def test_the_first_network_interfaces_of_nodes_are_within_the_boundary(solution_of: Any) -> None:
    """The CNI plugin assigns addresses to the interface that a node was started with."""
    solution = solution_of("minimal")
    config = yaml_loader.load(cluster.files(solution)["cluster.yaml"])
    cni = policy.document([policy.allow("All", "ec2:*", "*")])
    plugin = Principal("role", (cni,), boundary.policy(solution))
    interface = "arn:aws:ec2:us-west-2:123456789012:network-interface/eni-1"

    def assigns(tags: Mapping[str, str]) -> bool:
        context = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
        return allowed(plugin, Request("ec2:AssignPrivateIpAddresses", interface, context))

    [group] = config["managedNodeGroups"]
    assert assigns(group["tags"])
    assert assigns({f"kubernetes.io/cluster/{solution.stack}": "owned", "karpenter.sh/nodepool": "a"})
    assert not assigns({"cluster.k8s.amazonaws.com/name": "other"})
    assert not assigns({})
