"""A rule: a function that yields the findings in a config, with a code and one sentence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from generator.config.node import ConfigNode
from generator.config.values import typed
from generator.errors import Problem, Severity
from generator.facts import footprint
from generator.facts.facts import Facts
from generator.facts.instance_types import Resources
from generator.facts.karpenter import NodePoolRules
from generator.facts.quantity import parse
from generator.solution import capacity, direct, node_pool
from generator.solution.context import Context
from generator.solution.nodes import Nodes, Path


@dataclass(frozen=True)
class Case:
    """One config to check. `deriving`: the command derives names, so region and account must be set."""

    config: ConfigNode
    facts: Facts
    context: Context
    deriving: bool

    @cached_property
    def runtimes(self) -> list[ConfigNode]:
        """Every entry of modelsRuntime that is a mapping."""
        return [entry for entry in self.config.at("modelsRuntime").items() if isinstance(entry.value, dict)]

    @property
    def stack(self) -> str | None:
        """The name of the stack."""
        return self.config.at("stackName").text()

    @cached_property
    def eks(self) -> str:
        """The EKS version; the oldest one for a version outside the table, which SD801 reports."""
        eks, versions = self.config.at("eksVersion").text(), self.facts.eks_versions()
        return eks if eks in versions else versions[0]

    @property
    def daemons(self) -> Resources:
        """What the DaemonSets of a GPU node request."""
        observability = typed(self.config.at("observability"))
        logs, gpu_metrics = (observability[key]["enabled"] for key in ("logs", "gpuMetrics"))
        return footprint.daemons(logs=logs, gpu_metrics=gpu_metrics)

    @property
    def cluster(self) -> ConfigNode:
        """The cluster that exists already, if the config names one."""
        return self.config.at("existingCluster")

    @property
    def has_cluster(self) -> bool:
        """Whether the config is for a cluster that exists already."""
        return self.cluster.at("name").text() is not None

    @property
    def auto_mode(self) -> bool:
        """Whether GPU nodes are those of EKS Auto Mode."""
        return self.has_cluster and self.cluster.at("autoMode").flag() is True

    @cached_property
    def pools(self) -> list["Pool"]:
        """The node pool of each runtime, and the instance types that Karpenter can start in it."""
        values = [
            (runtime, node_pool_of(runtime, self.daemons, auto_mode=self.auto_mode))
            for runtime in self.runtimes
        ]
        region = self.facts.region(self.context.region or "")
        try:
            listed = node_pool.instance_types(nodes for _, nodes in values)
            zones = self.facts.zones(region.name, listed) if region else ()
        except ValueError:  # the region has too few, which SD707 reports
            zones = ()
        place = capacity.Place(region, zones)
        pods = [
            pod_requests_of(runtime, download_space(runtime, nodes.local_disks or self.auto_mode))
            for runtime, nodes in values
        ]
        return [
            Pool(runtime, nodes, pod, place, capacity.select(nodes, pod, place, self.facts))
            for (runtime, nodes), pod in zip(values, pods, strict=True)
        ]

    @property
    def node_rules(self) -> NodePoolRules:
        """What the Karpenter of this EKS version accepts."""
        return self.facts.node_pool_rules(self.eks)


@dataclass(frozen=True)
class Pool:
    """A runtime with its nodes, the requests of one of its pods, and the instance types that are left."""

    runtime: ConfigNode
    nodes: Nodes
    pod: Resources
    place: capacity.Place
    selection: capacity.Selection


@dataclass(frozen=True)
class Finding:
    """A problem at a node of the config, and its fix. `on_key`: the key itself is wrong, not its value."""

    node: ConfigNode
    message: str
    help: str
    on_key: bool = False


Finder = Callable[[Case], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A code, its severity, the rule in one sentence, and the function that finds what violates it."""

    code: str
    severity: Severity
    text: str
    find: Finder

    def problems(self, case: Case) -> Iterator[Problem]:
        """Everything that violates the rule, with line and column."""
        for finding in self.find(case):
            node, document = finding.node, finding.node.document
            line, column = (document.key if finding.on_key else document.value)(node.path)
            yield Problem(
                document.source,
                line,
                column,
                node.name,
                self.code,
                finding.message,
                finding.help,
                self.severity,
            )


def rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[Finder], Rule]:
    """Decorator: turns a function into a rule. Its docstring is the sentence."""

    def decorate(find: Finder) -> Rule:
        return Rule(code, severity, " ".join((find.__doc__ or "").split()), find)

    return decorate


WARNING = Severity.WARNING


def inference(runtime: ConfigNode) -> ConfigNode:
    """The runtime's container."""
    return runtime.at("extraValues", "runtime", "inferenceApi")


def agent(runtime: ConfigNode) -> ConfigNode:
    """The queue agent's container."""
    return runtime.at("extraValues", "runtime", "queueAgent")


