"""What the deployer's permissions reach: all that a deployment asks for, and nothing of other stacks."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from generator.build import image_builder, stack_layout
from generator.iam import accounts, boundary, deployer, deployer_roles, policy
from generator.solution.model import Solution
from testing import solving
from testing.iam import Principal, Request, allowed

STACK = {"aws:CalledVia": ["cloudformation.amazonaws.com"]}
PERSON: Mapping[str, Any] = {}
EKSCTL_TAG = "alpha.eksctl.io/cluster-name"


@pytest.fixture(scope="module")
def solution(solution_of: Any) -> Solution:
    solution: Solution = solution_of("three-runtimes")
    return solution


def is_allowed(solution: Solution, action: str, arn: str, context: Mapping[str, Any] = PERSON) -> bool:
    role = Principal("arn:aws:iam::123456789012:role/sd-deployer", deployer.policies(solution))
    return allowed(role, Request(action, arn, context))


def of_stack(tag: str, stack: str) -> dict[str, str]:
    return {f"aws:ResourceTag/{tag}": stack}


def requests(solution: Solution) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Action, resource and context of what CloudFormation (`STACK`) and eksctl (`PERSON`) ask AWS for."""
    stack, runtime = solution.stack, solution.runtimes[0]
    here, iam = f"{solution.region}:{solution.account}", f"arn:aws:iam::{solution.account}"
    cloudformation, ec2 = f"arn:aws:cloudformation:{here}:stack", f"arn:aws:ec2:{here}"
    bucket = policy.bucket_arn(solution, runtime.output_bucket)
    templates = policy.bucket_arn(solution, solution.templates_bucket)
    bounded = {**STACK, "iam:PermissionsBoundary": boundary.arn(solution)}
    to_queue = {**STACK, "sns:Protocol": "sqs", "sns:Endpoint": runtime.queue.arn}
    tags = {"sd-on-eks/stack": stack, EKSCTL_TAG: stack}
    given = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    own = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    issuer = f"{iam}:oidc-provider/oidc.eks.{solution.region}.amazonaws.com/id/0A1B"
    role = f"{iam}:role/eksctl-{stack}-cluster-ServiceRole-1"
    cni = {**bounded, "iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"}
    api = f"arn:aws:apigateway:{solution.region}::/"
    dry_run = {"ec2:LaunchTemplate": f"{ec2}:launch-template/lt-1"}
    eks_group = {"aws:ResourceTag/kubernetes.io/cluster/" + stack: "owned"}
    issuer_tag, issuer_given = of_stack(EKSCTL_TAG, stack), {f"aws:RequestTag/{EKSCTL_TAG}": stack}
    return [
        ("cloudformation:CreateChangeSet", f"{cloudformation}/{stack}/1", PERSON),
        ("cloudformation:CreateChangeSet", f"{cloudformation}/{stack}/1",
         {"cloudformation:ImportResourceTypes": ["AWS::S3::Bucket", "AWS::SQS::Queue"]}),
        ("cloudformation:ExecuteChangeSet", f"{cloudformation}/{stack}-02/1", PERSON),
        ("cloudformation:DeleteStack", f"{cloudformation}/{stack}-network/1", PERSON),
        ("cloudformation:CreateStack", f"{cloudformation}/eksctl-{stack}-cluster/1", PERSON),
        ("cloudformation:CreateStack", f"{cloudformation}/eksctl-{stack}-nodegroup-controllers/1", PERSON),
        ("cloudformation:CreateStack",
         f"{cloudformation}/eksctl-{stack}-addon-iamserviceaccount-kube-system-karpenter/1", PERSON),
        ("sqs:CreateQueue", runtime.queue.arn, STACK),
        ("sqs:SetQueueAttributes", runtime.queue.arn, STACK),
        ("sqs:GetQueueAttributes", runtime.queue.arn, PERSON),
        ("sns:Subscribe", solution.requests_topic_arn, to_queue),
        ("sns:SetTopicAttributes", solution.results_topic_arn, STACK),
        ("s3:CreateBucket", bucket, STACK),
        ("s3:PutBucketPolicy", bucket, STACK),
        ("s3:PutLifecycleConfiguration", bucket, STACK),
        ("s3:ListBucket", bucket, PERSON),
        ("s3:DeleteBucket", bucket, PERSON),
        ("s3:CreateBucket", templates, PERSON),
        ("s3:PutObject", f"{templates}/stack.yaml", PERSON),
        ("s3:GetObject", f"{solution.model_bucket_arn}/Stable-diffusion/a.safetensors", PERSON),
        ("iam:CreateRole", f"{iam}:role/{stack}-api-function", bounded),
        ("iam:TagRole", f"{iam}:role/{stack}-api-function", {**STACK, **given}),
        ("iam:CreateRole", role, bounded),
        ("iam:PutRolePolicy", runtime.role_arn, bounded),
        ("iam:AttachRolePolicy", role, cni),
        ("iam:DeleteRole", role, {**STACK, **own}),
        ("iam:UpdateAssumeRolePolicy", role, {**STACK, **own}),
        ("iam:PassRole", role, {"iam:PassedToService": "eks.amazonaws.com"}),
        ("iam:CreateOpenIDConnectProvider", issuer, issuer_given),
        ("iam:TagOpenIDConnectProvider", issuer, {**issuer_given, **issuer_tag}),
        ("iam:DeleteOpenIDConnectProvider", issuer, issuer_tag),
        ("iam:GetOpenIDConnectProvider", issuer, PERSON),
        ("eks:CreateCluster", f"arn:aws:eks:{here}:cluster/{stack}",
         {**STACK, **given, "aws:RequestedRegion": solution.region}),
        ("eks:CreateNodegroup", f"arn:aws:eks:{here}:cluster/{stack}", STACK),
        ("lambda:CreateFunction", f"arn:aws:lambda:{here}:function:{stack}-api", STACK),
        ("apigateway:POST", f"{api}restapis", STACK),
        ("apigateway:PUT", f"{api}tags/x", STACK),
        ("apigateway:POST", f"{api}restapis/abc/resources", {**STACK, **own}),
        ("apigateway:PATCH", f"{api}account", STACK),
        ("apigateway:GET", f"{api}apikeys/abc", own),
        # A new resource has no tags yet; what it is created in has those of eksctl's stack.
        ("ec2:CreateVpc", f"{ec2}:vpc/v", STACK),
        ("ec2:CreateTags", f"{ec2}:vpc/v", {**STACK, **given}),
        ("ec2:ModifyVpcAttribute", f"{ec2}:vpc/v", {**STACK, **own}),
        ("ec2:CreateSubnet", f"{ec2}:subnet/s", STACK),
        ("ec2:CreateSubnet", f"{ec2}:vpc/v", {**STACK, **own}),
        ("ec2:AllocateAddress", f"{ec2}:elastic-ip/e", STACK),
        ("ec2:CreateNatGateway", f"{ec2}:natgateway/n", STACK),
        ("ec2:CreateNatGateway", f"{ec2}:subnet/s", {**STACK, **own}),
        ("ec2:CreateNatGateway", f"{ec2}:elastic-ip/e", {**STACK, **own}),
        ("ec2:CreateVpcEndpoint", f"{ec2}:vpc-endpoint/e", STACK),
        ("ec2:CreateVpcEndpoint", f"{ec2}:route-table/r", {**STACK, **own}),
        ("ec2:CreateTags", f"{ec2}:vpc-endpoint/e", {**STACK, **given}),
        ("ec2:ModifyVpcEndpoint", f"{ec2}:route-table/r", {**STACK, **own}),
        ("ec2:DeleteVpcEndpoints", f"{ec2}:vpc-endpoint/e", {**STACK, **of_stack("sd-on-eks/stack", stack)}),
        ("ec2:AuthorizeSecurityGroupIngress", f"{ec2}:security-group/g", {**STACK, **own}),
        ("ec2:AuthorizeSecurityGroupIngress", f"{ec2}:security-group/eks", {**STACK, **eks_group}),
        ("ec2:CreateLaunchTemplate", f"{ec2}:launch-template/lt-1", STACK),
        ("ec2:DeleteLaunchTemplate", f"{ec2}:launch-template/lt-1", STACK),
        # EKS tries the launch template of the node group with the permissions of the caller.
        ("ec2:RunInstances", f"arn:aws:ec2:{solution.region}::image/ami-1",
         {**dry_run, "ec2:Owner": "amazon"}),
        ("ec2:RunInstances", f"arn:aws:ec2:{solution.region}::snapshot/s", {**dry_run, "ec2:Owner": "1"}),
        ("logs:CreateLogGroup", f"arn:aws:logs:{here}:log-group:/aws/lambda/{stack}-api-authorizer:*", STACK),
        ("logs:TagResource", f"arn:aws:logs:{here}:log-group:/aws/lambda/{stack}-webhooks", STACK),
        ("cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{here}:alarm:{stack}-a-backlog",
         {**STACK, "cloudwatch:AlarmActions": [f"arn:aws:sns:{here}:{stack}-alarms"]}),
        ("ec2:RunInstances", f"{ec2}:instance/i", dry_run),
        ("ec2:RunInstances", f"{ec2}:subnet/s", {**dry_run, **own}),
        ("ec2:RunInstances", f"{ec2}:security-group/eks", {**dry_run, **eks_group}),
        ("ec2:CreateTags", f"{ec2}:network-interface/i", {"ec2:CreateAction": "RunInstances"}),
        ("ec2:DeleteNetworkInterface", f"{ec2}:network-interface/i",
         of_stack("cluster.k8s.amazonaws.com/name", stack)),
    ]  # fmt: skip


