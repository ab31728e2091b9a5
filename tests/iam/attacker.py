"""All that a principal reaches in an account where others work too, by chains of calls of any length.

What belongs to others has no tag of the solution and no boundary. The attacker tries every action that its
policies name on each of these resources, as a person and through CloudFormation, with every tag that a
condition asks for. A resource that it manages to tag then has the tag, and everything is tried again, until
nothing new is reached.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from generator.iam.policy import listed
from generator.solution.model import Solution
from testing.iam import Document, Principal, Request, about, allowed
from tests.iam.reference import fits

CLOUDFORMATION = {"aws:CalledVia": ["cloudformation.amazonaws.com"]}
# Names of actions that only read settings. What reads data or secrets is named.
READ = re.compile(r"[a-z0-9-]+:(Describe|Estimate|Find|Get|List|Lookup|Simulate|Validate)")
# From the parts of an ARN: partition and region.
LAUNCH_TEMPLATE = "arn:{1}:ec2:{3}:123456789012:launch-template/own"
READ_DATA = re.compile(
    r"s3:GetObject|ssm:GetParameter|logs:(Get|Filter)LogEvents|sqs:Receive|apigateway:GET"
    r"|secretsmanager:GetSecretValue"
)
# CloudFormation does these only with a resource of its own stack: one that it created or imported.
# What an action creates is not a resource that existed.
CREATES = {
    "apigateway:POST": ("list of API keys",),
    "ecr:CreateRepository": ("repository of another stack",),
    "ec2:AllocateAddress": ("elastic-ip",),
    "ec2:CreateInternetGateway": ("internet-gateway",),
    "ec2:CreateLaunchTemplate": ("launch-template",),
    "ec2:CreateNatGateway": ("natgateway",),
    "ec2:CreateNetworkInterface": ("network-interface",),
    "ec2:CreateRouteTable": ("route-table",),
    "ec2:CreateSecurityGroup": ("security-group", "group of a cluster"),
    "ec2:CreateSubnet": ("subnet",),
    "ec2:CreateVpc": ("vpc",),
    "ec2:CreateVpcEndpoint": ("vpc-endpoint",),
    "ec2:RunInstances": ("instance", "launch-template", "network-interface", "volume"),
    "ec2:CreateFleet": ("instance", "launch-template", "network-interface", "volume"),
}
OF_ITS_OWN = re.compile(
    r"ec2:CreateTags|ec2:\w*LaunchTemplate|iam:Tag|apigateway:PUT"
    r"|lambda:\w*EventSourceMapping|lambda:(Unt|T)agResource"
)
# CloudFormation imports what a template names, without cloudformation:ImportResourceTypes.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
NAMED = frozenset({"AWS::IAM::InstanceProfile", "AWS::IAM::Role"})
TAGGING = re.compile(r"ec2:CreateTags|iam:Tag\w+|apigateway:PUT|(eks|cloudformation|lambda|s3):TagResource")


@dataclass(frozen=True)
class Foreign:
    """A resource of others: what it is, its type in CloudFormation, its ARN, and the tags it has by now."""

    kind: str
    type: str
    arn: str
    tags: frozenset[tuple[str, str]] = frozenset()

    @property
    def context(self) -> dict[str, str]:
        """What a request for it has in its context."""
        return {f"aws:ResourceTag/{key}": value for key, value in self.tags}

    def with_tag(self, key: str, value: str) -> "Foreign":
        """The resource with one tag more, or with another value of it."""
        others = frozenset(tag for tag in self.tags if tag[0] != key)
        return replace(self, tags=others | {(key, value)})


def account_of_others(solution: Solution) -> tuple[Foreign, ...]:
    """One resource of each kind that the policies could touch, and some with names that start like ours."""
    region, account, stack = solution.region, solution.account, solution.stack
    arn, suffix = f"arn:{solution.partition.name}", solution.partition.dns_suffix
    here, iam = f"{region}:{account}", f"{arn}:iam::{account}"
    another = ("alpha.eksctl.io/cluster-name", "other")
    return (
        *(Foreign(kind, f"AWS::EC2::{kind}", f"{arn}:ec2:{_place(kind, here)}:{kind}/x-0a1")
          for kind in EC2_KINDS),
        Foreign("group of a cluster", "AWS::EC2::SecurityGroup", f"{arn}:ec2:{here}:security-group/sg-1",
                frozenset({another, ("kubernetes.io/cluster/other", "owned")})),
        Foreign("issuer", "AWS::IAM::OIDCProvider",
                f"{iam}:oidc-provider/oidc.eks.{region}.{suffix}/id/0A1B"),
        Foreign("issuer of a cluster", "AWS::IAM::OIDCProvider",
                f"{iam}:oidc-provider/oidc.eks.{region}.{suffix}/id/2C3D",
                frozenset({another})),
        Foreign("role", "AWS::IAM::Role", f"{iam}:role/admin"),
        Foreign("role with our prefix", "AWS::IAM::Role", f"{iam}:role/{stack}-prod-admin"),
        Foreign("instance profile", "AWS::IAM::InstanceProfile", f"{iam}:instance-profile/x"),
        Foreign("stack", "AWS::CloudFormation::Stack", f"{arn}:cloudformation:{here}:stack/other/1"),
        Foreign("stack with our prefix", "AWS::CloudFormation::Stack",
                f"{arn}:cloudformation:{here}:stack/{stack}-prod/1"),
        Foreign("cluster", "AWS::EKS::Cluster", f"{arn}:eks:{here}:cluster/other"),
        Foreign("API", "AWS::ApiGateway::RestApi", f"{arn}:apigateway:{region}::/restapis/0a1b"),
        Foreign("API key", "AWS::ApiGateway::ApiKey", f"{arn}:apigateway:{region}::/apikeys/0a1b"),
        # With `includeValues`, the list has the values of all keys.
        Foreign("list of API keys", "", f"{arn}:apigateway:{region}::/apikeys"),
        Foreign("function", "AWS::Lambda::Function", f"{arn}:lambda:{here}:function:other"),
        Foreign("mapping", "AWS::Lambda::EventSourceMapping",
                f"{arn}:lambda:{here}:event-source-mapping:0a1b"),
        Foreign("secret", "AWS::SecretsManager::Secret", f"{arn}:secretsmanager:{here}:secret:other-a1b2c3"),
        Foreign("secret with our prefix", "AWS::SecretsManager::Secret",
                f"{arn}:secretsmanager:{here}:secret:{stack}-webhooks-prod-a1b2c3"),
        Foreign("queue", "AWS::SQS::Queue", f"{arn}:sqs:{here}:other"),
        Foreign("topic", "AWS::SNS::Topic", f"{arn}:sns:{here}:other"),
        Foreign("bucket", "AWS::S3::Bucket", f"{arn}:s3:::other"),
        Foreign("object", "AWS::S3::Object", f"{arn}:s3:::other/key"),
        Foreign("log group", "AWS::Logs::LogGroup", f"{arn}:logs:{here}:log-group:/other"),
        Foreign("log group with our prefix", "AWS::Logs::LogGroup",
                f"{arn}:logs:{here}:log-group:/aws/lambda/{stack}-api-prod"),
        Foreign("log", "AWS::Logs::LogStream", f"{arn}:logs:{here}:log-group:/other:log-stream:1"),
        Foreign("parameter", "AWS::SSM::Parameter", f"{arn}:ssm:{here}:parameter/password"),
        Foreign("project", "AWS::CodeBuild::Project", f"{arn}:codebuild:{here}:project/other"),
        Foreign("repository", "AWS::ECR::Repository", f"{arn}:ecr:{here}:repository/other"),
        # Stacks share the repositories of this project, unless imageRegistry has a folder for each.
        Foreign("repository of another stack", "AWS::ECR::Repository",
                f"{arn}:ecr:{here}:repository/sd-on-eks/comfyui"),
        Foreign("KMS key", "AWS::KMS::Key", f"{arn}:kms:{here}:key/0a1b"),
        Foreign("node group", "AWS::EKS::Nodegroup", f"{arn}:eks:{here}:nodegroup/other/a/0a1b"),
        Foreign("access entry", "AWS::EKS::AccessEntry", f"{arn}:eks:{here}:access-entry/other/role/x/0a1b"),
        Foreign("association", "AWS::EKS::PodIdentityAssociation",
                f"{arn}:eks:{here}:podidentityassociation/other/a-0a1b"),
        Foreign("policy", "AWS::IAM::ManagedPolicy", f"{iam}:policy/{stack}-boundary"),
        Foreign("user", "AWS::IAM::User", f"{iam}:user/{stack}-x"),
        Foreign("rule", "AWS::Events::Rule", f"{arn}:events:{here}:rule/other"),
        Foreign("alarm", "AWS::CloudWatch::Alarm", f"{arn}:cloudwatch:{here}:alarm:other"),
    )  # fmt: skip


def _place(kind: str, here: str) -> str:
    """Region and account in the ARN of an EC2 resource: images and snapshots have no account in theirs."""
    return f"{here.partition(':')[0]}:" if kind in ("image", "snapshot") else here


EC2_KINDS = (
    "capacity-reservation", "elastic-ip", "image", "instance", "internet-gateway", "launch-template",
    "natgateway", "network-interface", "placement-group", "route-table", "security-group", "snapshot",
    "subnet", "volume", "vpc", "vpc-endpoint",
)  # fmt: skip


def reached(attacker: Principal, others: Sequence[Foreign]) -> set[tuple[str, str]]:
    """Every action that changes, or reads data of, what belongs to others, with the kind of the resource."""
    actions = {action: about(attacker, action) for action in _actions(attacker)}
    tags = _tags(attacker)
    resources = {resource.kind: resource for resource in others}
    while True:
        hits, tagged = set(), dict(resources)
        for action, resource in itertools.product(actions, resources.values()):
            if not fits(action, resource.arn) or resource.kind in CREATES.get(action, ()):
                continue
            for added, context in _contexts(attacker, action, resource, tags):
                if allowed(actions[action], Request(action, resource.arn, context)):
                    hits.add((action, resource.kind))
                    if added:
                        tagged[resource.kind] = tagged[resource.kind].with_tag(*added)
        if tagged == resources:
            return hits
        resources = tagged


def _documents(attacker: Principal) -> list[Document]:
    return [attacker.boundary] if attacker.boundary else list(attacker.policies)


def _actions(attacker: Principal) -> list[str]:
    """The actions that the policies allow: of a principal with a boundary, those of the boundary."""
    statements = [s for d in _documents(attacker) for s in d["Statement"] if s["Effect"] == "Allow"]
    actions = {action for statement in statements for action in listed(statement["Action"])}
    return sorted(a for a in actions if not READ.match(a) or READ_DATA.match(a))


def _tags(attacker: Principal) -> list[tuple[str, str]]:
    """The tags that conditions ask for."""
    return sorted(
        {
            (key.partition("/")[2], value)
            for document in _documents(attacker)
            for statement in document["Statement"]
            for operator, pairs in statement.get("Condition", {}).items()
            if operator != "Null"
            for key, values in pairs.items()
            if key.startswith(("aws:ResourceTag/", "aws:RequestTag/"))
            for value in listed(values)
        }
    )


def _contexts(
    attacker: Principal, action: str, resource: Foreign, tags: Sequence[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str] | None, Mapping[str, Any]]]:
    """Every context in which the action could be asked for, and the tag that it would add."""
    free = {
        "aws:RequestedRegion": resource.arn.split(":")[3],
        # The function that a mapping is changed to.
        "lambda:FunctionArn": f"{':'.join(resource.arn.split(':')[:5])}:function:sdoneks-webhooks",
        "ec2:LaunchTemplate": LAUNCH_TEMPLATE.format(*resource.arn.split(":")),
        "iam:PassedToService": "ec2.amazonaws.com",
        # Of what others have: an image of AWS's is not theirs.
        "ec2:Owner": "123456789012",
        "cloudwatch:AlarmActions": ["arn:aws:automate:us-west-2:ec2:terminate"],
        "sns:Protocol": "https",
        "sns:Endpoint": "https://attacker.example",
    }
    ways: list[Mapping[str, Any]] = [{}]
    if not OF_ITS_OWN.match(action) or _imports(attacker, resource):
        ways.append(CLOUDFORMATION)
    for way in ways:
        yield None, {**free, **resource.context, **way}
        if TAGGING.match(action):
            for key, value in tags:
                asked = {f"aws:RequestTag/{key}": value, "aws:TagKeys": [key]}
                yield (key, value), {**free, **resource.context, **way, **asked}


def _imports(attacker: Principal, resource: Foreign) -> bool:
    """Whether a resource of this type can be imported into some stack."""
    if resource.type in NAMED:
        return True
    stacks = {
        pattern.replace("*", "x").replace("?", "x")
        for document in _documents(attacker)
        for statement in document["Statement"]
        for pattern in listed(statement["Resource"])
        if ":stack/" in pattern
    }
    imported = {"cloudformation:ImportResourceTypes": [resource.type]}
    return any(
        allowed(attacker, Request("cloudformation:CreateChangeSet", stack, imported)) for stack in stacks
    )
