"""The permissions that deploying needs: `make preflight cluster install smoke uninstall`, and no more.

CloudFormation and eksctl act with the permissions of their caller, so these follow from the resources in
the templates and in the ClusterConfig. They are limited by the prefix that all our names have; where AWS
chooses the name, by the tags of our stacks and eksctl's. What sets a policy, code or a role is left to
CloudFormation, and roles need the permissions boundary. docs/deployer.md describes how to use them, and what
is left.
"""

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase

from generator.iam import (
    boundary,
    deployer_api,
    deployer_identity,
    deployer_network,
    deployer_roles,
    image_builder,
    keys,
)
from generator.iam import roles as iam
from generator.iam.conditions import all_of, giving, via_cloudformation
from generator.iam.policy import (
    MANAGED_POLICY_MAX,
    Condition,
    Policy,
    Statement,
    actions,
    allow,
    arn,
    bucket_arn,
    deny,
    document,
    iam_arn,
    size,
)
from generator.solution import names
from generator.solution.model import Solution

CLUSTER_RESOURCES = ("access-entry", "addon", "nodegroup", "podidentityassociation")
BOUNDARY_FILE = "iam/permissions-boundary.json"
# Types that the deployer may not import into a stack: an update would add the tag that limits them, or change
# the function by which an event source mapping is known.
NOT_IMPORTED = ("AWS::ApiGateway::*", "AWS::EC2::*", "AWS::IAM::*", "AWS::Lambda::EventSourceMapping")


def policies(solution: Solution) -> tuple[Policy, ...]:
    """The policies, in as many documents as the maximum size of a managed policy requires."""
    return tuple(document(part) for part in _packed(_statements(solution)))


def files(solution: Solution) -> dict[str, str]:
    """The policies, iam/deployer-policy.json and -2, -3 … as needed, and the boundary of the roles.

    A boundary is one policy: where it is too large for that, because of many buckets, there is no file.
    """
    texts = [_text(policy) for policy in policies(solution)]
    numbers = ["", *(f"-{number}" for number in range(2, len(texts) + 1))]
    files = {f"iam/deployer-policy{number}.json": text for number, text in zip(numbers, texts, strict=True)}
    limit = boundary.policy(solution)
    return {**files, **({BOUNDARY_FILE: _text(limit)} if size(limit) <= MANAGED_POLICY_MAX else {})}


def _text(policy: Policy) -> str:
    return json.dumps(policy, indent=2) + "\n"


def _packed(statements: Iterable[Statement]) -> list[list[Statement]]:
    """The statements in their order, split into as few documents as their order allows."""
    parts: list[list[Statement]] = [[]]
    for statement in (part for whole in statements for part in _fitting(whole)):
        if size(document([*parts[-1], statement])) > MANAGED_POLICY_MAX:
            parts.append([])
        parts[-1].append(statement)
    return parts


def _fitting(statement: Statement) -> list[Statement]:
    """The statement; where it alone is too large for a policy, several with a part of its resources each."""
    parts, resources = [statement], statement["Resource"]
    while any(size(document([part])) > MANAGED_POLICY_MAX for part in parts) and len(parts) < len(resources):
        count = len(parts) + 1
        parts = [
            {**statement, "Sid": f"{statement['Sid']}{number}", "Resource": resources[number::count]}
            for number in range(count)
        ]
    return parts


def _statements(solution: Solution) -> list[Statement]:
    return [
        *_cloudformation(solution),
        *_messaging(solution),
        *_buckets(solution),
        *deployer_api.statements(solution),
        *_alarms_and_logs(solution),
        *deployer_roles.statements(solution),
        *(_existing_cluster(solution) if solution.existing_cluster else _cluster(solution)),
        *deployer_identity.statements(solution),
        *deployer_network.statements(solution),
        *_preflight(solution),
        *keys.deployer(solution),
        *image_builder.deployer(solution),
    ]


