"""The rights of whoever deploys: what `make preflight cluster install smoke uninstall` needs, and no more.

CloudFormation and eksctl act with the deployer's own rights, so these follow from the resources that the
templates and the ClusterConfig hold. They are scoped by the stack's name, which begins every name of ours,
and where AWS makes the names, by the tags of eksctl's stacks. docs/deployer.md says how to use them.
"""

import json
from collections.abc import Iterable

from generator.iam import deployer_network
from generator.iam import roles as iam
from generator.iam.policy import (
    MANAGED_POLICY_MAX,
    Policy,
    allow,
    arn,
    bucket_arn,
    document,
    each,
    iam_arn,
    size,
)
from generator.solution import names
from generator.solution.model import Solution

# What may be attached to the roles: by our templates, and by eksctl v0.230.0 to the roles that it makes.
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
PARTS_OF_A_CLUSTER = ("access-entry", "addon", "nodegroup", "podidentityassociation")


def policies(solution: Solution) -> tuple[Policy, ...]:
    """The policies, in as many documents as the size of a managed policy asks for."""
    return tuple(document(part) for part in _packed(_statements(solution)))


def files(solution: Solution) -> dict[str, str]:
    """The policies as files: iam/deployer-policy.json, and -2, -3 … where one does not hold all."""
    texts = [json.dumps(policy, indent=2) + "\n" for policy in policies(solution)]
    return {f"iam/deployer-policy{f'-{n}' if n > 1 else ''}.json": text for n, text in enumerate(texts, 1)}


def _packed(statements: Iterable[Policy]) -> list[list[Policy]]:
    """The statements in their order, each document as full as it may be."""
    parts: list[list[Policy]] = [[]]
    for statement in statements:
        if size(document([*parts[-1], statement])) > MANAGED_POLICY_MAX:
            parts.append([])
        parts[-1].append(statement)
    return parts


def _statements(solution: Solution) -> list[Policy]:
    return [
        *_cloudformation(solution),
        *_messaging(solution),
        *_buckets(solution),
        *_api(solution),
        *_alarms_and_logs(solution),
        *_roles(solution),
        *_cluster(solution),
        *deployer_network.statements(solution),
        *_questions(solution),
    ]


def _cloudformation(solution: Solution) -> list[Policy]:
    stacks = (f"{solution.stack}/*", f"{solution.stack}-*/*", f"eksctl-{solution.stack}-*/*")
    manage = """
        ContinueUpdateRollback CreateChangeSet CreateStack DeleteChangeSet DeleteStack DescribeChangeSet
        DescribeEvents DescribeStackEvents DescribeStackResource DescribeStackResources DescribeStacks
        ExecuteChangeSet GetTemplate ListChangeSets ListStackResources TagResource UntagResource UpdateStack
        UpdateTerminationProtection
    """
    resources = [arn(solution, "cloudformation", f"stack/{name}") for name in stacks]
    return [
        allow("ManageStacks", each("cloudformation", manage), resources),
        allow("FindStacks", each("cloudformation", "GetTemplateSummary ListStacks ValidateTemplate"), "*"),
    ]


def _messaging(solution: Solution) -> list[Policy]:
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
        allow("ManageQueues", each("sqs", queues), arn(solution, "sqs", f"{solution.stack}-*")),
        allow("ManageTopics", each("sns", topics), arn(solution, "sns", f"{solution.stack}-*")),
    ]


def _buckets(solution: Solution) -> list[Policy]:
    outputs = names.output_bucket(solution.stack, "*", solution.account, solution.region)
    templates = solution.templates_bucket
    manage = """
        CreateBucket DeleteBucket DeleteBucketPolicy GetBucketOwnershipControls GetBucketPolicy
        GetBucketPublicAccessBlock GetBucketTagging GetEncryptionConfiguration GetLifecycleConfiguration
        ListBucket ListTagsForResource PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock
        PutBucketTagging PutEncryptionConfiguration PutLifecycleConfiguration TagResource UntagResource
    """
    # What CloudFormation reads of a bucket that it takes over (`--adopt`): every feature, used or not.
    look = """
        GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketCORS GetBucketLogging
        GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration
        GetBucketVersioning GetBucketWebsite GetIntelligentTieringConfiguration GetInventoryConfiguration
        GetMetricsConfiguration GetReplicationConfiguration
    """
    buckets = [bucket_arn(solution, name) for name in (outputs, templates)]
    # Templates only: nothing here reads, writes or deletes a picture.
    objects = f"{bucket_arn(solution, templates)}/*"
    return [
        allow("ManageBuckets", each("s3", manage + look), buckets),
        allow("KeepTemplates", each("s3", "DeleteObject GetObject PutObject"), objects),
    ]