def test_the_resources_of_the_stack_are_in_reach(solution: Solution) -> None:
    assert [row for row in requests(solution) if not is_allowed(solution, *row)] == []


def test_resources_of_other_stacks_are_out_of_reach(solution: Solution) -> None:
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
    bounded = {"iam:PermissionsBoundary": boundary.arn(solution)}

    for context in (PERSON, STACK, {**STACK, **bounded}):
        assert [pair for pair in forbidden if is_allowed(solution, *pair, context)] == []


def test_no_picture_can_be_read_or_deleted(solution: Solution) -> None:
    picture = policy.bucket_arn(solution, f"{solution.runtimes[0].output_bucket}/out/a/a-1.png")

    for context in (PERSON, STACK):
        assert not is_allowed(solution, "s3:DeleteObject", picture, context)
        assert not is_allowed(solution, "s3:GetObject", picture, context)


def test_a_model_bucket_that_is_named_like_an_output_bucket_can_be_read(solution_of: Any) -> None:
    solution = solution_of("minimal", modelBucketArn="arn:aws:s3:::sdoneks-models-123456789012-us-west-2")
    bucket = policy.bucket_arn(solution, solution.runtimes[0].output_bucket)

    assert is_allowed(solution, "s3:GetObject", f"{solution.model_bucket_arn}/a.safetensors")
    assert not is_allowed(solution, "s3:GetObject", f"{bucket}/out/a.png")


