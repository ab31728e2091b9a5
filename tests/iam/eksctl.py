"""What eksctl creates and which actions it calls for our ClusterConfig, from its source (v0.230.0)."""

# What eksctl v0.230.0 puts into the stacks that it creates for our cluster.yaml: pkg/cfn/builder/
# {cluster,vpc_ipv4,iam,managed_nodegroup,access_entry,addon}.go
EKSCTL_RESOURCES = """
    AWS::EC2::EIP AWS::EC2::InternetGateway AWS::EC2::LaunchTemplate AWS::EC2::NatGateway AWS::EC2::Route
    AWS::EC2::RouteTable AWS::EC2::SecurityGroup AWS::EC2::SecurityGroupIngress AWS::EC2::Subnet
    AWS::EC2::SubnetRouteTableAssociation AWS::EC2::VPC AWS::EC2::VPCGatewayAttachment AWS::EKS::AccessEntry
    AWS::EKS::Addon AWS::EKS::Cluster AWS::EKS::Nodegroup AWS::IAM::OIDCProvider AWS::IAM::Policy
    AWS::IAM::Role
"""

# What eksctl v0.230.0 calls itself for our commands, without features that cluster.yaml lacks:
# pkg/{eks,vpc,elb,addons,fargate} and pkg/actions/{cluster,nodegroup,addon,accessentry,irsa,capability}
EKSCTL_ACTIONS = """
    autoscaling:DescribeAutoScalingGroups cloudformation:CreateChangeSet cloudformation:CreateStack
    cloudformation:DeleteStack cloudformation:DescribeChangeSet cloudformation:DescribeStackEvents
    cloudformation:DescribeStackResource cloudformation:DescribeStackResources cloudformation:DescribeStacks
    cloudformation:ExecuteChangeSet cloudformation:GetTemplate cloudformation:ListStackResources
    cloudformation:ListStacks cloudformation:UpdateTerminationProtection ec2:DeleteNetworkInterface
    ec2:DeleteSecurityGroup ec2:DescribeAvailabilityZones ec2:DescribeImages ec2:DescribeInstanceTypes
    ec2:DescribeKeyPairs ec2:DescribeLaunchTemplateVersions ec2:DescribeNetworkInterfaces ec2:DescribeRegions
    ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs eks:CreateAddon eks:DeleteAccessEntry
    eks:DeleteAddon eks:DeleteCluster eks:DescribeAccessEntry eks:DescribeAddon eks:DescribeAddonConfiguration
    eks:DescribeAddonVersions eks:DescribeCluster eks:DescribeClusterVersions eks:DescribeNodegroup
    eks:ListAccessEntries eks:ListAddons eks:ListCapabilities eks:ListFargateProfiles eks:ListNodegroups
    eks:ListPodIdentityAssociations eks:TagResource eks:UpdateAddon eks:UpdateClusterConfig
    eks:UpdateClusterVersion eks:UpdateNodegroupConfig eks:UpdateNodegroupVersion
    elasticloadbalancing:DescribeLoadBalancers iam:CreateOpenIDConnectProvider
    iam:DeleteOpenIDConnectProvider iam:GetOpenIDConnectProvider iam:GetRole iam:ListAttachedRolePolicies
    iam:TagOpenIDConnectProvider logs:PutRetentionPolicy ssm:GetParameter
"""
