"""The permissions that deploying needs: `make preflight cluster install smoke uninstall`, and no more.

CloudFormation and eksctl act with the permissions of their caller, so these follow from the resources in the
templates and in the ClusterConfig. They are limited by the prefix that all our names have; where AWS chooses
the name, by the tags of eksctl's stacks. docs/deployer.md describes how to use them.
"""

import json
from collections.abc import Iterable

from generator.iam import deployer_network
from generator.iam import roles as iam
from generator.iam.policy import (
    MANAGED_POLICY_MAX,
    Policy,
    Statement,
    actions,
    allow,
    arn,
    bucket_arn,
    document,
    iam_arn,
    size,
)
from generator.solution import names
from generator.solution.model import Solution

# The managed policies that our templates, and eksctl v0.230.0, attach to roles.
MANAGED_POLICIES = (
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEKSClusterPolicy",
    "AmazonEKSVPCResourceController",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonSSMManagedInstanceCore",
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs",
)
SERVICE_LINKED_ROLES = ("autoscaling", "eks", "eks-nodegroup", "spot")
CLUSTER_RESOURCES = ("access-entry", "addon", "nodegroup", "podidentityassociation")


def policies(solution: Solution) -> tuple[Policy, ...]:
    """The policies, in as many documents as the maximum size of a managed policy requires."""
    return tuple(document(part) for part in _packed(_statements(solution)))


def files(solution: Solution) -> dict[str, str]:
    """The policies by file name: iam/deployer-policy.json, and -2, -3 … where one is not enough."""
    texts = [json.dumps(policy, indent=2) + "\n" for policy in policies(solution)]
    return {f"iam/deployer-policy{f'-{n}' if n > 1 else ''}.json": text for n, text in enumerate(texts, 1)}


def _packed(statements: Iterable[Statement]) -> list[list[Statement]]:
    """The statements in their order, split into as few documents as their order allows."""
    parts: list[list[Statement]] = [[]]
    for statement in statements:
        if size(document([*parts[-1], statement])) > MANAGED_POLICY_MAX:
            parts.append([])
        parts[-1].append(statement)
    return parts


def _statements(solution: Solution) -> list[Statement]:
    return [
        *_cloudformation(solution),
        *_messaging(solution),
        *_buckets(solution),
        *_api(solution),
        *_alarms_and_logs(solution),
        *_roles(solution),
        *_cluster(solution),
        *deployer_network.statements(solution),
        *_preflight(solution),
    ]


def _cloudformation(solution: Solution) -> list[Statement]:
    stacks = (f"{solution.stack}/*", f"{solution.stack}-*/*", f"eksctl-{solution.stack}-*/*")
    manage = """
        ContinueUpdateRollback CreateChangeSet CreateStack DeleteChangeSet DeleteStack DescribeChangeSet
        DescribeEvents DescribeStackEvents DescribeStackResource DescribeStackResources DescribeStacks
        ExecuteChangeSet GetTemplate ListChangeSets ListStackResources TagResource UntagResource UpdateStack
        UpdateTerminationProtection
    """
    resources = [arn(solution, "cloudformation", f"stack/{name}") for name in stacks]
    return [
        allow("ManageStacks", actions("cloudformation", manage), resources),
        allow("FindStacks", actions("cloudformation", "GetTemplateSummary ListStacks ValidateTemplate"), "*"),
    ]


def _messaging(solution: Solution) -> list[Statement]:
    queues = """
        CreateQueue DeleteQueue GetQueueAttributes GetQueueUrl ListQueueTags SetQueueAttributes TagQueue
        UntagQueue
    """
    topics = """
        CreateTopic DeleteTopic GetDataProtectionPolicy GetSubscriptionAttributes GetTopicAttributes
        ListSubscriptionsByTopic ListTagsForResource SetSubscriptionAttributes SetTopicAttributes Subscribe
        TagResource Unsubscribe UntagResource
    """
    return [
        allow("ManageQueues", actions("sqs", queues), arn(solution, "sqs", f"{solution.stack}-*")),
        allow("ManageTopics", actions("sns", topics), arn(solution, "sns", f"{solution.stack}-*")),
    ]


