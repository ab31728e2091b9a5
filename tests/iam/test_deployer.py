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

from generator.build import image_builder, stack
from generator.iam import boundary, deployer
from generator.solution.model import Solution
from testing import cfn_lint
from tests.cluster.conftest import ROOT
from tests.iam.eksctl import EKSCTL_ACTIONS, EKSCTL_RESOURCES

# What CloudFormation's handlers would need for properties that no template of ours sets, by feature.
UNUSED = {
    r"s3tables:|s3:.*MetadataTable|s3:Update.*TableConfiguration": "metadata tables",
    r"s3:(Put|Delete)(Bucket)?(Accelerate|Analytics|Abac|Acl|Logging|Notification)": "S3 features",
    r"s3:(Put|Delete)(Bucket)?(Intelligent|Inventory|Metrics|Replication|Versioning|Website)": "S3 features",
    r"s3:Put(Bucket)?ObjectLock|s3:PutObjectAcl|s3:GetBucketAcl": "object lock and ACLs",
    r"s3:DeleteBucketCors": "the action of IAM for it is PutBucketCORS",
    r"s3:DeleteBucket(Encryption|Lifecycle)": "every bucket has both, always",
    r"s3:GetObjectVersion|s3:REST": "code and logs in S3",
    r"kms:|elasticfilesystem:|s3files:|firehose:|vpc-lattice:|vpce:": "services that are not used",
    r"lambda:.*(CapacityProvider|Concurrency|RuntimeAlias|LayerVersion|PublishVersion)": "Lambda's features",
    r"lambda:(Put|Delete).*(CodeSigning|Recursion|Scaling|RuntimeManagement)": "Lambda's features",
    r"lambda:GetCodeSigningConfig": "the code is not signed",
    r"secretsmanager:(Replicate|RemoveRegions)": "the secret is in one region",
    r"logs:.*(Bearer|DataProtection|IndexPolic|LogDelivery|KmsKey|DeletionProt)": "log groups' features",
    r"logs:(Put|Delete)ResourcePolicy": "the log of REST APIs is written by the account's role",
    r"apigateway:UpdateRestApiPolicy": "the API has a key, not a policy of its own",
    r"sns:PutDataProtectionPolicy": "topics have no data protection policy",
    r"iam:.*PermissionsBoundary": "a deployer must not loosen a boundary",
    r"iam:.*(User|Group)Policy": "policies of eksctl are those of roles",
    r"iam:.*InstanceProfile$": "EKS's auto mode, which is off",
    r"iam:(RemoveClientID|UpdateOpenIDConnect)": "the issuer is made once and never changed",
    r"eks:ActivateCertificateAuthority|eks:.*PodIdentityAssociation": "roles are given by IRSA by default",
    r"ec2:.*(VpcEncryptionControl|VpcTenancy|VpnGateway|AddressTransfer|SubnetCidrBlock)": "not used here",
    r"ec2:(Assign|Associate|Disassociate|Unassign).*NatGatewayAddress": "a gateway keeps its one address",
    r"ec2:AssociateAddress": "NAT gateways take their address when they are made",
}

S3_ACTIONS = {
    "GetBucketEncryption": "GetEncryptionConfiguration",
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
        statement
        for document in deployer.policies(solution)
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
    ]
    return {
        action
        for statement in statements
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def handlers(kinds: Iterable[str]) -> set[str]:
    """Every action that CloudFormation needs to create, read, update and delete these types."""
    schemas = [cfn_lint.resource_schema(kind) for kind in kinds]
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
        for text in (*stack.files(solution).values(), image_builder.template(solution))
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


def test_the_files_are_the_policies_and_the_first_has_the_plain_name(solution: Solution) -> None:
    texts = deployer.files(solution)

    assert list(texts)[:2] == ["iam/deployer-policy.json", "iam/deployer-policy-2.json"]
    limit = json.loads(texts.pop("iam/permissions-boundary.json"))
    assert limit == boundary.policy(solution)
    assert [json.loads(text) for text in texts.values()] == list(deployer.policies(solution))
    # IAM attaches at most ten managed policies to a role.
    assert len(texts) <= 10
