"""The policy of Karpenter's controller: it starts, tags and terminates nodes of this cluster only.

The same statements as in the getting-started guide of the solution's Karpenter version:
https://github.com/aws/karpenter-provider-aws/tree/v1.8.8/website/content/en/docs/getting-started/
"""

from generator.facts import versions
from generator.iam import keys, roles
from generator.iam.policy import Condition, Policy, Statement, allow, arn, document, iam_arn
from generator.solution import names
from generator.solution.model import Solution


def controller(solution: Solution) -> Policy:
    """The policy of Karpenter's controller, in the solution's version of Karpenter."""
    return document(
        [
            *_instances(solution),
            *_tags(solution),
            *_reads(solution),
            *_profiles(solution),
            *_keys(solution),
        ]
    )


def _ec2(solution: Solution, *kinds: str) -> list[str]:
    # Any account, as in Karpenter's own policy: subnets may be shared from another account.
    return [names.arn(solution.partition.name, "ec2", solution.region, "*", f"{kind}/*") for kind in kinds]


def _owned(solution: Solution, side: str) -> dict[str, str]:
    return {f"aws:{side}/kubernetes.io/cluster/{solution.stack}": "owned"}


def _requested(solution: Solution) -> dict[str, str]:
    return _owned(solution, "RequestTag") | {"aws:RequestTag/eks:eks-cluster-name": solution.stack}


def _instances(solution: Solution) -> list[Statement]:
    start = ["ec2:RunInstances", "ec2:CreateFleet"]
    ec2 = [
        names.arn(solution.partition.name, "ec2", solution.region, "", f"{k}/*")
        for k in ("image", "snapshot")
    ]
    shared = ["security-group", "subnet", "capacity-reservation"]
    shared += ["placement-group"] if versions.parse(solution.versions.karpenter) >= (1, 11) else []
    tagged = ["fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request"]
    tagged += [] if versions.parse(solution.versions.karpenter) >= (1, 9) else ["capacity-reservation"]
    owned = {
        "StringEquals": _owned(solution, "ResourceTag"),
        "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
    }
    requested = {
        "StringEquals": _requested(solution),
        "StringLike": {"aws:RequestTag/karpenter.sh/nodepool": "*"},
    }
    return [
        allow("AllowScopedEC2InstanceAccessActions", start, [*ec2, *_ec2(solution, *shared)]),
        allow("AllowScopedEC2LaunchTemplateAccessActions", start, _ec2(solution, "launch-template"), owned),
        allow(
            "AllowScopedEC2InstanceActionsWithTags",
            [*start, "ec2:CreateLaunchTemplate"],
            _ec2(solution, *tagged),
            requested,
        ),
        allow(
            "AllowScopedDeletion",
            ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
            _ec2(solution, "instance", "launch-template"),
            owned,
        ),
    ]


def _tags(solution: Solution) -> list[Statement]:
    kinds = ["fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request"]
    creation: Condition = {
        "StringEquals": _requested(solution)
        | {"ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"]},
        "StringLike": {"aws:RequestTag/karpenter.sh/nodepool": "*"},
    }
    later = {
        "StringEquals": _owned(solution, "ResourceTag"),
        "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
        "StringEqualsIfExists": {"aws:RequestTag/eks:eks-cluster-name": solution.stack},
        "ForAllValues:StringEquals": {
            "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]
        },
    }
    tag = "ec2:CreateTags"
    return [
        allow("AllowScopedResourceCreationTagging", tag, _ec2(solution, *kinds), creation),
        allow("AllowScopedResourceTagging", tag, _ec2(solution, "instance"), later),
    ]


def _reads(solution: Solution) -> list[Statement]:
    kinds = ["CapacityReservations", "Images", "Instances", "InstanceTypeOfferings", "InstanceTypes"]
    kinds += ["LaunchTemplates", "SecurityGroups", "SpotPriceHistory", "Subnets"]
    # Karpenter's upgrade-guide.md: 1.11 reads placement groups, 1.12 the status of instances.
    kinds += ["PlacementGroups"] if versions.parse(solution.versions.karpenter) >= (1, 11) else []
    kinds += ["InstanceStatus"] if versions.parse(solution.versions.karpenter) >= (1, 12) else []
    here = {"StringEquals": {"aws:RequestedRegion": solution.region}}
    ssm = names.arn(solution.partition.name, "ssm", solution.region, "", "parameter/aws/service/*")
    queue = arn(solution, "sqs", names.interruption_queue(solution.stack))
    take = ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
    cluster = arn(solution, "eks", f"cluster/{solution.stack}")
    return [
        allow("AllowRegionalReadActions", [f"ec2:Describe{kind}" for kind in sorted(kinds)], "*", here),
        allow("AllowSSMReadActions", "ssm:GetParameter", ssm),
        allow("AllowPricingReadActions", "pricing:GetProducts", "*"),
        allow("AllowInterruptionQueueActions", take, queue),
        allow("AllowAPIServerEndpointDiscovery", "eks:DescribeCluster", cluster),
    ]


def _profiles(solution: Solution) -> list[Statement]:
    profiles = iam_arn(solution, "instance-profile/*")
    region = "topology.kubernetes.io/region"
    requested = _requested(solution) | {f"aws:RequestTag/{region}": solution.region}
    owned = _owned(solution, "ResourceTag") | {f"aws:ResourceTag/{region}": solution.region}
    requested_class = {"aws:RequestTag/karpenter.k8s.aws/ec2nodeclass": "*"}
    owned_class = {"aws:ResourceTag/karpenter.k8s.aws/ec2nodeclass": "*"}
    # Both, as in Karpenter's own policy: AWS does not document which of them EC2 has in China.
    passed = {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]}}
    change = ("AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile", "DeleteInstanceProfile")
    node_roles = [iam_arn(solution, f"role/{role}") for role in roles.node_roles(solution)]
    return [
        allow("AllowPassingInstanceRole", "iam:PassRole", node_roles, passed),
        allow(
            "AllowScopedInstanceProfileCreationActions",
            "iam:CreateInstanceProfile",
            profiles,
            {"StringEquals": requested, "StringLike": requested_class},
        ),
        allow(
            "AllowScopedInstanceProfileTagActions",
            "iam:TagInstanceProfile",
            profiles,
            {"StringEquals": owned | requested, "StringLike": owned_class | requested_class},
        ),
        allow(
            "AllowScopedInstanceProfileActions",
            [f"iam:{action}" for action in change],
            profiles,
            {"StringEquals": owned, "StringLike": owned_class},
        ),
        allow("AllowInstanceProfileReadActions", "iam:GetInstanceProfile", profiles),
        allow("AllowUnscopedInstanceProfileListAction", "iam:ListInstanceProfiles", "*"),
    ]


def _keys(solution: Solution) -> list[Statement]:
    """EC2 encrypts volumes, and SQS reads events, with the permissions of the controller."""
    messages = (solution.keys.messages,) if solution.keys.messages else ()
    return [
        *keys.start_instances(solution),
        *keys.read("DecryptInterruptionEvents", messages, "sqs", solution),
    ]