def _cloudformation(solution: Solution) -> list[Statement]:
    stack = solution.stack
    manage = """
        ContinueUpdateRollback CreateChangeSet CreateStack DeleteChangeSet DeleteStack DescribeChangeSet
        DescribeEvents DescribeStackEvents DescribeStackResource DescribeStackResources DescribeStacks
        ExecuteChangeSet GetTemplate ListChangeSets ListStackResources TagResource UntagResource UpdateStack
        UpdateTerminationProtection
    """
    # A stack keeps the service role that somebody gave it: not `{stack}-*`, which other stacks may match.
    ours = (stack, *(f"{stack}-{part}" for part in ("??", "network", "identity", "identity-??", "images")))
    of_eksctl = ("cluster", "nodegroup-*", "addon-*", "podidentityrole-*")
    stacks = [*ours, *(f"eksctl-{stack}-{name}" for name in of_eksctl if not solution.existing_cluster)]
    resources = [arn(solution, "cloudformation", f"stack/{name}/*") for name in stacks]
    imported: Condition = {
        "ForAnyValue:StringLike": {"cloudformation:ImportResourceTypes": list(NOT_IMPORTED)}
    }
    return [
        allow("ManageStacks", actions("cloudformation", manage), resources),
        deny("NeverImport", "cloudformation:CreateChangeSet", resources, imported),
        allow("FindStacks", actions("cloudformation", "GetTemplateSummary ListStacks ValidateTemplate"), "*"),
    ]


def _messaging(solution: Solution) -> list[Statement]:
    queues = "DeleteQueue GetQueueAttributes GetQueueUrl ListQueueTags TagQueue UntagQueue"
    topics = """
        DeleteTopic GetDataProtectionPolicy GetSubscriptionAttributes GetTopicAttributes
        ListSubscriptionsByTopic ListTagsForResource TagResource Unsubscribe UntagResource
    """
    tasks = "ChangeMessageVisibility DeleteMessage PurgeQueue ReceiveMessage SendMessage StartMessageMoveTask"
    queue, topic = arn(solution, "sqs", f"{solution.stack}-*"), arn(solution, "sns", f"{solution.stack}-*")
    alarms = arn(solution, "sns", names.alarms_topic(solution.stack))
    to_own_queues: Condition = {
        "StringEquals": {"sns:Protocol": "sqs"},
        "StringLike": {"sns:Endpoint": queue},
    }
    by_stack = via_cloudformation()
    # Attributes hold the resource's policy: who may receive tasks and results.
    shape = "CreateTopic SetSubscriptionAttributes SetTopicAttributes"
    return [
        allow("ManageQueues", actions("sqs", queues), queue),
        allow("ShapeQueues", actions("sqs", "CreateQueue SetQueueAttributes"), queue, by_stack),
        deny("NeverTasks", actions("sqs", tasks), queue),
        allow("ManageTopics", actions("sns", topics), topic),
        allow("ShapeTopics", actions("sns", shape), topic, by_stack),
        allow("SubscribeQueues", "sns:Subscribe", topic, all_of(to_own_queues, by_stack)),
        allow("SubscribeToAlarms", "sns:Subscribe", alarms),
    ]


def _buckets(solution: Solution) -> list[Statement]:
    outputs = names.output_bucket(solution.stack, "*", solution.account, solution.region)
    templates = bucket_arn(solution, solution.templates_bucket)
    # A policy, a lifecycle or another key gives pictures away, deletes them or makes them unreadable.
    shape = """
        CreateBucket DeleteBucketPolicy PutBucketCORS PutBucketOwnershipControls PutBucketPolicy
        PutBucketPublicAccessBlock PutBucketTagging PutEncryptionConfiguration PutLifecycleConfiguration
        TagResource UntagResource
    """
    # What CloudFormation reads of a bucket that it imports (`--adopt`): the settings of every feature.
    read = """
        GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketCORS GetBucketLogging
        GetBucketMetadataTableConfiguration GetBucketNotification GetBucketObjectLockConfiguration
        GetBucketOwnershipControls GetBucketPolicy GetBucketPublicAccessBlock GetBucketTagging
        GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration
        GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
        GetReplicationConfiguration ListBucket ListTagsForResource
    """
    bucket = bucket_arn(solution, outputs)
    own = "CreateBucket PutBucketPublicAccessBlock PutBucketTagging"
    return [
        allow("ManageBuckets", actions("s3", f"{read} DeleteBucket"), [bucket, templates]),
        allow("ShapeBuckets", actions("s3", shape), bucket, via_cloudformation()),
        deny("NeverPictures", "s3:*", _pictures(solution)),
        allow("MakeTemplates", actions("s3", own), templates),
        allow("KeepTemplates", actions("s3", "DeleteObject GetObject PutObject"), f"{templates}/*"),
    ]


