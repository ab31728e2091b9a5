"""The permissions boundary: the most that any role of the solution can do, whoever writes its policy.

It allows what the roles need and nothing outside the solution, by names and by tags of the cluster: a role
that a deployer makes for itself reaches no further than the solution's own roles. It names no runtime, so a
new one needs no new boundary; a new bucket with models or inputs does, and so does a new KMS key.
"""

from generator.facts import versions
from generator.iam import image_builder, keys, roles
from generator.iam.conditions import giving, having
from generator.iam.policy import (
    MANAGED_POLICY_MAX,
    Condition,
    Policy,
    Statement,
    actions,
    allow,
    bucket_arn,
    document,
    iam_arn,
    size,
)
from generator.iam.policy import arn as regional_arn
from generator.solution import names
from generator.solution.model import Solution

# What the AWS managed policies of nodes, cluster and CNI plugin read.
_DESCRIBE = """
    AvailabilityZones CapacityReservations DhcpOptions Images InstanceTopology InstanceTypeOfferings
    InstanceTypes Instances LaunchTemplates NetworkInterfaces RouteTables SecurityGroups SpotPriceHistory
    Subnets Tags Volumes VolumesModifications Vpcs
"""
_INTERFACES = """
    AssignPrivateIpAddresses AttachNetworkInterface DeleteNetworkInterface DetachNetworkInterface
    ModifyNetworkInterfaceAttribute UnassignPrivateIpAddresses
"""
# The tag of the CNI plugin's network interfaces.
CNI_TAG = "cluster.k8s.amazonaws.com/name"
_CREATING = ("CreateFleet", "CreateLaunchTemplate", "CreateNetworkInterface", "RunInstances")
_OWN_NODES = "DeleteLaunchTemplate TerminateInstances"
_OWN_PROFILES = """
    AddRoleToInstanceProfile DeleteInstanceProfile RemoveRoleFromInstanceProfile TagInstanceProfile
"""


def arn(solution: Solution) -> str:
    """The ARN of the boundary: that of the config, otherwise that of the policy in docs/deployer.md."""
    return solution.permissions_boundary_arn or default_arn(solution)


def default_arn(solution: Solution) -> str:
    """The ARN that the boundary of the build has in docs/deployer.md."""
    return iam_arn(solution, f"policy/{names.permissions_boundary(solution.stack)}")


def policy(solution: Solution) -> Policy:
    """The policy document of the boundary.

    It names each KMS key as long as there is space for that, else all keys of their accounts and regions:
    the services for which they are used, and what else the boundary allows there, limit it as well. Then the
    statements have no Sid either.
    """
    exact = _policy(solution, keys.boundary(solution))
    if size(exact) <= MANAGED_POLICY_MAX:
        return exact
    short = _policy(solution, keys.short_boundary(solution))
    return document(
        {key: value for key, value in statement.items() if key != "Sid"} for statement in short["Statement"]
    )


def _policy(solution: Solution, of_keys: list[Statement]) -> Policy:
    statements = [*_tasks(solution), *of_keys, *_logs(solution), *image_builder.boundary(solution)]
    # The roles of an existing cluster, its controllers and its nodes are not the solution's.
    of_cluster = [] if solution.existing_cluster else [*_reads(solution), *_nodes(solution)]
    return document([*statements, *of_cluster])


def _tasks(solution: Solution) -> list[Statement]:
    """Queues, topics, pictures, models and inputs."""
    queue = """
        ChangeMessageVisibility DeleteMessage GetQueueAttributes GetQueueUrl ReceiveMessage SendMessage
    """
    models = roles.model_buckets(solution)
    inputs = {bucket_arn(solution, name) for runtime in solution.runtimes for name in runtime.input_buckets}
    # Nothing lists inputs.
    objects = [f"{bucket}/*" for bucket in sorted({*models, *inputs})]
    pictures, secret = roles.any_bucket(solution), roles.webhook_secret(solution)
    topics = regional_arn(solution, "sns", f"{solution.stack}-*")
    return [
        allow("Queues", actions("sqs", queue), roles.any_queue(solution)),
        # One statement for both, to save space.
        allow("TopicsAndSecret", ["sns:Publish", "secretsmanager:GetSecretValue"], [topics, secret]),
        allow(
            "Pictures",
            actions("s3", "AbortMultipartUpload GetObject ListBucket PutObject"),
            [pictures, f"{pictures}/*"],
        ),
        allow("Uploads", "s3:DeleteObject", f"{pictures}/.assets/*"),
        allow(
            "ModelsAndInputs",
            actions("s3", "GetObject ListBucket"),
            [*models, *objects],
        ),
    ]


