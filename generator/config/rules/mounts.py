"""The mount of the model bucket: its options, and how long it lasts while a node is drained."""

from collections.abc import Hashable, Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, bucket_is_mounted, cache_space, rule
from generator.config.rules.node_pools import shared_pools
from generator.config.rules.volumes import claims
from generator.facts import mount_options
from generator.facts.quantity import GIB, parse
from generator.facts.versions import CSI_POD_GRACE_SECONDS
from generator.solution.limits import STORE_SECONDS


def _mounts(case: Case) -> Iterator[tuple[ConfigNode, ConfigNode]]:
    """Each runtime whose models are mounted from a bucket, and the settings of the mount."""
    for runtime in case.runtimes:
        for models in claims([runtime]):
            if models.at("s3", "enabled").flag() is not False:
                yield runtime, models.at("s3")


@rule("SD986")
def mount_options_are_of_mountpoint(case: Case) -> Iterator[Finding]:
    """mountOptions takes options of Mountpoint for S3 that suit a read-only mount and are not set already."""
    region = case.facts.region(case.context.region or "")
    for _, mount in _mounts(case):
        items = mount.at("mountOptions").items()
        if not all(isinstance(item.value, str) for item in items):
            continue  # the schema reports it
        texts = [str(item.value) for item in items]
        for fault in case.facts.mount_options.faults(texts, case.eks, region.partition if region else None):
            yield Finding(items[fault.index], fault.message, fault.help)


@rule("SD320")
def caches_can_be_used(case: Case) -> Iterator[Finding]:
    """models.cacheSize needs models from the bucket, EKS 1.29 or later, and room for a model."""
    for runtime in case.runtimes:
        node = runtime.at("extraValues", "runtime", "models", "cacheSize")
        size = parse(node.value) if node.text() else None
        if size is None:
            continue
        if not bucket_is_mounted(runtime):
            yield Finding(
                node, "the models do not come from the bucket: nothing is cached", "remove the key", True
            )
        elif not case.facts.versions(case.eks).csi_has_pods:
            facts = case.facts
            first = next(eks for eks in facts.eks_versions() if facts.versions(eks).csi_has_pods)
            message = f"the CSI driver of EKS {case.eks} has no cache that Kubernetes limits"
            yield Finding(node, message, f"set eksVersion: {first} or later, or remove the key")
        elif size < GIB:
            yield Finding(node, f"{node.value} is less than any model", "set 1Gi or more")


@rule("SD321", WARNING)
def caches_are_on_fast_disks(case: Case) -> Iterator[Finding]:
    """A cache on an EBS volume is hardly faster than the bucket; NVMe disks are."""
    for pool in case.pools:
        if cache_space(pool.runtime) and not (pool.nodes.local_disks or case.auto_mode):
            node = pool.runtime.at("extraValues", "runtime", "models", "cacheSize")
            message = "the nodes keep the cache on their EBS volume, which is not faster than the bucket"
            yield Finding(
                node, message, "set karpenter.nodeTemplate.instanceStorePolicy: RAID0, or remove the key"
            )


@rule("SD322", WARNING)
def caches_on_shared_nodes_are_one(case: Case) -> Iterator[Finding]:
    """Runtimes that share nodes and read the same folder should share its cache: with equal mounts."""
    for runtimes in shared_pools(case).values():
        firsts: dict[tuple[str | None, str | None], ConfigNode] = {}
        for runtime in filter(cache_space, runtimes):
            first = firsts.setdefault(_folder(runtime), runtime)
            name = first.at("name").value
            for (node, value), (_, expected) in zip(_mount(runtime), _mount(first), strict=True):
                if value != expected:
                    size = runtime.at("extraValues", "runtime", "models", "cacheSize")
                    message = f"{node.key} differs from that of runtime {name!r}, which shares the nodes: "
                    message += "each node has two caches, each with this model folder"
                    yield Finding(node if node.given else size, message, "set the same value for both")


def _folder(runtime: ConfigNode) -> tuple[str | None, str | None]:
    """The bucket and the folder in it that is mounted."""
    mount = runtime.at("extraValues", "runtime", "persistence", "s3")
    options = [item.text() or "" for item in mount.at("mountOptions").items()]
    return mount.at("modelBucket").text(), mount_options.value(options, "prefix")


def _mount(runtime: ConfigNode) -> Iterator[tuple[ConfigNode, Hashable]]:
    """What must be equal for runtimes that share a cache, and its value."""
    persistence = runtime.at("extraValues", "runtime", "persistence")
    options = persistence.at("s3", "mountOptions")
    yield runtime.at("namespace"), runtime.at("namespace").text()
    size = runtime.at("extraValues", "runtime", "models", "cacheSize")
    yield size, size.text()
    yield options, frozenset(mount_options.parse(item.text() or "") for item in options.items())
    yield persistence.at("size"), str(persistence.at("size").value)
    yield persistence.at("accessModes"), tuple(persistence.at("accessModes").words())


@rule("SD987", WARNING)
def long_tasks_outlive_a_drain(case: Case) -> Iterator[Finding]:
    """In EKS 1.29 and later, `kubectl drain` ends the mounts of a node 600 seconds after it begins."""
    if not case.facts.versions(case.eks).csi_has_pods:
        return
    for runtime, _ in _mounts(case):
        node = agent(runtime).at("taskTimeoutSeconds")
        seconds = node.whole()
        if node.given and seconds is not None and seconds + STORE_SECONDS > CSI_POD_GRACE_SECONDS:
            message = (
                f"a task may run for {seconds} seconds; `kubectl drain` ends the mount of its models "
                f"after {CSI_POD_GRACE_SECONDS}"
            )
            help = (
                "drain GPU nodes by deleting their NodeClaim: Karpenter ends the mounts after the tasks; "
                f"or set {CSI_POD_GRACE_SECONDS - STORE_SECONDS} or less"
            )
            yield Finding(node, message, help)
