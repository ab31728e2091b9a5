"""The deployer's permissions against the actions that the build needs."""

import ast
import functools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore import xform_name
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from generator.build import stack
from generator.iam import deployer, policy
from generator.solution.model import Solution
from testing.account import Account
from tests.cluster.conftest import ROOT
from tests.iam.eksctl import EKSCTL_ACTIONS, EKSCTL_RESOURCES

# What CloudFormation's handlers would need for properties that no template of ours sets, by feature.
UNUSED = {
    r"s3tables:|s3:.*MetadataTable|s3:Update.*TableConfiguration": "metadata tables",
    r"s3:(Put|Delete)(Bucket)?(Accelerate|Analytics|Abac|Acl|CORS|Cors|Logging|Notification)": "S3 features",
    r"s3:(Put|Delete)(Bucket)?(Intelligent|Inventory|Metrics|Replication|Versioning|Website)": "S3 features",
    r"s3:Put(Bucket)?ObjectLock|s3:PutObjectAcl|s3:GetBucketAcl": "object lock and ACLs",
    r"s3:DeleteBucket(Encryption|Lifecycle)": "every bucket has both, always",
    r"s3:GetObjectVersion|s3:REST": "code and logs in S3",
    r"kms:|elasticfilesystem:|s3files:|firehose:|vpc-lattice:|vpce:": "services that are not used",
    r"lambda:.*(CapacityProvider|Concurrency|RuntimeAlias|LayerVersion|PublishVersion)": "Lambda's features",
    r"lambda:(Put|Delete).*(CodeSigning|Recursion|Scaling|RuntimeManagement)": "Lambda's features",
    r"lambda:GetCodeSigningConfig": "the code is not signed",
    r"logs:.*(Bearer|DataProtection|IndexPolic|LogDelivery|KmsKey|DeletionProt)": "log groups' features",
    r"logs:(Put|Delete)ResourcePolicy": "the log of REST APIs is written by the account's role",
    r"apigateway:UpdateRestApiPolicy": "the API has a key, not a policy of its own",
    r"sns:PutDataProtectionPolicy": "topics have no data protection policy",
    r"iam:.*PermissionsBoundary": "a deployer must not loosen a boundary",
    r"iam:.*(User|Group)Policy": "policies of eksctl are those of roles",
    r"iam:.*InstanceProfile$": "EKS's auto mode, which is off",
    r"iam:(RemoveClientID|UpdateOpenIDConnect)": "the issuer is made once and never changed",
    r"eks:ActivateCertificateAuthority|eks:.*PodIdentityAssociation": "roles are given by IRSA",
    r"ec2:.*(VpcEncryptionControl|VpcTenancy|VpnGateway|AddressTransfer|SubnetCidrBlock)": "not used here",
    r"ec2:(Assign|Associate|Disassociate|Unassign).*NatGatewayAddress": "a gateway keeps its one address",
    r"ec2:AssociateAddress": "NAT gateways take their address when they are made",
}

