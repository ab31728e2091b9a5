"""Volumes: those of the GPU nodes, and the claim for the models."""

from collections.abc import Iterable, Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import (
    WARNING,
    Case,
    Finding,
    cache_space,
    download_space,
    inference,
    node_template,
    rule,
)
from generator.config.rules.nodes import listed
from generator.facts.instance_types import usable
from generator.facts.quantity import GIB, gib, parse

# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html (gp3's limits of 2025-09)
MAX_GIB = {"gp3": 65536, "gp2": 16384, "io1": 16384, "io2": 65536}
IOPS = {"gp3": (3000, 80000, 500), "io1": (100, 64000, 50), "io2": (100, 256000, 1000)}
THROUGHPUT = (125, 2000)
GP3_BASE_IOPS = 3000
# The access modes that the S3 CSI driver supports.
S3_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany")
# Bottlerocket's system volume. https://github.com/bottlerocket-os/bottlerocket (variants: os-image-size-gib)
MIN_OS_GIB = 4


def _volumes(case: Case) -> Iterator[ConfigNode]:
    for runtime in case.runtimes:
        yield node_template(runtime).at("osVolume")
        yield node_template(runtime).at("dataVolume")


def _gib(volume: ConfigNode) -> int | None:
    size = parse(volume.at("volumeSize").value)
    return None if size is None else int(size // GIB)


def _given_or_type(volume: ConfigNode, key: str) -> ConfigNode:
    """The key if the config sets it, otherwise the volume's type: a default does not fit it."""
    node = volume.at(key)
    return node if node.given else volume.at("volumeType")


@rule("SD601", WARNING)
def snapshots_have_a_size(case: Case) -> Iterator[Finding]:
    """A volume from a snapshot should set volumeSize: EC2 rejects a volume smaller than its snapshot."""
    for volume in _volumes(case):
        snapshot, size = volume.at("snapshotID"), volume.at("volumeSize")
        if snapshot.text() and not size.given:
            message = f"volumeSize defaults to {size.value}; EC2 rejects a volume smaller than its snapshot"
            yield Finding(snapshot, message, "set volumeSize to at least the size of the snapshot")


@rule("SD602")
def iops_suit_the_volume(case: Case) -> Iterator[Finding]:
    """iops must be within the limits of the volume's type and size: io1 and io2 need it, gp2 takes none."""
    for volume in _volumes(case):
        kind, iops, size = volume.at("volumeType").text() or "", volume.at("iops").whole(), _gib(volume)
        node = _given_or_type(volume, "iops")
        if kind == "gp2" and iops is not None:
            yield Finding(node, "gp2 volumes do not take iops", "set iops: null, or volumeType: gp3")
        if kind in ("io1", "io2") and iops is None:
            message = f"an {kind} volume needs iops: EC2 has no default for this type"
            yield Finding(node, message, "set iops, such as 3000, or volumeType: gp3")
        if kind not in IOPS or iops is None or size is None:
            continue
        minimum, maximum, per_gib = IOPS[kind]
        maximum = min(maximum, max(per_gib * size, GP3_BASE_IOPS if kind == "gp3" else 0))
        if not minimum <= iops <= maximum:
            message = f"{iops} iops; a {kind} volume of {size} GiB takes {minimum} to {maximum}"
            yield Finding(node, message, "change iops or volumeSize")


@rule("SD603")
def throughput_suits_the_volume(case: Case) -> Iterator[Finding]:
    """throughput is for gp3 only: 125 to 2000 MiB/s, and at most a quarter of iops."""
    for volume in _volumes(case):
        kind, throughput = volume.at("volumeType").text(), volume.at("throughput").whole()
        iops = volume.at("iops").whole() or GP3_BASE_IOPS
        node = _given_or_type(volume, "throughput")
        if throughput is None:
            continue
        if kind in ("gp2", "io1", "io2"):
            yield Finding(
                node,
                f"{kind} volumes do not take throughput",
                "set throughput: null, or volumeType: gp3",
            )
        elif kind == "gp3" and throughput > iops / 4:
            message = f"{throughput} MiB/s need {throughput * 4} iops; the volume has {iops}"
            yield Finding(node, message, f"set iops: {throughput * 4}, or lower throughput")


@rule("SD971")
def initialization_rate_has_a_snapshot(case: Case) -> Iterator[Finding]:
    """volumeInitializationRate is for a volume from a snapshot: a volume without one has nothing to load."""
    for volume in _volumes(case):
        node = volume.at("volumeInitializationRate")
        if node.whole() is not None and not volume.at("snapshotID").text():
            yield Finding(
                node, "the volume is created without a snapshot", "set snapshotID, or remove the key"
            )


@rule("SD604")
def sizes_are_within_limits(case: Case) -> Iterator[Finding]:
    """Volume sizes must be within the limits of their type; Bottlerocket needs 4 GiB."""
    for volume in _volumes(case):
        kind, size = volume.at("volumeType").text() or "", _gib(volume)
        if size is None:
            continue
        if size > MAX_GIB.get(kind, size):
            message = f"{size} GiB; the maximum of a {kind} volume is {MAX_GIB[kind]} GiB"
            yield Finding(volume.at("volumeSize"), message, "lower volumeSize")
        elif (unit := case.node_rules.unit_above_limit(volume.at("volumeSize").text() or "")) is not None:
            limit = case.node_rules.volume_sizes[unit]
            message = f"Karpenter rejects this size: with the unit {unit} it takes 1 to {limit}"
            help = "write the size in Gi" if unit == "Ti" else "lower volumeSize"
            yield Finding(volume.at("volumeSize"), message, help)
        if volume.key == "osVolume" and size < MIN_OS_GIB:
            yield Finding(
                volume.at("volumeSize"), f"Bottlerocket needs {MIN_OS_GIB}Gi", f"set {MIN_OS_GIB}Gi or more"
            )


@rule("SD605", WARNING)
def image_cache_is_used(case: Case) -> Iterator[Finding]:
    """With a snapshot in dataVolume, RAID0 has no effect: NVMe disks would hide the cached images."""
    for runtime in case.runtimes:
        policy = node_template(runtime).at("instanceStorePolicy")
        snapshot = node_template(runtime).at("dataVolume", "snapshotID")
        if snapshot.text() and policy.given and policy.text() == "RAID0":
            message = (
                "RAID0 has no effect with dataVolume.snapshotID: NVMe disks would hide the cached images"
            )
            yield Finding(policy, message, "set instanceStorePolicy: None, or remove the snapshot")


@rule("SD606", WARNING)
def volumes_are_deleted_with_their_node(case: Case) -> Iterator[Finding]:
    """With deleteOnTermination: false, the volumes of deleted nodes remain and cost money."""
    for volume in _volumes(case):
        node = volume.at("deleteOnTermination")
        if node.flag() is False:
            yield Finding(node, "volumes of deleted nodes remain and cost money", "remove the key")


@rule("SD607")
def ephemeral_storage_fits(case: Case) -> Iterator[Finding]:
    """Requests for ephemeral-storage must fit the disk for images and containers."""
    for pool in case.pools:
        node = inference(pool.runtime).at("resources", "requests", "ephemeral-storage")
        downloads = download_space(pool.runtime, pool.nodes.local_disks or case.auto_mode)
        models = f", {gib(downloads)} of it for downloaded models" if downloads else ""
        cache = cache_space(pool.runtime)
        models += f", {gib(cache)} of it for the cache" if cache else ""
        for key, space in (("sizeLimit", downloads), ("cacheSize", cache)):
            if space > pool.pod.storage / 2:
                node = pool.runtime.at("extraValues", "runtime", "models", key)
        sizes = {"dataVolume": parse(pool.nodes.data_volume.size)}
        if pool.nodes.local_disks:
            sizes = {kind.name: kind.local_disks() for _, kind in listed(pool, case)}
        for disk, size in sizes.items():
            if size and pool.pod.storage > usable(size):
                message = f"{gib(pool.pod.storage)} of ephemeral-storage requested{models}; "
                message += f"{disk} has {gib(usable(size))} usable"
                yield Finding(node, message, f"lower {node.key}, or use a larger disk")


def claims(runtimes: Iterable[ConfigNode]) -> Iterator[ConfigNode]:
    """The settings of each runtime's volume claim, where the chart creates one."""
    for runtime in runtimes:
        models = runtime.at("extraValues", "runtime", "persistence")
        if models.at("enabled").flag() is not False and not models.at("existingClaim").text():
            yield models


@rule("SD608")
def access_modes_suit_s3(case: Case) -> Iterator[Finding]:
    """The S3 CSI driver mounts a bucket only with the access modes ReadOnlyMany and ReadWriteMany."""
    # https://github.com/awslabs/mountpoint-s3-csi-driver/blob/v2.7.0/docs/CONFIGURATION.md
    for models in claims(case.runtimes):
        node = models.at("accessModes")
        modes = [mode for mode in node.words() if mode not in S3_ACCESS_MODES]
        if modes and models.at("s3", "enabled").flag() is not False:
            message = (
                f"the S3 CSI driver does not support {' and '.join(modes)}: no pod could mount the models"
            )
            yield Finding(node, message, "use [ReadOnlyMany], or remove the key")


@rule("SD609")
def one_pod_access_is_alone(case: Case) -> Iterator[Finding]:
    """Kubernetes rejects the access mode ReadWriteOncePod together with others."""
    for models in claims(case.runtimes):
        node = models.at("accessModes")
        if "ReadWriteOncePod" in node.words() and len(node.words()) > 1:
            yield Finding(
                node, "ReadWriteOncePod cannot be combined with other access modes", "keep one mode"
            )


@rule("SD610", WARNING)
def claims_are_for_all_pods(case: Case) -> Iterator[Finding]:
    """A claim that one node or one pod can use keeps the runtime from having pods on several nodes."""
    for models in claims(case.runtimes):
        node = models.at("accessModes")
        shared = {"ReadOnlyMany", "ReadWriteMany"} & set(node.words())
        if models.at("s3", "enabled").flag() is False and node.words() and not shared:
            message = "only one node can mount the models: pods on other nodes would stay pending"
            yield Finding(node, message, "use ReadOnlyMany or ReadWriteMany, or set maxReplicaCount: 1")
