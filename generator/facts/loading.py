"""How fast a model file gets from S3 into the memory of a GPU, by the way it is read.

docs/model-loading.md has the measurements: `make bench-model-load`.
"""

from dataclasses import dataclass

GIGABIT = 125_000_000
MIB = 2**20


@dataclass(frozen=True)
class Way:
    """A way of loading: the share of the network's bandwidth that it uses, and what it waits for in addition.

    `seconds`: once for each file. `copy`: bytes per second of what is read again from the disk, 0 for none.
    """

    share: float
    seconds: float
    copy: float = 0.0


# 48 range requests at a time, 2026-11-26, 10 Gbps: 6.94 GB in 6.03 s, 2.13 GB in 2.10 s. Then the program
# reads the file, which is in the page cache: 6.94 GB into the memory of an H200 in 1.51 s, same day.
DIRECT = Way(share=0.98, seconds=0.36, copy=4.6e9)
# Mountpoint for S3, one sequential reader, the same server, 2026-11-27: 0.37 to 0.47 of its bandwidth. With
# a first byte after 30 ms and no limit of a stream it is 0.79: S3 may be faster than what AWS documents.
MOUNT = Way(share=0.45, seconds=0.1)
WAYS = {"direct": DIRECT, "mount": MOUNT}


def seconds(size: int, way: str, network_gbps: float, disk_mib: int | None = None) -> float | None:
    """How long a file of `size` bytes takes; None for an unknown bandwidth.

    `disk_mib`: MiB per second of the disk that it is written to, where that limits a download.
    """
    if not network_gbps:
        return None
    rule = WAYS[way]
    rate = network_gbps * GIGABIT * rule.share
    if way == "direct" and disk_mib:
        rate = min(rate, disk_mib * MIB)
    return rule.seconds + size / rate + (size / rule.copy if rule.copy else 0.0)
