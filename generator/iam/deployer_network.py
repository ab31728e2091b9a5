"""The part of the deployer's rights that is EC2's: the network of eksctl's stack, node group, S3 endpoint."""

from generator.iam.policy import Policy, allow, arn, each
from generator.solution import names
from generator.solution.model import Solution

# eksctl's stacks have this tag, and CloudFormation gives it to all that they make.
EKSCTL_TAG = "alpha.eksctl.io/cluster-name"

_CREATE = """
    AllocateAddress CreateInternetGateway CreateLaunchTemplate CreateNatGateway CreateRouteTable
    CreateSecurityGroup CreateSubnet CreateVpc CreateVpcEndpoint
"""
_CHANGE = """
    AssociateRouteTable AttachInternetGateway CreateLaunchTemplateVersion CreateRoute DeleteInternetGateway
    DeleteLaunchTemplate DeleteNatGateway DeleteRoute DeleteRouteTable DeleteSecurityGroup DeleteSubnet
    DeleteTags DeleteVpc DetachInternetGateway DisassociateAddress DisassociateRouteTable
    ModifySubnetAttribute ModifyVpcAttribute ReleaseAddress ReplaceRoute ReplaceRouteTableAssociation
"""
_RULES = """
    AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress RevokeSecurityGroupEgress
    RevokeSecurityGroupIngress UpdateSecurityGroupRuleDescriptionsEgress
    UpdateSecurityGroupRuleDescriptionsIngress
"""
_ENDPOINT = "DeleteTags DeleteVpcEndpoints ModifyVpcEndpoint"
# None of these can be scoped to a resource.
_LOOK = """
    DescribeAddresses DescribeAvailabilityZones DescribeImages DescribeInstanceTypeOfferings
    DescribeInstanceTypes DescribeInstances DescribeInternetGateways DescribeKeyPairs
    DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeNatGateways DescribeNetworkAcls
    DescribeNetworkInterfaces DescribeRegions DescribeRouteTables DescribeSecurityGroupRules
    DescribeSecurityGroups DescribeSnapshots DescribeSubnets DescribeVpcAttribute DescribeVpcEndpoints
    DescribeVpcs
"""


def statements(solution: Solution) -> list[Policy]:
    """What may be made in the region, and changed only where it is this cluster's."""
    ec2 = arn(solution, "ec2", "*")
    cluster, stack = {EKSCTL_TAG: solution.stack}, {names.STACK_TAG: solution.stack}
    # The security group that EKS makes has EKS's tag and not eksctl's.
    eks = {f"kubernetes.io/cluster/{solution.stack}": "owned"}
    # The CNI plugin's tag, on interfaces that it left behind and eksctl clears away.
    left = {"cluster.k8s.amazonaws.com/name": solution.stack}
    look = [*each("ec2", _LOOK), *each("elasticloadbalancing", "DescribeLoadBalancers DescribeTags")]
    look += each("autoscaling", "DescribeAutoScalingGroups")
    return [
        allow("MakeNetwork", each("ec2", _CREATE), ec2),
        allow("ChangeOwnNetwork", each("ec2", f"{_CHANGE} {_RULES}"), ec2, _having(cluster)),
        allow("ChangeClusterGroup", each("ec2", _RULES), ec2, _having(eks)),
        allow("ChangeOwnEndpoint", each("ec2", _ENDPOINT), ec2, _having(stack)),
        allow("ClearInterfaces", "ec2:DeleteNetworkInterface", ec2, _having(left)),
        allow("TagNetwork", "ec2:CreateTags", ec2, _giving(cluster)),
        allow("TagEndpoint", "ec2:CreateTags", ec2, _giving(stack)),
        *_node_group(solution),
        allow("FindNetwork", look, "*"),
    ]


def _node_group(solution: Solution) -> list[Policy]:
    """EKS tries, with the caller's own rights, whether a node group's launch template can be run."""
    public = [
        names.arn(solution.partition.name, "ec2", solution.region, "", f"{kind}/*")
        for kind in ("image", "snapshot")
    ]
    template = {"ArnLike": {"ec2:LaunchTemplate": arn(solution, "ec2", "launch-template/*")}}
    parameters = names.arn(solution.partition.name, "ssm", solution.region, "", "parameter/aws/service/*")
    started = {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
    return [
        allow("TryNodeGroup", "ec2:RunInstances", [*public, arn(solution, "ec2", "*")], template),
        allow("TryNodeGroupTags", "ec2:CreateTags", arn(solution, "ec2", "*"), started),
        allow("FindNodeImages", each("ssm", "GetParameter GetParameters"), parameters),
    ]


def _having(tags: dict[str, str]) -> Policy:
    """On what has these tags."""
    return {"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in tags.items()}}


def _giving(tags: dict[str, str]) -> Policy:
    """Giving these tags, and not to what is another cluster's."""
    return {
        "StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()},
        "StringEqualsIfExists": {f"aws:ResourceTag/{key}": value for key, value in tags.items()},
    }