def conditions(solution: Solution, action: str) -> list[dict[str, Any]]:
    """The conditions under which an action is allowed."""
    return [
        statement.get("Condition", {})
        for document in deployer.policies(solution)
        for statement in document["Statement"]
        if action in statement["Action"] and statement["Effect"] == "Allow"
    ]


def test_only_known_policies_can_be_attached_to_a_role(solution: Solution) -> None:
    [condition] = conditions(solution, "iam:AttachRolePolicy")

    attachable = condition["ArnEquals"]["iam:PolicyARN"]
    assert {arn.partition("policy/")[2] for arn in attachable} == set(deployer_roles.MANAGED_POLICIES)
    assert not any("Administrator" in arn or "FullAccess" in arn or "*" in arn for arn in attachable)


def test_roles_are_given_to_named_services_alone(solution: Solution) -> None:
    for condition in conditions(solution, "iam:PassRole"):
        assert all("amazonaws.com" in service for service in condition["StringEquals"]["iam:PassedToService"])


def test_what_the_network_has_is_changed_only_with_a_tag_of_this_cluster(solution: Solution) -> None:
    actions = {
        action
        for document in deployer.policies(solution)
        for statement in document["Statement"]
        for action in statement["Action"]
        if re.match("ec2:(?!Describe|Get|Create|Allocate|RunInstances)", action)
    } - {"ec2:DeleteLaunchTemplate"}

    assert {"ec2:DeleteVpc", "ec2:RevokeSecurityGroupIngress", "ec2:DeleteTags"} <= actions
    for action in actions:
        for condition in conditions(solution, action):
            [(key, value)] = condition["StringEquals"].items()
            assert key.startswith("aws:ResourceTag/")
            assert solution.stack in key + value


