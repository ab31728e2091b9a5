"""The EC2 permissions that deploying needs: network of eksctl's stack, node group, S3 endpoint."""

from generator.iam.conditions import all_of, giving, having, via_cloudformation
from generator.iam.policy import Condition, Statement, actions, allow, arn, deny
from generator.solution import names
from generator.solution.model import Solution

# eksctl tags its stacks with this, and CloudFormation tags every resource of a stack likewise.
EKSCTL_TAG = "alpha.eksctl.io/cluster-name"

# What CloudFormation creates, by what must exist before: nothing, a VPC, more than a VPC. An action on an
# existing resource (the VPC of a new subnet) is allowed by the statements for changes, by its tag.
_CREATE = "AllocateAddress CreateInternetGateway CreateVpc"
_CREATE_IN_VPC = "CreateRouteTable CreateSecurityGroup CreateSubnet"
_CREATE_IN_SUBNETS = "CreateNatGateway CreateVpcEndpoint"
# CloudFormation gives no tags to launch templates, but deletes only those of its own stacks.
_TEMPLATES = "CreateLaunchTemplate CreateLaunchTemplateVersion DeleteLaunchTemplate"
_CHANGE = """
    AssociateRouteTable AttachInternetGateway CreateRoute DeleteInternetGateway DeleteNatGateway DeleteRoute
    DeleteRouteTable DeleteSecurityGroup DeleteSubnet DeleteTags DeleteVpc DetachInternetGateway
    DisassociateAddress DisassociateRouteTable ModifySubnetAttribute ModifyVpcAttribute ModifyVpcEndpoint
    ReleaseAddress ReplaceRoute ReplaceRouteTableAssociation
"""
_RULES = """
    AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress RevokeSecurityGroupEgress
    RevokeSecurityGroupIngress UpdateSecurityGroupRuleDescriptionsEgress
    UpdateSecurityGroupRuleDescriptionsIngress
"""
_ENDPOINT = "DeleteTags DeleteVpcEndpoints ModifyVpcEndpoint"
# None of these can be limited to a resource.
_READ = """
    DescribeAddresses DescribeAvailabilityZones DescribeCapacityReservations DescribeImages
    DescribeInstanceTypeOfferings DescribeInstanceTypes DescribeInstances DescribeInternetGateways
    DescribeKeyPairs
    DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeNatGateways DescribeNetworkAcls
    DescribeNetworkInterfaces DescribeRegions DescribeRouteTables DescribeSecurityGroupRules
    DescribeSecurityGroups DescribeSnapshots DescribeSubnets DescribeVpcAttribute DescribeVpcEndpoints
    DescribeVpcs GetEbsDefaultKmsKeyId
"""


def statements(solution: Solution) -> list[Statement]:
    """CloudFormation creates in the region; only what has the tags of this cluster is changed or deleted."""
    read = [*actions("ec2", _READ), *actions("elasticloadbalancing", "DescribeLoadBalancers DescribeTags")]
    read += actions("autoscaling", "DescribeAutoScalingGroups")
    if solution.existing_cluster:
        return [allow("FindNetwork", actions("ec2", _READ), "*"), *_node_images(solution)]
    return [
        *_create(solution),
        *_change(solution),
        *_tag(solution),
        *_node_group(solution),
        *_node_images(solution),
        allow("FindNetwork", read, "*"),
    ]


def _create(solution: Solution) -> list[Statement]:
    """New resources only; each action's existing resources need the tags that `_change` asks for."""
    rows = (
        ("MakeNetwork", _CREATE, ("elastic-ip", "internet-gateway", "vpc")),
        ("MakeInVpc", _CREATE_IN_VPC, ("route-table", "security-group", "subnet")),
        ("MakeInSubnets", _CREATE_IN_SUBNETS, ("natgateway", "vpc-endpoint")),
        ("MakeLaunchTemplates", _TEMPLATES, ("launch-template",)),
    )
    return [
        allow(sid, actions("ec2", verbs), _ec2(solution, *kinds), via_cloudformation())
        for sid, verbs, kinds in rows
    ]


