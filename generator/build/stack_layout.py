"""The CloudFormation stacks of a solution and the number of their resources, without rendering templates.

A runtime's resources must not move between stacks when another runtime is added or removed: a stack that
loses them keeps queue and bucket, and the next stack could not create them. So which stack holds a runtime
follows from its name and from the number of stacks, which changes only when one would be full.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from generator.build import api_gateway, interruption
from generator.iam import accounts
from generator.solution.model import Runtime, Solution

# CloudFormation takes 500 resources a stack, of which the shared part has at most 150, with 20 API keys.
RESOURCES_PER_STACK = 350
MAIN_FILE = "stack.yaml"
# Applied after the cluster, whose VPC it needs.
NETWORK_FILE = "network.yaml"
# Applied after the cluster as well, which its associations, or the trust policies of its roles, name.
IDENTITY = "identity"

# Resources of queue.yaml.j2, bucket.yaml.j2 and alarms.yaml.j2. A test counts the templates' own.
_PER_RUNTIME = {
    "AWS::CloudWatch::Alarm": 3,
    "AWS::S3::Bucket": 1,
    "AWS::S3::BucketPolicy": 1,
    "AWS::SNS::Subscription": 1,
    "AWS::SQS::Queue": 2,
    "AWS::SQS::QueuePolicy": 2,
}
# More of them with a queue of tasks of high priority.
_PER_PRIORITY_QUEUE = {"AWS::SQS::Queue": 1, "AWS::SQS::QueuePolicy": 1}
# Resources of the shared part of stack.yaml.j2, without those of a table in Python.
_SHARED = {
    "AWS::ApiGateway::Account": 1,
    "AWS::ApiGateway::Authorizer": 1,
    "AWS::ApiGateway::Deployment": 1,
    "AWS::ApiGateway::RequestValidator": 1,
    "AWS::ApiGateway::RestApi": 1,
    "AWS::ApiGateway::Stage": 1,
    "AWS::CloudWatch::Alarm": 1,
    "AWS::IAM::Role": 4,
    "AWS::Lambda::EventSourceMapping": 1,
    "AWS::Lambda::Function": 3,
    "AWS::Lambda::Permission": 2,
    "AWS::Logs::LogGroup": 4,
    "AWS::SNS::Subscription": 1,
    "AWS::SQS::Queue": 2,
    "AWS::SQS::QueuePolicy": 2,
    "AWS::SecretsManager::Secret": 1,
    "AWS::SNS::Topic": 3,
    "AWS::SNS::TopicPolicy": 3,
}
# What a cluster of the solution's own needs: karpenter.yaml.j2 and network.yaml.j2.
_OF_CLUSTER = {
    "AWS::EC2::VPCEndpoint": 1,
    "AWS::IAM::Role": 1,
    "AWS::SQS::Queue": 1,
    "AWS::SQS::QueuePolicy": 1,
}
_PER_KEY = ("AWS::ApiGateway::ApiKey", "AWS::ApiGateway::UsagePlan", "AWS::ApiGateway::UsagePlanKey")


@dataclass(frozen=True)
class StackPart:
    """One of several stacks of the same kind: its template's file and the runtimes in it."""

    file: str
    runtimes: tuple[Runtime, ...]


def parts(solution: Solution) -> list[StackPart]:
    """The stacks of queues, buckets and the HTTP API, in the order in which they are applied."""
    runtimes, count = solution.runtimes, _count(solution.runtimes)
    return [
        StackPart(
            _file("stack", index), tuple(runtime for runtime in runtimes if _shard(runtime, count) == index)
        )
        for index in range(count)
    ]


def identity_parts(solution: Solution) -> list[StackPart]:
    """The stacks of the roles of service accounts, with EKS Pod Identity or in an existing cluster.

    Otherwise eksctl creates the roles, for IRSA.
    """
    if not solution.pod_identity and solution.existing_cluster is None:
        return []
    return [StackPart(_file(IDENTITY, n), part.runtimes) for n, part in enumerate(parts(solution))]


def after_cluster(solution: Solution) -> list[str]:
    """The files of the stacks that are applied after the cluster, in their order."""
    network = [] if solution.existing_cluster else [NETWORK_FILE]
    return [*network, *(part.file for part in identity_parts(solution))]


def stack_name(solution: Solution, file: str) -> str:
    """The name of the CloudFormation stack that a template's file describes."""
    folder, _, last = file.rpartition("/")
    name = folder or last.removesuffix(".yaml").removeprefix("stack")
    return f"{solution.stack}-{name.removeprefix('-')}" if name else solution.stack


def resource_counts(solution: Solution) -> dict[str, int]:
    """How many resources of each type all stacks have together."""
    counts = Counter(_SHARED)
    counts.update(
        {
            **dict.fromkeys(_PER_KEY, 1 + len(solution.api.keys)),
            "AWS::ApiGateway::GatewayResponse": len(api_gateway.REFUSALS),
            "AWS::ApiGateway::Method": len(api_gateway.methods(cors=bool(solution.api.origins))),
            "AWS::ApiGateway::Model": len(api_gateway.MODELS),
            "AWS::ApiGateway::Resource": len(api_gateway.RESOURCES),
        }
    )
    if solution.existing_cluster is None:
        counts.update({**_OF_CLUSTER, "AWS::Events::Rule": len(interruption.rules(solution))})
    if solution.observability.logs.enabled:
        counts["AWS::Logs::LogGroup"] += 1
    for runtime in solution.runtimes:
        counts.update(_of(runtime))
    if identity_parts(solution):
        counts["AWS::IAM::Role"] += len(list(accounts.service_accounts(solution)))
    if solution.pod_identity:
        controllers = len(list(accounts.of_controllers(solution)))
        counts["AWS::EKS::PodIdentityAssociation"] = controllers + len(solution.runtimes)
    return dict(counts)


def _count(runtimes: Sequence[Runtime]) -> int:
    """The smallest power of two of stacks that has room for the runtimes, spread by a hash of their names."""
    count = 1
    while _fullest(runtimes, count) > RESOURCES_PER_STACK:
        count *= 2
    return count


def _fullest(runtimes: Sequence[Runtime], count: int) -> int:
    """How many resources the runtimes of the fullest of so many stacks have."""
    resources: Counter[int] = Counter()
    for runtime in runtimes:
        resources[_shard(runtime, count)] += _of(runtime).total()
    return max(resources.values())


def _of(runtime: Runtime) -> Counter[str]:
    """The resources of one runtime, by type."""
    more = _PER_PRIORITY_QUEUE if runtime.high_priority_queue else {}
    return Counter(_PER_RUNTIME) + Counter(more)


def _shard(runtime: Runtime, count: int) -> int:
    # Python's own hash() differs from run to run.
    return zlib.crc32(runtime.name.encode()) % count


def _file(kind: str, index: int) -> str:
    return f"{kind}.yaml" if index == 0 else f"{kind}-{index + 1:02}.yaml"