def test_no_condition_is_fulfilled_by_a_missing_key(solution: Solution) -> None:
    documents = [*deployer.policies(solution), boundary.policy(solution)]
    operators = {
        operator
        for document in documents
        for statement in document["Statement"]
        for operator in statement.get("Condition", ())
    }

    assert not {operator for operator in operators if operator.endswith("IfExists")}
    assert not {operator for operator in operators if operator.startswith("ForAllValues")}
    assert {"ForAnyValue:StringEquals", "StringEquals"} <= operators


@pytest.mark.thorough
@pytest.mark.parametrize("example", ["minimal", "many-runtimes"])
def test_every_stack_of_a_build_is_in_reach(solution_of: Any, example: str) -> None:
    many = [{"name": f"runtime-{number}", "type": "comfyui"} for number in range(200)]
    solution = solution_of(example, **({"modelsRuntime": many} if example == "many-runtimes" else {}))
    files = [file for file, text in solving.built(solution).items() if "AWSTemplateFormatVersion" in text]
    stacks = [stack_layout.stack_name(solution, file) for file in files]
    location = f"{solution.region}:{solution.account}"

    assert len(stacks) == len(set(stacks)) >= 2
    for name in stacks:
        arn = f"arn:aws:cloudformation:{location}:stack/{name}/1"
        assert is_allowed(solution, "cloudformation:CreateChangeSet", arn), name


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("example", "changes"),
    [
        ("many-runtimes", {}),
        ("china", {}),
        ("minimal", {"podIdentity": True}),
        ("minimal", {"existingCluster": {"name": "platform"}}),
    ],
)
def test_every_role_of_a_build_can_be_tagged(solution_of: Any, example: str, changes: dict[str, Any]) -> None:
    solution = solution_of(example, **changes)
    templates = [text for text in solving.built(solution).values() if "AWSTemplateFormatVersion" in text]
    resources = [
        (name, resource["Properties"])
        for text in (*templates, image_builder.template(solution))
        for name, resource in yaml.load(text, yaml.CSafeLoader)["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
    ]
    roles = [role.get("RoleName", f"{solution.stack}-{name}-1A2B") for name, role in resources]
    roles += [account.role_name for account in accounts.service_accounts(solution)]
    prefix = f"arn:{solution.partition.name}:iam::{solution.account}:role"
    context = {**STACK, "aws:RequestTag/sd-on-eks/stack": solution.stack}

    assert len(roles) >= 5
    assert [r for r in roles if not is_allowed(solution, "iam:TagRole", f"{prefix}/{r}", context)] == []