def _pictures(solution: Solution) -> list[str]:
    """The objects of all output buckets: by one pattern, unless a bucket that preflight reads matches it."""
    pattern = iam.any_bucket(solution)
    if not any(fnmatchcase(bucket, pattern) for bucket in iam.model_buckets(solution)):
        return [f"{pattern}/*"]
    return [f"{bucket_arn(solution, runtime.output_bucket)}/*" for runtime in solution.runtimes]


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
    rule_arn = arn(solution, "events", f"rule/{solution.stack}-*")
    api, pods = names.api(solution.stack), names.pod_log_group(solution.stack)
    functions = (api, names.api_authorizer(solution.stack), names.webhooks(solution.stack))
    builds, cluster = names.image_builder_log_group(solution.stack), f"/aws/eks/{solution.stack}/cluster"
    groups = (*(f"/aws/lambda/{name}" for name in functions), builds, f"/aws/apigateway/{api}", cluster, pods)
    alarm_arn = arn(solution, "cloudwatch", f"alarm:{solution.stack}-*")
    topic = arn(solution, "sns", names.alarms_topic(solution.stack))
    # CloudWatch does with its own role what an alarm says: stop and terminate instances of others too.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-alarm-actions.html
    elsewhere: Condition = {"ForAnyValue:StringNotEquals": {"cloudwatch:AlarmActions": topic}}
    # The rules are those of Karpenter's interruption events.
    new_cluster = solution.existing_cluster is None
    manage_rules = allow("ManageRules", actions("events", rules), rule_arn, via_cloudformation())
    return [
        allow("ManageAlarms", actions("cloudwatch", alarms), alarm_arn),
        deny("NeverOtherAlarmActions", "cloudwatch:PutMetricAlarm", alarm_arn, elsewhere),
        *([manage_rules] if new_cluster else []),
        # A group's own ARN, and with `:*` that of its streams: IAM is asked for the one or for the other.
        allow(
            "ManageLogs",
            actions("logs", logs),
            [arn(solution, "logs", f"log-group:{group}{end}") for group in groups for end in ("", ":*")],
        ),
        # `generator logs`
        allow("ReadPodLogs", "logs:FilterLogEvents", arn(solution, "logs", f"log-group:{pods}:*")),
        allow(
            "FindLogs",
            actions("logs", "DescribeIndexPolicies DescribeLogGroups DescribeResourcePolicies"),
            "*",
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
    made_here = giving({names.STACK_TAG: solution.stack})
    made_here["StringEquals"]["aws:RequestedRegion"] = solution.region
    read = "DescribeAddonConfiguration DescribeAddonVersions DescribeClusterVersions ListClusters"
    return [
        allow("ManageCluster", actions("eks", manage), [arn(solution, "eks", kind) for kind in kinds]),
        # This action can be limited only by conditions on the request.
        allow("MakeCluster", "eks:CreateCluster", "*", made_here),
        allow("FindVersions", actions("eks", read), "*"),
    ]


def _existing_cluster(solution: Solution) -> list[Statement]:
    """What preflight reads of a cluster that is not the solution's, and nothing that changes it."""
    kinds = (
        f"cluster/{solution.cluster}",
        f"addon/{solution.cluster}/*",
        f"access-entry/{solution.cluster}/*",
    )
    read = "DescribeAccessEntry DescribeAddon DescribeCluster"
    return [allow("FindCluster", actions("eks", read), [arn(solution, "eks", kind) for kind in kinds])]


def _preflight(solution: Solution) -> list[Statement]:
    """What preflight reads in addition, and the quota requests of `--request-increase`."""
    quotas = "GetAWSDefaultServiceQuota GetServiceQuota ListRequestedServiceQuotaChangeHistoryByQuota"
    principals = [iam_arn(solution, "role/*"), iam_arn(solution, "user/*")]
    models = iam.model_buckets(solution)
    inputs = sorted({bucket_arn(solution, name) for one in solution.runtimes for name in one.input_buckets})
    repositories = names.arn(solution.partition.name, "ecr", "*", "*", "repository/*")
    return [
        allow("AskModels", actions("s3", "GetBucketLocation ListBucket"), models),
        allow("AskEncryption", "s3:GetEncryptionConfiguration", [*models, *inputs]),
        allow("AskModelFiles", "s3:GetObject", [f"{bucket}/*" for bucket in models]),
        *keys.read("AskEncryptedModels", solution.keys.models, "s3", solution),
        allow("AskBuckets", "s3:ListAllMyBuckets", "*"),
        allow("AskImages", "ecr:DescribeImages", repositories),
        allow("AskQuotas", actions("servicequotas", f"{quotas} RequestServiceQuotaIncrease"), "*"),
        allow("AskRights", actions("iam", "GetRole SimulatePrincipalPolicy"), principals),
        allow("AskBoundary", actions("iam", "GetPolicy GetPolicyVersion"), boundary.arn(solution)),
    ]
