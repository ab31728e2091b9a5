"""A deployer cannot raise its own rights: no unbounded role, no data by a policy that it writes."""

from typing import Any

import pytest

from generator.iam import boundary, policy
from generator.iam.policy import allow, document
from generator.solution.model import Solution
from testing.iam import Request, allowed
from tests.iam.attacker import CLOUDFORMATION
from tests.iam.rights import ROLE, Statements, deployer_with, statements

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def solution(solution_of: Any) -> Solution:
    solution: Solution = solution_of("three-runtimes")
    return solution


def made(solution: Solution, parts: Statements, action: str, limit: str | None, **context: Any) -> bool:
    """Whether a role with this boundary can be created, or changed, through CloudFormation."""
    role = f"arn:aws:iam::{solution.account}:role/{solution.stack}-x"
    bounded = {"iam:PermissionsBoundary": limit} if limit else {}
    return allowed(deployer_with(parts), Request(action, role, {**CLOUDFORMATION, **bounded, **context}))


ROLE_ACTIONS = ("CreateRole", "PutRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "DeleteRolePolicy")


@pytest.mark.parametrize("action", ROLE_ACTIONS)
def test_every_role_that_is_made_or_given_a_policy_has_the_boundary(solution: Solution, action: str) -> None:
    parts, known = statements(solution), {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"}
    another = f"arn:aws:iam::{solution.account}:policy/another"

    assert made(solution, parts, f"iam:{action}", boundary.arn(solution), **known)
    for limit in (None, another, "arn:aws:iam::aws:policy/AdministratorAccess"):
        assert not made(solution, parts, f"iam:{action}", limit, **known)
        parts_without = {sid: {**part, "Condition": {}} for sid, part in parts.items()}
        assert made(solution, parts_without, f"iam:{action}", limit, **known)


@pytest.mark.parametrize("policy_name", ["AdministratorAccess", "PowerUserAccess", "AmazonS3FullAccess"])
def test_no_other_managed_policy_is_attached(solution: Solution, policy_name: str) -> None:
    arn = {"iam:PolicyARN": f"arn:aws:iam::aws:policy/{policy_name}"}

    assert not made(solution, statements(solution), "iam:AttachRolePolicy", boundary.arn(solution), **arn)


@pytest.mark.parametrize(
    "action",
    ["PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "CreatePolicy", "CreatePolicyVersion",
     "SetDefaultPolicyVersion", "DeletePolicy", "CreateUser", "CreateAccessKey"],
)  # fmt: skip
def test_the_boundary_is_out_of_the_deployers_reach(solution: Solution, action: str) -> None:
    attacker, limit = deployer_with(statements(solution)), boundary.arn(solution)
    for arn in (limit, solution.runtimes[0].role_arn, f"arn:aws:iam::{solution.account}:user/me"):
        for way in ({}, CLOUDFORMATION):
            request = Request(f"iam:{action}", arn, {"iam:PermissionsBoundary": limit, **way})
            assert not allowed(attacker, request)


def opened(bucket: str) -> dict[str, Any]:
    """The bucket policy that a deployer would write for itself."""
    return document([allow("Mine", "s3:*", [bucket, f"{bucket}/*"]) | {"Principal": {"AWS": ROLE}}])


def picture(solution: Solution) -> tuple[str, str]:
    bucket = policy.bucket_arn(solution, solution.runtimes[0].output_bucket)
    return bucket, f"{bucket}/out/a/a-1.png"


OBJECT_ACTIONS = (
    "GetObject",
    "GetObjectVersion",
    "DeleteObject",
    "PutObject",
    "PutObjectAcl",
    "RestoreObject",
)


@pytest.mark.parametrize("action", OBJECT_ACTIONS)
def test_a_bucket_policy_opens_no_picture_to_the_deployer(solution: Solution, action: str) -> None:
    bucket, key = picture(solution)
    parts, request = statements(solution), Request(f"s3:{action}", key)

    assert not allowed(deployer_with(parts), request)
    assert not allowed(deployer_with(parts), request, opened(bucket))
    del parts["NeverPictures"]
    assert allowed(deployer_with(parts), request, opened(bucket))


SHAPING = (
    ("s3:PutBucketPolicy", "bucket"),
    ("s3:DeleteBucketPolicy", "bucket"),
    ("s3:PutLifecycleConfiguration", "bucket"),
    ("s3:PutBucketPublicAccessBlock", "bucket"),
    ("s3:PutBucketOwnershipControls", "bucket"),
    ("s3:PutEncryptionConfiguration", "bucket"),
    ("sqs:SetQueueAttributes", "queue"),
    ("sqs:CreateQueue", "queue"),
    ("sns:SetTopicAttributes", "topic"),
    ("sns:CreateTopic", "topic"),
    ("lambda:UpdateFunctionCode", "function"),
    ("lambda:AddPermission", "function"),
    ("events:PutTargets", "rule"),
)


@pytest.mark.parametrize(("action", "kind"), SHAPING)
def test_what_opens_data_is_set_only_through_a_stack(solution: Solution, action: str, kind: str) -> None:
    location = f"{solution.region}:{solution.account}"
    own = {
        "bucket": picture(solution)[0],
        "queue": solution.runtimes[0].queue.arn,
        "topic": solution.requests_topic_arn,
        "function": f"arn:aws:lambda:{location}:function:{solution.stack}-api",
        "rule": f"arn:aws:events:{location}:rule/{solution.stack}-karpenter-spot",
    }[kind]
    attacker = deployer_with(statements(solution))

    assert allowed(attacker, Request(action, own, CLOUDFORMATION))
    for context in ({}, {"aws:CalledVia": ["athena.amazonaws.com"]}):
        assert not allowed(attacker, Request(action, own, context))


@pytest.mark.parametrize("action", ["ReceiveMessage", "SendMessage", "DeleteMessage", "PurgeQueue"])
def test_a_queue_policy_opens_no_task_to_the_deployer(solution: Solution, action: str) -> None:
    queue = solution.runtimes[0].queue.arn
    own = document([allow("Mine", "sqs:*", queue) | {"Principal": {"AWS": ROLE}}])

    assert not allowed(deployer_with(statements(solution)), Request(f"sqs:{action}", queue), own)


@pytest.mark.parametrize(
    ("topic", "protocol", "endpoint", "expected"),
    [
        ("requests", "sqs", "arn:aws:sqs:us-west-2:123456789012:sdoneks-sdxl-turbo", True),
        ("requests", "sqs", "arn:aws:sqs:us-west-2:123456789012:other", False),
        ("requests", "sqs", "arn:aws:sqs:us-west-2:210987654321:sdoneks-x", False),
        ("results", "https", "https://attacker.example", False),
        ("results", "email", "me@example.com", False),
        ("alarms", "email", "me@example.com", True),
    ],
)
def test_tasks_and_results_go_to_the_solutions_queues_alone(
    solution_of: Any, topic: str, protocol: str, endpoint: str, expected: bool
) -> None:
    solution = solution_of("minimal")
    arn = f"arn:aws:sns:us-west-2:123456789012:sdoneks-{topic}"
    context = {"sns:Protocol": protocol, "sns:Endpoint": endpoint, **CLOUDFORMATION}

    attacker = deployer_with(statements(solution))
    assert allowed(attacker, Request("sns:Subscribe", arn, context)) is expected


def test_a_role_that_trusts_the_deployer_is_not_assumed_by_it(solution: Solution) -> None:
    role = solution.runtimes[0].role_arn
    trust = document([allow("Me", "sts:AssumeRole", role) | {"Principal": {"AWS": ROLE}}])

    assert not allowed(deployer_with(statements(solution)), Request("sts:AssumeRole", role), trust)


@pytest.mark.parametrize(
    ("role", "service", "expected"),
    [
        ("sdoneks-api-function", "lambda.amazonaws.com", True),
        ("sdoneks-ApiLogRole-1A", "apigateway.amazonaws.com", True),
        ("eksctl-sdoneks-cluster-ServiceRole-1A", "eks.amazonaws.com", True),
        ("eksctl-sdoneks-nodegroup-controllers-NodeInstanceRole-1A", "ec2.amazonaws.com", True),
        ("sdoneks-prod-admin", "lambda.amazonaws.com", False),
        ("sdoneks-karpenter-controller", "lambda.amazonaws.com", False),
        ("admin", "ec2.amazonaws.com", False),
        ("sdoneks-api-function", "ssm.amazonaws.com", False),
    ],
)
def test_each_service_is_passed_only_its_own_roles(
    solution_of: Any, role: str, service: str, expected: bool
) -> None:
    attacker = deployer_with(statements(solution_of("minimal")))
    request = Request(
        "iam:PassRole", f"arn:aws:iam::123456789012:role/{role}", {"iam:PassedToService": service}
    )

    assert allowed(attacker, request) is expected


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["arn:aws:sns:us-west-2:123456789012:sdoneks-alarms"], True),
        (None, True),
        (["arn:aws:automate:us-west-2:ec2:terminate"], False),
        (["arn:aws:sns:us-west-2:123456789012:sdoneks-alarms", "arn:aws:automate:us-west-2:ec2:stop"], False),
        (["arn:aws:sns:us-west-2:123456789012:sdoneks-requests"], False),
        (["arn:aws:lambda:us-west-2:123456789012:function:other"], False),
        (["arn:aws:ssm:us-west-2:123456789012:opsitem:1"], False),
    ],
)
def test_an_alarm_only_notifies_the_topic_of_alarms(
    solution: Solution, actions: list[str] | None, expected: bool
) -> None:
    """CloudWatch stops and terminates instances of others with a role of its own."""
    alarm = f"arn:aws:cloudwatch:us-west-2:123456789012:alarm:{solution.stack}-backlog"
    context = {"cloudwatch:AlarmActions": actions} if actions else {}
    attacker = deployer_with(statements(solution))

    for way in ({}, CLOUDFORMATION):
        request = Request("cloudwatch:PutMetricAlarm", alarm, {**context, **way})
        assert allowed(attacker, request) is expected


def test_a_build_is_not_given_another_role(solution: Solution) -> None:
    """`StartBuild` takes a role in the place of the project's."""
    attacker = deployer_with(statements(solution))

    def passes(role: str) -> bool:
        context = {"iam:PassedToService": "codebuild.amazonaws.com"}
        return allowed(attacker, Request("iam:PassRole", f"arn:aws:iam::123456789012:role/{role}", context))

    assert passes("sdoneks-image-builder")
    assert not any(map(passes, ("admin", "sdoneks-sdxl-turbo-runtime", "sdoneks-image-builder-2")))
