"""The resolved solution, which everything that is generated is made from. Nothing in it is looked up."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from generator.facts import mount_options
from generator.facts.facts import Partition
from generator.facts.instance_types import Resources
from generator.facts.versions import Versions
from generator.solution import names
from generator.solution.custom_nodes import CustomNodes
from generator.solution.http_api import Api
from generator.solution.model_file import ModelFile
from generator.solution.nodes import Nodes
from generator.solution.warm import WarmEntry

RuntimeType = Literal["sdwebui", "comfyui", "invokeai", "custom"]


@dataclass(frozen=True)
class ClusterComponents:
    """The managed node group for controllers."""

    instance_type: str
    desired_count: int


@dataclass(frozen=True)
class ExistingCluster:
    """A cluster of the user's, to which only the runtimes are added.

    `node_role`: the name of the GPU nodes' IAM role, where the runtimes share one. `auto_mode`: its nodes are
    those of EKS Auto Mode, which live for `expire_after` unless a runtime sets another time, and on which the
    cluster's DNS has one of `dns_servers` unless services have a range of the user's.
    """

    name: str
    node_role: str | None
    auto_mode: bool
    expire_after: str
    dns_servers: tuple[str, ...]


@dataclass(frozen=True)
class KmsKeys:
    """ARNs of customer managed KMS keys, by what they encrypt. Without one, AWS's own keys encrypt it.

    `messages`: queues and topics. `volumes`: EBS volumes of all nodes. `secrets`: Secrets of Kubernetes.
    """

    models: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: str | None = None
    messages: str | None = None
    volumes: str | None = None
    secrets: str | None = None

    def all(self) -> tuple[str, ...]:
        """Every key, each once."""
        single = (self.outputs, self.messages, self.volumes, self.secrets)
        return tuple(dict.fromkeys([*self.models, *self.inputs, *filter(None, single)]))


@dataclass(frozen=True)
class Logs:
    """Whether the logs of pods are sent to a CloudWatch log group, and the days that it keeps a line."""

    enabled: bool
    group: str
    retention_days: int


@dataclass(frozen=True)
class Monitors:
    """Whether there are objects of the Prometheus Operator, and the labels on them."""

    enabled: bool
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Observability:
    """Logs and metrics of the pods, and the images of the programs that collect them."""

    logs: Logs
    gpu_metrics: bool
    monitors: Monitors
    log_collector_image: "ContainerImage"
    gpu_exporter_image: "ContainerImage"


@dataclass(frozen=True)
class Scaling:
    """Whether KEDA scales the pods, between which numbers, how often it looks, and what is kept warm."""

    enabled: bool
    min_replicas: int
    max_replicas: int
    polling_seconds: int
    warm: tuple[WarmEntry, ...] = ()


@dataclass(frozen=True)
class Models:
    """The bucket with a runtime's models; not mounted where a claim or an image of the user has them.

    `mount_options`: options of Mountpoint besides those that the chart sets itself. `direct`: the files that
    a pod downloads, as paths in the folder that is mounted. `cache`: bytes on the disk of the node in which
    the mount keeps what is read; None: it keeps nothing. `claim`: size, access modes and size of the
    cache, as they are written.
    """

    bucket: str
    mounted: bool
    mount_options: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()
    cache: Decimal | None = None
    claim: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """The folder of the bucket that is mounted, with / at its end; empty for the whole bucket."""
        return mount_options.value(self.mount_options, "prefix") or ""


@dataclass(frozen=True)
class ContainerImage:
    """The full name of a container's image, and the repository of the default image.

    `default_repository` and `default_tag` are empty where there is no default.
    """

    name: str
    default_repository: str
    default_tag: str = ""


@dataclass(frozen=True)
class Queue:
    """An SQS queue of a runtime."""

    name: str
    arn: str
    url: str


@dataclass(frozen=True)
class Runtime:
    """One runtime: its settings, and every name that follows from its own name."""

    name: str
    namespace: str
    type: RuntimeType
    model_filename: str | None
    dynamic_model: bool
    service_account: str
    role_name: str
    role_arn: str
    queue: Queue
    dead_letter_queue: Queue
    # The queue of tasks of high priority; None where there is none.
    high_priority_queue: Queue | None
    output_bucket: str
    # The Karpenter NodePool that starts its nodes.
    node_pool: str
    # DNS servers that the pods' network policy opens by their addresses; None: there is no policy.
    dns_servers: tuple[str, ...] | None
    task_timeout_seconds: int
    input_buckets: tuple[str, ...]
    scaling: Scaling
    nodes: Nodes
    models: Models
    # The release of the nodes' operating system, where it is not that of the EKS version.
    ami_version: str | None
    # What the nodes get as user data, where the user has settings for it.
    user_data: str | None
    # What one pod requests.
    pod: Resources
    # Further words of its command line.
    arguments: tuple[str, ...]
    # The limit of the runtime's container in bytes; None: that of the node.
    memory_limit: Decimal | None
    runtime_image: ContainerImage
    # What is added to the default image of a ComfyUI; None: nothing.
    custom_nodes: CustomNodes | None
    agent_image: ContainerImage
    # Runs only where `xray` is true.
    collector_image: ContainerImage
    xray: bool
    # The user's `extraValues`, as written. Only for the chart; what Python needs of it is above.
    extra_values: Mapping[str, Any]

    @property
    def task_queues(self) -> tuple[Queue, ...]:
        """The queues from which its agents receive tasks."""
        return tuple(filter(None, (self.queue, self.high_priority_queue)))

    @property
    def queues(self) -> tuple[Queue, ...]:
        """All its queues, with the one of tasks that failed."""
        return (*self.task_queues, self.dead_letter_queue)

    @property
    def default_model(self) -> str | None:
        """The checkpoint that an SD WebUI loads at start, for tasks that name none; None where there is none.

        v1alpha1 tasks, which name only their checkpoint, are sent to the runtime that has it.
        """
        return self.model_filename if self.type == "sdwebui" else None


@dataclass(frozen=True)
class NodePool:
    """A Karpenter NodePool, and the runtimes whose pods run on its nodes: one, or those that share it."""

    name: str
    runtimes: tuple[Runtime, ...]

    @property
    def nodes(self) -> Nodes:
        """Its nodes, which all its runtimes describe alike."""
        return self.runtimes[0].nodes

    def __str__(self) -> str:
        return ", ".join(runtime.name for runtime in self.runtimes)


@dataclass(frozen=True)
class Solution:
    """Everything that follows from one config."""

    stack: str
    region: str
    account: str
    partition: Partition
    zones: tuple[str, str, str]
    versions: Versions
    model_bucket: str
    model_bucket_arn: str
    components: ClusterComponents
    # None: the solution has a cluster of its own.
    existing_cluster: ExistingCluster | None
    # Whether pods get their roles by EKS Pod Identity, not by IRSA.
    pod_identity: bool
    keys: KmsKeys
    api: Api
    tags: Mapping[str, str]
    image_registry: str | None
    # The permissions boundary of every role; None: roles have none.
    permissions_boundary_arn: str | None
    requests_topic_arn: str
    results_topic_arn: str
    observability: Observability
    runtimes: tuple[Runtime, ...]
    # What `generator models pull` copies into the model bucket.
    model_files: tuple[ModelFile, ...]

    @property
    def cluster(self) -> str:
        """The name of the EKS cluster."""
        return self.existing_cluster.name if self.existing_cluster else self.stack

    @property
    def auto_mode(self) -> bool:
        """Whether GPU nodes are those of EKS Auto Mode."""
        return self.existing_cluster is not None and self.existing_cluster.auto_mode

    @property
    def node_role(self) -> str:
        """The name of the IAM role of GPU nodes, where a runtime has none of its own."""
        given = self.existing_cluster.node_role if self.existing_cluster else None
        return given or names.controller_role(self.stack, "karpenter-node")

    @property
    def templates_bucket(self) -> str:
        """The S3 bucket for CloudFormation templates that are too large to send."""
        return names.templates_bucket(self.stack, self.account, self.region)

    @property
    def node_pools(self) -> tuple[NodePool, ...]:
        """The node pools, in the order of their first runtimes."""
        pools: dict[str, list[Runtime]] = {}
        for runtime in self.runtimes:
            pools.setdefault(runtime.node_pool, []).append(runtime)
        return tuple(NodePool(name, tuple(runtimes)) for name, runtimes in pools.items())

    def resource_tags(self, runtime: Runtime | None = None) -> dict[str, str]:
        """The tags of an AWS resource: the user's, the solution's, and the runtime's that it belongs to."""
        owner = {names.STACK_TAG: self.stack, **({names.RUNTIME_TAG: runtime.name} if runtime else {})}
        return {**self.tags, **owner}

    def role_arn(self, controller: str) -> str:
        """The ARN of a controller's role: `karpenter-controller`, `karpenter-node`, `keda-operator`, …"""
        role = names.controller_role(self.stack, controller)
        return names.arn(self.partition.name, "iam", "", self.account, f"role/{role}")