def _api(solution: Solution) -> list[Policy]:
    manage = """
        AddPermission CreateFunction DeleteFunction GetFunction GetFunctionCodeSigningConfig
        GetFunctionRecursionConfig GetFunctionScalingConfig GetPolicy GetRuntimeManagementConfig ListTags
        RemovePermission TagResource UntagResource UpdateFunctionCode UpdateFunctionConfiguration
    """
    # API Gateway makes the ids, and its rights are verbs on paths; /account is where its log role is set.
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
            each("lambda", manage),
            arn(solution, "lambda", f"function:{names.api(solution.stack)}"),
        ),
        allow("ManageApi", each("apigateway", "DELETE GET PATCH POST PUT"), paths),
    ]


def _alarms_and_logs(solution: Solution) -> list[Policy]:
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
            each("cloudwatch", alarms),
            arn(solution, "cloudwatch", f"alarm:{solution.stack}-*"),
        ),
        allow("ManageRules", each("events", rules), arn(solution, "events", f"rule/{solution.stack}-*")),
        allow(
            "ManageLogs",
            each("logs", logs),
            [arn(solution, "logs", f"log-group:/{group}*") for group in groups],
        ),
        allow(
            "FindLogs", each("logs", "DescribeIndexPolicies DescribeLogGroups DescribeResourcePolicies"), "*"
        ),
    ]


def _roles(solution: Solution) -> list[Policy]:
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
    users = ["apigateway.amazonaws.com", "ec2.amazonaws.com", "eks.amazonaws.com", "lambda.amazonaws.com"]
    users += [partition.ec2_principal] if partition.ec2_principal not in users else []
    linked = [f"{name}.amazonaws.com" for name in SERVICE_LINKED_ROLES]
    issuer = f"oidc-provider/oidc.eks.{solution.region}.{partition.dns_suffix}/id/*"
    return [
        allow("ManageRoles", each("iam", manage), roles),
        allow(
            "AttachKnownPolicies", "iam:AttachRolePolicy", roles, {"ArnEquals": {"iam:PolicyARN": attachable}}
        ),
        allow("GiveRolesToServices", "iam:PassRole", roles, {"StringEquals": {"iam:PassedToService": users}}),
        allow("ManageClusterIssuer", each("iam", provider), iam_arn(solution, issuer)),
        allow(
            "MakeServiceLinkedRoles",
            "iam:CreateServiceLinkedRole",
            iam_arn(solution, "role/aws-service-role/*"),
            {"StringEquals": {"iam:AWSServiceName": linked}},
        ),
    ]


def _cluster(solution: Solution) -> list[Policy]:
    manage = """
        AssociateAccessPolicy CreateAccessEntry CreateAddon CreateNodegroup DeleteAccessEntry DeleteAddon
        DeleteCluster DeleteNodegroup DescribeAccessEntry DescribeAddon DescribeCluster DescribeNodegroup
        DescribeUpdate DisassociateAccessPolicy ListAccessEntries ListAddons ListAssociatedAccessPolicies
        ListCapabilities ListFargateProfiles ListIdentityProviderConfigs ListNodegroups
        ListPodIdentityAssociations ListTagsForResource ListUpdates TagResource UntagResource
        UpdateAccessEntry UpdateAddon UpdateClusterConfig UpdateClusterVersion UpdateNodegroupConfig
        UpdateNodegroupVersion
    """
    kinds = (f"cluster/{solution.stack}", *(f"{kind}/{solution.stack}/*" for kind in PARTS_OF_A_CLUSTER))
    here = {"StringEquals": {"aws:RequestedRegion": solution.region}}
    look = "DescribeAddonConfiguration DescribeAddonVersions DescribeClusterVersions ListClusters"
    return [
        allow("ManageCluster", each("eks", manage), [arn(solution, "eks", kind) for kind in kinds]),
        # AWS scopes this one by the request alone.
        allow("MakeCluster", "eks:CreateCluster", "*", here),
        allow("FindVersions", each("eks", look), "*"),
    ]


def _questions(solution: Solution) -> list[Policy]:
    """What preflight asks beyond that, and the one request it may file (`--request-increase`)."""
    quotas = "GetAWSDefaultServiceQuota GetServiceQuota ListRequestedServiceQuotaChangeHistoryByQuota"
    principals = [iam_arn(solution, "role/*"), iam_arn(solution, "user/*")]
    models = iam.model_buckets(solution)
    repositories = names.arn(solution.partition.name, "ecr", "*", "*", "repository/*")
    return [
        allow("AskModels", each("s3", "GetBucketLocation ListBucket"), models),
        allow("AskModelFiles", "s3:GetObject", [f"{bucket}/*" for bucket in models]),
        allow("AskBuckets", "s3:ListAllMyBuckets", "*"),
        allow("AskImages", "ecr:DescribeImages", repositories),
        allow("AskQuotas", each("servicequotas", f"{quotas} RequestServiceQuotaIncrease"), "*"),
        allow("AskRights", each("iam", "GetRole SimulatePrincipalPolicy"), principals),
    ]
