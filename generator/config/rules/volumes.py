"""Volumes of the GPU nodes."""

from collections.abc import Iterator
from decimal import Decimal

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, inference, node_template, rule
from generator.config.rules.nodes import listed, request, uses_nvme
from generator.facts.quantity import GIB, gib, parse

# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html (gp3's limits of 2025-09)
MAX_GIB = {"gp3": 65536, "gp2": 16384, "io1": 16384, "io2": 65536}
IOPS = {"gp3": (3000, 80000, 500), "io1": (100, 64000, 50), "io2": (100, 256000, 1000)}
THROUGHPUT = (125, 2000)
GP3_BASE_IOPS = 3000
# The kubelet evicts pods at 90 % usage and reserves 1 GiB. Source: as for `allocatable` in nodes.py.
DISK_SHARE = Decimal("0.9")
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
    """iops must be within the limits of the volume's type and size; gp2 does not take iops."""
    for volume in _volumes(case):
        kind, iops, size = volume.at("volumeType").text() or "", volume.at("iops").whole(), _gib(volume)
        node = _given_or_type(volume, "iops")
        if kind == "gp2" and iops is not None:
            yield Finding(node, "gp2 volumes do not take iops", "set iops: null, or volumeType: gp3")
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
    for runtime in case.runtimes:
        containers = (inference(runtime), agent(runtime))
        requested = sum((request(container, "ephemeral-storage") for container in containers), Decimal(0))
        node = inference(runtime).at("resources", "requests", "ephemeral-storage")
        sizes = {"dataVolume": parse(node_template(runtime).at("dataVolume", "volumeSize").value)}
        if uses_nvme(runtime):
            sizes = {kind.name: Decimal(kind.nvme_gb * 10**9) for _, kind in listed(runtime, case)}
        for disk, size in sizes.items():
            if size and requested > (usable := size * DISK_SHARE - GIB):
                message = f"{gib(requested)} of ephemeral-storage requested; {disk} has {gib(usable)} usable"
                yield Finding(node, message, "lower the request, or use a larger disk")