def _buckets(solution: Solution) -> list[Statement]:
    outputs = names.output_bucket(solution.stack, "*", solution.account, solution.region)
    templates = solution.templates_bucket
    manage = """
        CreateBucket DeleteBucket DeleteBucketPolicy GetBucketOwnershipControls GetBucketPolicy
        GetBucketPublicAccessBlock GetBucketTagging GetEncryptionConfiguration GetLifecycleConfiguration
        ListBucket ListTagsForResource PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock
        PutBucketTagging PutEncryptionConfiguration PutLifecycleConfiguration TagResource UntagResource
    """
    # What CloudFormation reads of a bucket that it imports (`--adopt`): the settings of every feature.
    read = """
        GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketCORS GetBucketLogging
        GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration
        GetBucketVersioning GetBucketWebsite GetIntelligentTieringConfiguration GetInventoryConfiguration
        GetMetricsConfiguration GetReplicationConfiguration
    """
    buckets = [bucket_arn(solution, name) for name in (outputs, templates)]
    # Only templates: nothing here reads, writes or deletes a picture.
    objects = f"{bucket_arn(solution, templates)}/*"
    return [
        allow("ManageBuckets", actions("s3", manage + read), buckets),
        allow("KeepTemplates", actions("s3", "DeleteObject GetObject PutObject"), objects),
    ]


def _api(solution: Solution) -> list[Statement]:
    manage = """
        AddPermission CreateFunction DeleteFunction GetFunction GetFunctionCodeSigningConfig
        GetFunctionRecursionConfig GetFunctionScalingConfig GetPolicy GetRuntimeManagementConfig ListTags
        RemovePermission TagResource UntagResource UpdateFunctionCode UpdateFunctionConfiguration
    """
    # API Gateway generates the ids, and its actions are HTTP methods on paths; /account holds its log role.
    kinds = (
        "account",
        "apikeys",
        "apikeys/*",
        "restapis",
        "restapis/*",
        "usageplans",
        "usageplans/*",
        "tags/*",
    )
    paths = [
        names.arn(solution.partition.name, "apigateway", solution.region, "", f"/{kind}") for kind in kinds
    ]
    return [
        allow(
            "ManageApiFunction",
            actions("lambda", manage),
            arn(solution, "lambda", f"function:{names.api(solution.stack)}"),
        ),
        allow("ManageApi", actions("apigateway", "DELETE GET PATCH POST PUT"), paths),
    ]


def _alarms_and_logs(solution: Solution) -> list[Statement]:
    alarms = "DeleteAlarms DescribeAlarms ListTagsForResource PutMetricAlarm TagResource UntagResource"
    rules = """
        DeleteRule DescribeRule ListTagsForResource ListTargetsByRule PutRule PutTargets RemoveTargets
        TagResource UntagResource
    """
    logs = """
        CreateLogGroup DeleteLogGroup DeleteRetentionPolicy GetDataProtectionPolicy ListTagsForResource
        PutRetentionPolicy TagResource UntagResource
    """
    api = names.api(solution.stack)
    groups = (f"aws/lambda/{api}", f"aws/apigateway/{api}", f"aws/eks/{solution.stack}/cluster")
    return [
        allow(
            "ManageAlarms",
            actions("cloudwatch", alarms),
            arn(solution, "cloudwatch", f"alarm:{solution.stack}-*"),
        ),
        allow("ManageRules", actions("events", rules), arn(solution, "events", f"rule/{solution.stack}-*")),
        allow(
            "ManageLogs",
            actions("logs", logs),
            [arn(solution, "logs", f"log-group:/{group}*") for group in groups],
        ),
        allow(
            "FindLogs",
            actions("logs", "DescribeIndexPolicies DescribeLogGroups DescribeResourcePolicies"),
            "*",
        ),
    ]