def _logs(solution: Solution) -> list[Statement]:
    """Write any log, since API Gateway has one log role for all APIs; read the logs of APIs, and metrics."""
    write = "CreateLogGroup CreateLogStream DescribeLogGroups DescribeLogStreams PutLogEvents"
    traces = (*roles.XRAY_WRITE, *roles.XRAY_SAMPLING)
    of_apis = [
        regional_arn(solution, "logs", f"log-group:{name}*")
        for name in ("/aws/apigateway/", "API-Gateway-Execution-Logs_")
    ]
    return [
        allow("WriteLogs", [*actions("logs", write), *traces, "cloudwatch:GetMetricStatistics"], "*"),
        allow("ReadApiLogs", actions("logs", "FilterLogEvents GetLogEvents"), of_apis),
    ]


def _reads(solution: Solution) -> list[Statement]:
    """What nodes, cluster and Karpenter read, and the sessions and images of nodes."""
    kinds = [*_DESCRIBE.split()]
    # As in Karpenter's policy.
    kinds += ["PlacementGroups"] if versions.parse(solution.versions.karpenter) >= (1, 11) else []
    kinds += ["InstanceStatus"] if versions.parse(solution.versions.karpenter) >= (1, 12) else []
    pull = """
        BatchCheckLayerAvailability BatchGetImage BatchImportUpstreamImage GetAuthorizationToken
        GetDownloadUrlForLayer
    """
    session = "CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel"
    anywhere = [
        *(f"ec2:Describe{kind}" for kind in sorted(kinds)),
        *actions("ecr", pull),
        *actions("ssmmessages", session),
        *("iam:GetInstanceProfile", "iam:ListInstanceProfiles", "kms:DescribeKey", "pricing:GetProducts"),
        "ssm:UpdateInstanceInformation",
    ]
    parameters = names.arn(solution.partition.name, "ssm", solution.region, "", "parameter/aws/service/*")
    cluster = regional_arn(solution, "eks", f"cluster/{solution.stack}")
    return [
        allow("Find", anywhere, "*"),
        allow("FindImages", actions("ssm", "GetParameter GetParameters"), parameters),
        allow("FindCluster", ["eks:DescribeCluster", "eks-auth:AssumeRoleForPodIdentity"], cluster),
    ]


def _nodes(solution: Solution) -> list[Statement]:
    """Karpenter and the CNI plugin start and change only what has a tag of the cluster since it was created.

    Nothing gets such a tag later: `ec2:CreateTags` needs the creating request, or a resource that has one.
    https://github.com/aws/amazon-vpc-cni-k8s/blob/master/docs/iam-policy.md has the plugin's conditions.
    """
    cluster, by_plugin = {f"kubernetes.io/cluster/{solution.stack}": "owned"}, {CNI_TAG: solution.stack}
    start, create = ["ec2:CreateFleet", "ec2:RunInstances"], "ec2:CreateNetworkInterface"
    used = ("capacity-reservation", "image", "placement-group", "security-group", "snapshot", "subnet")
    created: Condition = {"StringEquals": {"ec2:CreateAction": list(_CREATING)}}
    interfaces = ["ec2:CreateTags", *actions("ec2", _INTERFACES)]
    own = [*start, *actions("ec2", _OWN_NODES), *interfaces, *actions("iam", _OWN_PROFILES)]
    launch = [*start, "ec2:CreateLaunchTemplate", "iam:CreateInstanceProfile"]
    return [
        allow("StartFrom", [*start, create], _ec2(solution, *used)),
        allow("StartNodes", launch, "*", giving(cluster)),
        allow("MakeInterfaces", create, "*", giving(by_plugin)),
        allow("TagWhatIsNew", "ec2:CreateTags", "*", created),
        allow("ChangeNodes", own, "*", having(cluster)),
        # The node group's first interfaces have this tag too: cluster.yaml.j2.
        allow("ChangeInterfaces", interfaces, "*", having(by_plugin)),
        allow("PassNodeRole", "iam:PassRole", _node_roles(solution), _to_instances()),
    ]


def _node_roles(solution: Solution) -> list[str]:
    return [iam_arn(solution, f"role/{role}") for role in roles.node_roles(solution)]


def _to_instances() -> Condition:
    return {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"]}}


def _ec2(solution: Solution, *kinds: str) -> list[str]:
    # Any account, as in Karpenter's own policy: images are AWS's, and subnets may be shared.
    return [names.arn(solution.partition.name, "ec2", solution.region, "*", f"{kind}/*") for kind in kinds]