def _change(solution: Solution) -> list[Statement]:
    everything = arn(solution, "ec2", "*")
    # The CNI plugin's tag, on network interfaces that remain after it and that eksctl deletes.
    interfaces = having({"cluster.k8s.amazonaws.com/name": solution.stack})
    change = f"{_CREATE_IN_VPC} {_CREATE_IN_SUBNETS} {_CHANGE} {_RULES}"
    return [
        allow("ChangeOwnNetwork", actions("ec2", change), everything, _of_eksctl(solution)),
        allow("ChangeClusterGroup", actions("ec2", _RULES), everything, _of_eks(solution)),
        allow("ChangeOwnEndpoint", actions("ec2", _ENDPOINT), everything, having(_stack(solution))),
        allow("ClearInterfaces", "ec2:DeleteNetworkInterface", everything, interfaces),
    ]


def _tag(solution: Solution) -> list[Statement]:
    """Only CloudFormation tags, and only what it creates: deployer.py denies the import of EC2 resources.

    AWS does not document whether its resource handlers give the tags with the request that creates
    (`ec2:CreateAction`) or after it, when a new resource has no tag that a condition could ask for.
    """
    by_stack = via_cloudformation()
    cluster, stack = giving({EKSCTL_TAG: solution.stack}), giving(_stack(solution))
    endpoints = _ec2(solution, "vpc-endpoint")
    return [
        allow("TagNetwork", "ec2:CreateTags", arn(solution, "ec2", "*"), all_of(cluster, by_stack)),
        allow("TagEndpoint", "ec2:CreateTags", endpoints, all_of(stack, by_stack)),
    ]


def _node_group(solution: Solution) -> list[Statement]:
    """EKS makes a dry run of the node group's launch template with the permissions of the caller.

    The nodes are started from AWS's images: an image or a snapshot of the account has data of others.
    """
    image, snapshot = (
        names.arn(solution.partition.name, "ec2", solution.region, "", f"{kind}/*")
        for kind in ("image", "snapshot")
    )
    new = _ec2(solution, "instance", "launch-template", "network-interface", "volume")
    template: Condition = {"ArnLike": {"ec2:LaunchTemplate": arn(solution, "ec2", "launch-template/*")}}
    by_run_instances = {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
    network = _ec2(solution, "security-group", "subnet")
    run = "ec2:RunInstances"
    return [
        allow("TryNodeGroup", run, [snapshot, *new], template),
        allow("TryNodeImage", run, image, all_of(template, _owned_by("amazon"))),
        deny("NeverFromSnapshots", run, snapshot, _owned_by(solution.account)),
        allow("TryInOwnNetwork", run, network, all_of(template, _of_eksctl(solution))),
        allow("TryWithClusterGroup", run, network[:1], all_of(template, _of_eks(solution))),
        allow("TryNodeGroupTags", "ec2:CreateTags", arn(solution, "ec2", "*"), by_run_instances),
    ]


def _owned_by(owner: str) -> Condition:
    """The owner of an image or a snapshot: an account, or the alias of AWS.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ExamplePolicies_EC2.html
    """
    return {"StringEquals": {"ec2:Owner": owner}}


def _node_images(solution: Solution) -> list[Statement]:
    parameters = names.arn(solution.partition.name, "ssm", solution.region, "", "parameter/aws/service/*")
    return [allow("FindNodeImages", actions("ssm", "GetParameter GetParameters"), parameters)]


def _ec2(solution: Solution, *kinds: str) -> list[str]:
    return [arn(solution, "ec2", f"{kind}/*") for kind in kinds]


def _stack(solution: Solution) -> dict[str, str]:
    return {names.STACK_TAG: solution.stack}


def _of_eksctl(solution: Solution) -> Condition:
    return having({EKSCTL_TAG: solution.stack})


def _of_eks(solution: Solution) -> Condition:
    """The security group that EKS creates has EKS's tag, not eksctl's."""
    return having({f"kubernetes.io/cluster/{solution.stack}": "owned"})