def _roles(solution: Solution) -> list[Statement]:
    manage = """
        CreateRole DeleteRole DeleteRolePolicy DetachRolePolicy GetRole GetRolePolicy ListAttachedRolePolicies
        ListInstanceProfilesForRole ListRolePolicies PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy
        UpdateRole UpdateRoleDescription
    """
    provider = """
        AddClientIDToOpenIDConnectProvider CreateOpenIDConnectProvider DeleteOpenIDConnectProvider
        GetOpenIDConnectProvider ListOpenIDConnectProviderTags TagOpenIDConnectProvider
        UntagOpenIDConnectProvider
    """
    partition = solution.partition
    roles = [iam_arn(solution, f"role/{prefix}-*") for prefix in (solution.stack, f"eksctl-{solution.stack}")]
    attachable = [names.arn(partition.name, "iam", "", "aws", f"policy/{name}") for name in MANAGED_POLICIES]
    services = ["apigateway.amazonaws.com", "ec2.amazonaws.com", "eks.amazonaws.com", "lambda.amazonaws.com"]
    services += [partition.ec2_principal] if partition.ec2_principal not in services else []
    linked = [f"{name}.amazonaws.com" for name in SERVICE_LINKED_ROLES]
    issuer = f"oidc-provider/oidc.eks.{solution.region}.{partition.dns_suffix}/id/*"
    return [
        allow("ManageRoles", actions("iam", manage), roles),
        allow(
            "AttachKnownPolicies", "iam:AttachRolePolicy", roles, {"ArnEquals": {"iam:PolicyARN": attachable}}
        ),
        allow(
            "GiveRolesToServices", "iam:PassRole", roles, {"StringEquals": {"iam:PassedToService": services}}
        ),
        allow("ManageClusterIssuer", actions("iam", provider), iam_arn(solution, issuer)),
        allow(
            "MakeServiceLinkedRoles",
            "iam:CreateServiceLinkedRole",
            iam_arn(solution, "role/aws-service-role/*"),
            {"StringEquals": {"iam:AWSServiceName": linked}},
        ),
    ]


def _cluster(solution: Solution) -> list[Statement]:
    manage = """
        AssociateAccessPolicy CreateAccessEntry CreateAddon CreateNodegroup DeleteAccessEntry DeleteAddon
        DeleteCluster DeleteNodegroup DescribeAccessEntry DescribeAddon DescribeCluster DescribeNodegroup
        DescribeUpdate DisassociateAccessPolicy ListAccessEntries ListAddons ListAssociatedAccessPolicies
        ListCapabilities ListFargateProfiles ListIdentityProviderConfigs ListNodegroups
        ListPodIdentityAssociations ListTagsForResource ListUpdates TagResource UntagResource
        UpdateAccessEntry UpdateAddon UpdateClusterConfig UpdateClusterVersion UpdateNodegroupConfig
        UpdateNodegroupVersion
    """
    kinds = (f"cluster/{solution.stack}", *(f"{kind}/{solution.stack}/*" for kind in CLUSTER_RESOURCES))
    in_region = {"StringEquals": {"aws:RequestedRegion": solution.region}}
    read = "DescribeAddonConfiguration DescribeAddonVersions DescribeClusterVersions ListClusters"
    return [
        allow("ManageCluster", actions("eks", manage), [arn(solution, "eks", kind) for kind in kinds]),
        # This action can be limited only by conditions on the request.
        allow("MakeCluster", "eks:CreateCluster", "*", in_region),
        allow("FindVersions", actions("eks", read), "*"),
    ]


def _preflight(solution: Solution) -> list[Statement]:
    """What preflight reads in addition, and the quota requests of `--request-increase`."""
    quotas = "GetAWSDefaultServiceQuota GetServiceQuota ListRequestedServiceQuotaChangeHistoryByQuota"
    principals = [iam_arn(solution, "role/*"), iam_arn(solution, "user/*")]
    models = iam.model_buckets(solution)
    repositories = names.arn(solution.partition.name, "ecr", "*", "*", "repository/*")
    return [
        allow("AskModels", actions("s3", "GetBucketLocation ListBucket"), models),
        allow("AskModelFiles", "s3:GetObject", [f"{bucket}/*" for bucket in models]),
        allow("AskBuckets", "s3:ListAllMyBuckets", "*"),
        allow("AskImages", "ecr:DescribeImages", repositories),
        allow("AskQuotas", actions("servicequotas", f"{quotas} RequestServiceQuotaIncrease"), "*"),
        allow("AskRights", actions("iam", "GetRole SimulatePrincipalPolicy"), principals),
    ]
