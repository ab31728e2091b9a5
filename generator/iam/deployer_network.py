"""The EC2 permissions that deploying needs: network of eksctl's stack, node group, S3 endpoint."""

from generator.iam.policy import Condition, Statement, actions, allow, arn
from generator.solution import names
from generator.solution.model import Solution

# eksctl tags its stacks with this, and CloudFormation tags every resource of a stack likewise.
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
# None of these can be limited to a resource.
_READ = """
    DescribeAddresses DescribeAvailabilityZones DescribeImages DescribeInstanceTypeOfferings
    DescribeInstanceTypes DescribeInstances DescribeInternetGateways DescribeKeyPairs
    DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeNatGateways DescribeNetworkAcls
    DescribeNetworkInterfaces DescribeRegions DescribeRouteTables DescribeSecurityGroupRules
    DescribeSecurityGroups DescribeSnapshots DescribeSubnets DescribeVpcAttribute DescribeVpcEndpoints
    DescribeVpcs
"""


def statements(solution: Solution) -> list[Statement]:
    """Create in the region; change and delete only what has the tags of this cluster."""
    ec2 = arn(solution, "ec2", "*")
    cluster, stack = {EKSCTL_TAG: solution.stack}, {names.STACK_TAG: solution.stack}
    # The security group that EKS creates has EKS's tag, not eksctl's.
    eks = {f"kubernetes.io/cluster/{solution.stack}": "owned"}
    # The CNI plugin's tag, on network interfaces that remain after it and that eksctl deletes.
    interfaces = {"cluster.k8s.amazonaws.com/name": solution.stack}
    read = [*actions("ec2", _READ), *actions("elasticloadbalancing", "DescribeLoadBalancers DescribeTags")]
    read += actions("autoscaling", "DescribeAutoScalingGroups")
    return [
        allow("MakeNetwork", actions("ec2", _CREATE), ec2),
        allow("ChangeOwnNetwork", actions("ec2", f"{_CHANGE} {_RULES}"), ec2, _having(cluster)),
        allow("ChangeClusterGroup", actions("ec2", _RULES), ec2, _having(eks)),
        allow("ChangeOwnEndpoint", actions("ec2", _ENDPOINT), ec2, _having(stack)),
        allow("ClearInterfaces", "ec2:DeleteNetworkInterface", ec2, _having(interfaces)),
        allow("TagNetwork", "ec2:CreateTags", ec2, _giving(cluster)),
        allow("TagEndpoint", "ec2:CreateTags", ec2, _giving(stack)),
        *_node_group(solution),
        allow("FindNetwork", read, "*"),
    ]


def _node_group(solution: Solution) -> list[Statement]:
    """EKS makes a dry run of the node group's launch template with the permissions of the caller."""
    public = [
        names.arn(solution.partition.name, "ec2", solution.region, "", f"{kind}/*")
        for kind in ("image", "snapshot")
    ]
    template = {"ArnLike": {"ec2:LaunchTemplate": arn(solution, "ec2", "launch-template/*")}}
    parameters = names.arn(solution.partition.name, "ssm", solution.region, "", "parameter/aws/service/*")
    by_run_instances = {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
    return [
        allow("TryNodeGroup", "ec2:RunInstances", [*public, arn(solution, "ec2", "*")], template),
        allow("TryNodeGroupTags", "ec2:CreateTags", arn(solution, "ec2", "*"), by_run_instances),
        allow("FindNodeImages", actions("ssm", "GetParameter GetParameters"), parameters),
    ]


def _having(tags: dict[str, str]) -> Condition:
    """The resource has these tags."""
    return {"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in tags.items()}}


def _giving(tags: dict[str, str]) -> Condition:
    """The request adds these tags, and the resource has no other values of them."""
    return {
        "StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()},
        "StringEqualsIfExists": {f"aws:ResourceTag/{key}": value for key, value in tags.items()},
    }