S3_ACTIONS = {
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListObjectsV2": "ListBucket",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
PREFIXES = {"service-quotas": "servicequotas"}


@pytest.fixture(scope="module")
def solution(solution_of: Any) -> Solution:
    solution: Solution = solution_of("three-runtimes")
    return solution


@pytest.fixture(scope="module")
def allowed(solution: Solution) -> set[str]:
    statements = [
        statement for document in deployer.policies(solution) for statement in document["Statement"]
    ]
    return {
        action
        for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def handlers(kinds: Iterable[str]) -> set[str]:
    """Every action that CloudFormation needs to create, read, update and delete these types."""
    schemas = [PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema for kind in kinds]
    steps = ("create", "read", "update", "delete")
    return {
        action
        for schema in schemas
        for step in steps
        for action in schema.get("handlers", {}).get(step, {}).get("permissions", ())
    }


def implied(solution: Solution) -> set[str]:
    kinds = {
        resource["Type"]
        for text in stack.files(solution).values()
        for resource in yaml.load(text, yaml.CSafeLoader)["Resources"].values()
    }
    return handlers(kinds | set(EKSCTL_RESOURCES.split()))


def test_everything_that_the_templates_and_eksctl_imply_is_allowed(
    solution: Solution, allowed: set[str]
) -> None:
    unused = re.compile("|".join(UNUSED))

    missing = {action for action in implied(solution) - allowed if not unused.match(action)}

    assert sorted(missing) == []


def test_every_action_that_eksctl_calls_is_allowed(allowed: set[str]) -> None:
    assert set(EKSCTL_ACTIONS.split()) - allowed == set()


def test_the_page_names_every_service_that_a_boundary_must_allow(allowed: set[str]) -> None:
    page = (ROOT / "docs" / "deployer.md").read_text("utf-8")
    [item] = [part for part in page.split("\n1. ") if part.startswith("Put a **permissions boundary")]

    services = set(
        re.findall(r"`([a-z0-9]+)`", item.partition("grants nothing by itself:")[2].partition("\n2.")[0])
    )
    assert services == {action.partition(":")[0] for action in allowed}


def test_every_unused_pattern_matches_an_action(solution: Solution, allowed: set[str]) -> None:
    missing = implied(solution) - allowed

    assert [pattern for pattern in UNUSED if not any(re.match(pattern, action) for action in missing)] == []


def calls(path: Path) -> Iterator[tuple[str, str]]:
    """Service and operation of each boto3 call of a module."""
    tree = ast.parse(path.read_text())
    text = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for service in text & SERVICES:
        for operation, method in operations(service).items():
            if method in attributes | text:
                yield service, operation


@functools.cache
def operations(service: str) -> dict[str, str]:
    """Every operation of a service, and what boto3 calls it."""
    client = boto3.client(service, region_name="us-east-1")
    return {operation: xform_name(operation) for operation in client.meta.service_model.operation_names}


SERVICES = set(boto3.Session().get_available_services())
MODULES = sorted(
    [*(ROOT / "generator" / "deploy").glob("*.py"), *(ROOT / "generator" / "preflight").glob("*.py")]
)


def test_every_action_that_our_own_code_calls_is_allowed(allowed: set[str]) -> None:
    needed = set()
    for service, operation in (call for path in MODULES for call in calls(path)):
        if service == "apigateway":
            needed.add("apigateway:GET")
        elif (service, operation) != ("sts", "GetCallerIdentity"):  # which needs no right
            action = S3_ACTIONS.get(operation, operation) if service == "s3" else operation
            needed.add(f"{PREFIXES.get(service, service)}:{action}")

    assert "servicequotas:GetServiceQuota" in needed, "the calls were found"
    assert needed - allowed == set()


def is_allowed(account: Account, solution: Solution, action: str, arn: str) -> bool:
    """Whether the policies together allow an action, as IAM's simulator decides."""
    [result] = account.client("iam").simulate_custom_policy(
        PolicyInputList=[json.dumps(document) for document in deployer.policies(solution)],
        ActionNames=[action],
        ResourceArns=[arn],
    )["EvaluationResults"]
    return bool(result["EvalDecision"] == "allowed")


def test_the_resources_of_the_stack_are_in_reach(account: Account, solution: Solution) -> None:
    runtime, location = solution.runtimes[0], f"{solution.region}:{solution.account}"
    needed = [
        ("cloudformation:CreateChangeSet", f"arn:aws:cloudformation:{location}:stack/{solution.stack}/1"),
        (
            "cloudformation:CreateStack",
            f"arn:aws:cloudformation:{location}:stack/eksctl-{solution.stack}-cluster/1",
        ),
        ("sqs:CreateQueue", runtime.queue_arn),
        ("sns:Subscribe", solution.requests_topic_arn),
        ("s3:CreateBucket", policy.bucket_arn(solution, runtime.output_bucket)),
        (
            "s3:PutObject",
            policy.bucket_arn(
                solution,
                f"{solution.templates_bucket}/stack.yaml",
            ),
        ),
        ("iam:CreateRole", runtime.role_arn),
        (
            "iam:CreateRole",
            f"arn:aws:iam::{solution.account}:role/eksctl-{solution.stack}-cluster-ServiceRole-1",
        ),
        ("eks:CreateNodegroup", f"arn:aws:eks:{location}:cluster/{solution.stack}"),
        ("lambda:CreateFunction", f"arn:aws:lambda:{location}:function:{solution.stack}-api"),
        ("apigateway:POST", f"arn:aws:apigateway:{solution.region}::/restapis/abc/resources"),
    ]

    assert [pair for pair in needed if not is_allowed(account, solution, *pair)] == []


def test_resources_of_other_stacks_are_out_of_reach(account: Account, solution: Solution) -> None:
    location, roles = f"{solution.region}:{solution.account}", f"arn:aws:iam::{solution.account}:role"
    forbidden = [
        ("cloudformation:DeleteStack", f"arn:aws:cloudformation:{location}:stack/other/1"),
        ("sqs:DeleteQueue", f"arn:aws:sqs:{location}:other-queue"),
        ("s3:DeleteBucket", "arn:aws:s3:::other-bucket"),
        ("s3:PutObject", f"{solution.model_bucket_arn}/model.safetensors"),
        ("iam:PutRolePolicy", f"{roles}/admin"),
        ("eks:DeleteCluster", f"arn:aws:eks:{location}:cluster/other"),
        ("lambda:UpdateFunctionCode", f"arn:aws:lambda:{location}:function:other"),
        ("ec2:TerminateInstances", f"arn:aws:ec2:{location}:instance/i-1"),
        ("iam:CreateUser", f"arn:aws:iam::{solution.account}:user/me"),
        ("iam:PutRolePermissionsBoundary", solution.runtimes[0].role_arn),
    ]

    assert [pair for pair in forbidden if is_allowed(account, solution, *pair)] == []


def test_no_picture_can_be_read_or_deleted(account: Account, solution: Solution) -> None:
    picture = policy.bucket_arn(solution, f"{solution.runtimes[0].output_bucket}/out/a/a-1.png")

    assert not is_allowed(account, solution, "s3:DeleteObject", picture)
    assert not is_allowed(account, solution, "s3:GetObject", picture)


def conditions(solution: Solution, action: str) -> list[dict[str, Any]]:
    """The conditions under which an action is allowed (the emulator's simulator ignores them)."""
    statements = [
        statement for document in deployer.policies(solution) for statement in document["Statement"]
    ]
    return [statement.get("Condition", {}) for statement in statements if action in statement["Action"]]


def test_only_known_policies_can_be_attached_to_a_role(solution: Solution) -> None:
    [condition] = conditions(solution, "iam:AttachRolePolicy")

    attachable = condition["ArnEquals"]["iam:PolicyARN"]
    assert {arn.partition("policy/")[2] for arn in attachable} == set(deployer.MANAGED_POLICIES)
    assert not any("Administrator" in arn or "FullAccess" in arn or "*" in arn for arn in attachable)


def test_roles_are_given_to_named_services_alone(solution: Solution) -> None:
    [condition] = conditions(solution, "iam:PassRole")

    assert all("amazonaws.com" in service for service in condition["StringEquals"]["iam:PassedToService"])


def test_what_the_network_has_is_changed_only_with_a_tag_of_this_cluster(
    allowed: set[str], solution: Solution
) -> None:
    changing = {a for a in allowed if re.match("ec2:(?!Describe|Create|Allocate|RunInstances)", a)}

    assert {"ec2:DeleteVpc", "ec2:RevokeSecurityGroupIngress", "ec2:DeleteTags"} <= changing
    for action in changing:
        for condition in conditions(solution, action):
            [(key, value)] = condition["StringEquals"].items()
            assert key.startswith("aws:ResourceTag/")
            assert solution.stack in key + value


def test_resources_of_another_cluster_do_not_get_a_tag_of_this_one(solution: Solution) -> None:
    for condition in conditions(solution, "ec2:CreateTags"):
        if condition != {"StringEquals": {"ec2:CreateAction": "RunInstances"}}:
            [(request_key, stack_name)] = condition["StringEquals"].items()
            resource_key = request_key.replace("RequestTag", "ResourceTag")
            assert (
                condition["StringEqualsIfExists"]
                == {resource_key: stack_name}
                == {resource_key: solution.stack}
            )


def test_the_files_are_the_policies_and_the_first_has_the_plain_name(solution: Solution) -> None:
    texts = deployer.files(solution)

    assert list(texts)[:2] == ["iam/deployer-policy.json", "iam/deployer-policy-2.json"]
    assert [json.loads(text) for text in texts.values()] == list(deployer.policies(solution))
    # IAM attaches at most ten managed policies to a role.
    assert len(texts) <= 10
