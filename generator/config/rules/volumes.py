"""Disks of the GPU nodes."""

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
# The kubelet evicts pods at 90 % and keeps 1 GiB for itself. Source: as for `allocatable` in nodes.py.
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


def _shown(volume: ConfigNode, key: str) -> ConfigNode:
    """The key that is at fault, or the volume's type when the fault is in a default."""
    place = volume.at(key)
    return place if place.given else volume.at("volumeType")


@rule("SD601", WARNING)
def snapshots_have_a_size(case: Case) -> Iterator[Finding]:
    """A volume from a snapshot should state volumeSize: EC2 refuses one that is smaller than its snapshot."""
    for volume in _volumes(case):
        snapshot, size = volume.at("snapshotID"), volume.at("volumeSize")
        if snapshot.text() and not size.given:
            what = f"without volumeSize {size.value} is used, and EC2 refuses less than the snapshot's size"
            yield Finding(snapshot, what, "add volumeSize, at least the size of the snapshot")


@rule("SD602")
def iops_suit_the_volume(case: Case) -> Iterator[Finding]:
    """iops must be within the limits of the volume's type and size; gp2 has none."""
    for volume in _volumes(case):
        kind, iops, size = volume.at("volumeType").text() or "", volume.at("iops").whole(), _gib(volume)
        place = _shown(volume, "iops")
        if kind == "gp2" and iops is not None:
            yield Finding(place, "volumes of type gp2 take no iops", "set iops: null, or volumeType: gp3")
        if kind not in IOPS or iops is None or size is None:
            continue
        least, most, each = IOPS[kind]
        most = min(most, max(each * size, GP3_BASE_IOPS if kind == "gp3" else 0))
        if not least <= iops <= most:
            what = f"{iops} iops on a {kind} volume of {size} GiB, where {least} to {most} are possible"
            yield Finding(place, what, "change iops or volumeSize")


@rule("SD603")
def throughput_suits_the_volume(case: Case) -> Iterator[Finding]:
    """throughput is for gp3 alone: 125 to 2000 MiB/s, and at most a quarter of iops."""
    for volume in _volumes(case):
        kind, throughput = volume.at("volumeType").text(), volume.at("throughput").whole()
        iops = volume.at("iops").whole() or GP3_BASE_IOPS
        place = _shown(volume, "throughput")
        if throughput is None:
            continue
        if kind in ("gp2", "io1", "io2"):
            yield Finding(
                place,
                f"volumes of type {kind} take no throughput",
                "set throughput: null, or volumeType: gp3",
            )
        elif kind == "gp3" and throughput > iops / 4:
            what = f"{throughput} MiB/s need {throughput * 4} iops, and the volume has {iops}"
            yield Finding(place, what, f"set iops: {throughput * 4}, or lower throughput")


@rule("SD604")
def sizes_are_possible(case: Case) -> Iterator[Finding]:
    """Volumes have limits by type, and the system needs 4 GiB."""
    for volume in _volumes(case):
        kind, size = volume.at("volumeType").text() or "", _gib(volume)
        if size is None:
            continue
        if size > MAX_GIB.get(kind, size):
            what = f"{size} GiB, where a {kind} volume has at most {MAX_GIB[kind]}"
            yield Finding(volume.at("volumeSize"), what, "lower volumeSize")
        if volume.key == "osVolume" and size < MIN_OS_GIB:
            yield Finding(volume.at("volumeSize"), f"Bottlerocket needs {MIN_OS_GIB}Gi", "set 4Gi or more")


@rule("SD605", WARNING)
def image_cache_is_used(case: Case) -> Iterator[Finding]:
    """With a snapshot in dataVolume, RAID0 has no effect: the NVMe disks would hide the cached images."""
    for runtime in case.runtimes:
        policy = node_template(runtime).at("instanceStorePolicy")
        snapshot = node_template(runtime).at("dataVolume", "snapshotID")
        if snapshot.text() and policy.given and policy.text() == "RAID0":
            what = "RAID0 has no effect beside dataVolume.snapshotID: NVMe disks would hide the cached images"
            yield Finding(policy, what, "set instanceStorePolicy: None, or remove the snapshot")


@rule("SD606", WARNING)
def volumes_end_with_their_node(case: Case) -> Iterator[Finding]:
    """With deleteOnTermination: false the volumes of old nodes stay and are paid for."""
    for volume in _volumes(case):
        place = volume.at("deleteOnTermination")
        if place.flag() is False:
            yield Finding(place, "the volumes of old nodes will stay and be paid for", "remove the key")


@rule("SD607")
def scratch_files_fit(case: Case) -> Iterator[Finding]:
    """Requests of ephemeral-storage must fit the disk that holds images and containers."""
    for runtime in case.runtimes:
        containers = (inference(runtime), agent(runtime))
        wanted = sum((request(each, "ephemeral-storage") for each in containers), Decimal(0))
        place = inference(runtime).at("resources", "requests", "ephemeral-storage")
        sizes = {"dataVolume": parse(node_template(runtime).at("dataVolume", "volumeSize").value)}
        if uses_nvme(runtime):
            sizes = {kind.name: Decimal(kind.nvme_gb * 10**9) for _, kind in listed(runtime, case)}
        for disk, size in sizes.items():
            if size and wanted > (usable := size * DISK_SHARE - GIB):
                what = (
                    f"{gib(wanted)} of ephemeral-storage requested; {disk} leaves {gib(usable)} of its disk"
                )
                yield Finding(place, what, "lower the request, or use a larger disk")