@dataclass(frozen=True)
class EnvironmentVariable:
    """One variable of an `extraEnv`.

    `text`: the value as the container gets it; None for one that Kubernetes reads elsewhere (`valueFrom`).
    `node`: the value in the config. `name_node`: the name; in a mapping it is the key of `node`.
    """

    name: str
    text: str | None
    node: ConfigNode
    name_node: ConfigNode

    def on_name(self, message: str, help: str) -> Finding:
        """A problem of the name, and its fix."""
        return Finding(self.name_node, message, help, on_key=self.name_node is self.node)

    def on_value(self, message: str, help: str) -> Finding:
        """A problem of the value, and its fix."""
        return Finding(self.node, message, help)


def environment(container: ConfigNode) -> list[EnvironmentVariable]:
    """The variables of a container's `extraEnv`, in their order: a mapping, or a list as in Kubernetes."""
    extra = container.at("extraEnv")
    variables = [
        EnvironmentVariable(node.key, environment_text(node.value), node, node) for node in extra.entries()
    ]
    for item in extra.items():
        name = item.at("name").text() if isinstance(item.value, dict) else None
        if name:
            variables.append(_listed(item, name))
    return variables


def _listed(item: ConfigNode, name: str) -> EnvironmentVariable:
    source, value = item.at("valueFrom"), item.at("value")
    if source.given:
        return EnvironmentVariable(name, None, source, item.at("name"))
    # Kubernetes gives a variable without a value the empty text.
    text = environment_text(value.value) if value.given else ""
    return EnvironmentVariable(name, text, value if value.given else item, item.at("name"))


def environment_text(value: object) -> str:
    """A value as the chart writes it (sd-runtimes.env): `true`, `33554432`, `0.5`; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def karpenter(runtime: ConfigNode) -> ConfigNode:
    """The settings of the runtime's nodes: everything that Karpenter gets."""
    return runtime.at("extraValues", "karpenter")


def provisioner(runtime: ConfigNode) -> ConfigNode:
    """The NodePool's settings: which nodes Karpenter may start."""
    return runtime.at("extraValues", "karpenter", "provisioner")


def node_pool_of(
    runtime: ConfigNode, daemons: Resources = footprint.DAEMONS, *, auto_mode: bool = False
) -> Nodes:
    """The nodes that Karpenter may start for a runtime, next to these DaemonSets."""
    pool, template = typed(provisioner(runtime)), typed(node_template(runtime))
    return node_pool.nodes(pool, template, daemons, auto_mode=auto_mode)


def bucket_is_mounted(runtime: ConfigNode) -> bool:
    """Whether the models come from the bucket, and not from a claim or an image of the user."""
    persistence = runtime.at("extraValues", "runtime", "persistence")
    switches = (persistence.at("enabled"), persistence.at("s3", "enabled"))
    return all(node.flag() is not False for node in switches) and not persistence.at("existingClaim").text()


def downloads_of(runtime: ConfigNode, disks: bool) -> tuple[str, ...]:
    """The model files that each pod downloads. `disks`: its nodes have NVMe disks for files of pods."""
    models = runtime.at("extraValues", "runtime", "models")
    return direct.files(
        runtime.at("type").text() or "",
        runtime.at("modelFilename").text(),
        [node.text() or "" for node in models.at("files").items()],
        models.at("load").text() or "",
        mounted=bucket_is_mounted(runtime),
        disks=disks,
    )


def download_space(runtime: ConfigNode, disks: bool) -> Decimal:
    """Bytes of the volume for the models that each pod downloads; 0 where it downloads none."""
    limit = runtime.at("extraValues", "runtime", "models", "sizeLimit")
    return (downloads_of(runtime, disks) and parse(limit.value)) or Decimal(0)


def cache_space(runtime: ConfigNode) -> Decimal:
    """Bytes of the cache of the mount; 0 without one."""
    size = runtime.at("extraValues", "runtime", "models", "cacheSize").text()
    return (size and bucket_is_mounted(runtime) and parse(size)) or Decimal(0)


def pod_requests_of(runtime: ConfigNode, downloads: Decimal) -> Resources:
    """What one pod of a runtime requests, with a model loader if it has space for downloads."""
    resources = (typed(container.at("resources")) for container in (inference(runtime), agent(runtime)))
    traces = any(agent(runtime).at(key, "enabled").flag() for key in ("xray", "XRay"))
    cache = cache_space(runtime)
    return node_pool.pod_requests(*resources, collector=traces, downloads=downloads, cache=cache)


def node_at(runtime: ConfigNode, path: Path) -> ConfigNode:
    """The node at a path below a runtime; steps of a list are numbers."""
    node = runtime
    for step in path:
        node = node.items()[step] if isinstance(step, int) else node.at(step)
    return node


def node_template(runtime: ConfigNode) -> ConfigNode:
    """The EC2NodeClass's settings: how nodes are set up."""
    return runtime.at("extraValues", "karpenter", "nodeTemplate")
