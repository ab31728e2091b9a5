"""The policy of Karpenter's controller: it starts, tags and ends only nodes of this cluster.

Statement for statement the one of Karpenter's getting-started guide, for the version that the solution has:
https://github.com/aws/karpenter-provider-aws/tree/v1.8.8/website/content/en/docs/getting-started/
"""

from generator.iam.policy import Policy, allow, arn, document, iam_arn, version
from generator.solution import names
from generator.solution.model import Solution


def controller(solution: Solution) -> Policy:
    """What Karpenter's controller may do: start, tag and end only nodes of this cluster."""
    return document(
        [
            *_instances(solution),
            *_tags(solution),
            *_reads(solution),
            *_profiles(solution),
        ]
    )


def _node_roles(solution: Solution) -> list[str]:
    own = names.controller_role(solution.stack, "karpenter-node")
    chosen = [runtime.nodes.iam_role for runtime in solution.runtimes]
    return [iam_arn(solution, f"role/{role}") for role in sorted({own, *filter(None, chosen)})]


def _ec2(solution: Solution, *kinds: str) -> list[str]:
    # The account is open in Karpenter's policy too: subnets may be shared from another account.
    return [names.arn(solution.partition.name, "ec2", solution.region, "*", f"{kind}/*") for kind in kinds]


def _owned(solution: Solution, side: str) -> dict[str, str]:
    return {f"aws:{side}/kubernetes.io/cluster/{solution.stack}": "owned"}


def _requested(solution: Solution) -> dict[str, str]:
    return _owned(solution, "RequestTag") | {"aws:RequestTag/eks:eks-cluster-name": solution.stack}


def _instances(solution: Solution) -> list[Policy]:
    start = ["ec2:RunInstances", "ec2:CreateFleet"]
    ec2 = [
        names.arn(solution.partition.name, "ec2", solution.region, "", f"{k}/*")
        for k in ("image", "snapshot")
    ]
    shared = ["security-group", "subnet", "capacity-reservation"]
    shared += ["placement-group"] if version(solution.versions.karpenter) >= (1, 11) else []
    tagged = ["fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request"]
    tagged += [] if version(solution.versions.karpenter) >= (1, 9) else ["capacity-reservation"]
    ours = {
        "StringEquals": _owned(solution, "ResourceTag"),
        "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
    }
    asked = {
        "StringEquals": _requested(solution),
        "StringLike": {"aws:RequestTag/karpenter.sh/nodepool": "*"},
    }
    return [
        allow("AllowScopedEC2InstanceAccessActions", start, [*ec2, *_ec2(solution, *shared)]),
        allow("AllowScopedEC2LaunchTemplateAccessActions", start, _ec2(solution, "launch-template"), ours),
        allow(
            "AllowScopedEC2InstanceActionsWithTags",
            [*start, "ec2:CreateLaunchTemplate"],
            _ec2(solution, *tagged),
            asked,
        ),
        allow(
            "AllowScopedDeletion",
            ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
            _ec2(solution, "instance", "launch-template"),
            ours,
        ),
    ]


def _tags(solution: Solution) -> list[Policy]:
    kinds = ["fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request"]
    creation: Policy = {
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


def _reads(solution: Solution) -> list[Policy]:
    kinds = ["CapacityReservations", "Images", "Instances", "InstanceTypeOfferings", "InstanceTypes"]
    kinds += ["LaunchTemplates", "SecurityGroups", "SpotPriceHistory", "Subnets"]
    # upgrade-guide.md of Karpenter: 1.11 reads placement groups, 1.12 the health of instances.
    kinds += ["PlacementGroups"] if version(solution.versions.karpenter) >= (1, 11) else []
    kinds += ["InstanceStatus"] if version(solution.versions.karpenter) >= (1, 12) else []
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


def _profiles(solution: Solution) -> list[Policy]:
    profiles = iam_arn(solution, "instance-profile/*")
    region = "topology.kubernetes.io/region"
    asked = _requested(solution) | {f"aws:RequestTag/{region}": solution.region}
    ours = _owned(solution, "ResourceTag") | {f"aws:ResourceTag/{region}": solution.region}
    asked_class = {"aws:RequestTag/karpenter.k8s.aws/ec2nodeclass": "*"}
    our_class = {"aws:ResourceTag/karpenter.k8s.aws/ec2nodeclass": "*"}
    # Both: which of the two names China's EC2 has here is not documented; the official policy has both.
    passed = {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]}}
    change = ("AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile", "DeleteInstanceProfile")
    return [
        allow("AllowPassingInstanceRole", "iam:PassRole", _node_roles(solution), passed),
        allow(
            "AllowScopedInstanceProfileCreationActions",
            "iam:CreateInstanceProfile",
            profiles,
            {"StringEquals": asked, "StringLike": asked_class},
        ),
        allow(
            "AllowScopedInstanceProfileTagActions",
            "iam:TagInstanceProfile",
            profiles,
            {"StringEquals": ours | asked, "StringLike": our_class | asked_class},
        ),
        allow(
            "AllowScopedInstanceProfileActions",
            [f"iam:{action}" for action in change],
            profiles,
            {"StringEquals": ours, "StringLike": our_class},
        ),
        allow("AllowInstanceProfileReadActions", "iam:GetInstanceProfile", profiles),
        allow("AllowUnscopedInstanceProfileListAction", "iam:ListInstanceProfiles", "*"),
    ]
