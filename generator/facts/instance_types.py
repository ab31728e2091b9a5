"""An EC2 instance type as Karpenter sees it: its labels, its capacity, and what of it pods can use.

Source of every formula: pkg/providers/instancetype/types.go of aws/karpenter-provider-aws, v1.8.8 to v1.14.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from generator.facts.quantity import GIB, MIB

# Karpenter's own labels have this prefix, and their names no other.
KARPENTER_PREFIX = "karpenter.k8s.aws/"
# The prefix of the same labels on nodes of EKS Auto Mode.
# https://docs.aws.amazon.com/eks/latest/userguide/create-node-pool.html
AUTO_MODE_PREFIX = "eks.amazonaws.com/"

_NAME = re.compile(r"([a-z]+)(?:-[0-9]+tb)?([0-9]+)")
# Labels that no type with an NVIDIA GPU has: of AWS's own accelerators, of placement groups (the chart
# selects none), of Windows.
_ABSENT = (
    "karpenter.k8s.aws/instance-accelerator-count",
    "karpenter.k8s.aws/instance-accelerator-manufacturer",
    "karpenter.k8s.aws/instance-accelerator-name",
    "karpenter.k8s.aws/placement-group-id",
    "karpenter.k8s.aws/placement-group-partition",
    "node.kubernetes.io/windows-build",
)


@dataclass(frozen=True)
class Resources:
    """Cores, bytes of memory, bytes of the disk for images and containers, GPUs."""

    cores: Decimal = Decimal(0)
    memory: Decimal = Decimal(0)
    storage: Decimal = Decimal(0)
    gpus: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.cores + other.cores,
            self.memory + other.memory,
            self.storage + other.storage,
            self.gpus + other.gpus,
        )

    def fit(self, room: "Resources") -> bool:
        """Whether there is room for all of it."""
        return (
            self.cores <= room.cores
            and self.memory <= room.memory
            and self.storage <= room.storage
            and self.gpus <= room.gpus
        )


@dataclass(frozen=True)
class InstanceType:
    """One EC2 instance type. `gpus` counts whole GPUs: Kubernetes cannot schedule a fraction of one.

    `ebs_mbps` is 0 where EBS optimization is not on by default; `hypervisor` is empty for bare metal.
    `network_gbps`: the peak bandwidth of the network card that pods use, in Gbit/s.
    """

    name: str
    vcpu: int
    memory_mib: int
    arch: str
    pods: int
    cpu_manufacturer: str = ""
    cpu_mhz: int = 0
    hypervisor: str = ""
    spot: bool = False
    encrypts_in_transit: bool = False
    ebs_mbps: int = 0
    network_gbps: float = 0.0
    gpus: int = 0
    gpu_name: str = ""
    gpu_manufacturer: str = ""
    gpu_memory_mib: int = 0
    nvme_gb: int = 0

    @property
    def family(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    @property
    def nvidia_gpus(self) -> int:
        """The number of whole NVIDIA GPUs."""
        return self.gpus if self.gpu_manufacturer == "nvidia" else 0

    def size(self) -> tuple[int, int, int, str]:
        """A key that sorts types from small to large."""
        return self.gpus, self.vcpu, self.memory_mib, self.name

    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """The values of each label that follows from the type; none where its nodes lack the label."""
        category = _NAME.match(self.family)
        own = {
            "instance-category": category[1] if category else "",
            "instance-generation": category[2] if category else "",
            "instance-family": self.family,
            "instance-size": self.name.partition(".")[2],
            "instance-capability-flex": str("-flex" in self.family).lower(),
            "instance-cpu": str(self.vcpu),
            "instance-cpu-manufacturer": self.cpu_manufacturer,
            "instance-cpu-sustained-clock-speed-mhz": str(self.cpu_mhz),
            "instance-memory": str(self.memory_mib),
            "instance-hypervisor": self.hypervisor,
            "instance-encryption-in-transit-supported": str(self.encrypts_in_transit).lower(),
            "instance-ebs-bandwidth": str(self.ebs_mbps or ""),
            "instance-gpu-count": str(self.gpus) if self.gpu_name else "",
            "instance-gpu-name": self.gpu_name,
            "instance-gpu-manufacturer": self.gpu_manufacturer,
            "instance-gpu-memory": str(self.gpu_memory_mib or ""),
            "instance-local-nvme": str(self.nvme_gb or ""),
        }
        labels = {KARPENTER_PREFIX + name: (value,) if value else () for name, value in own.items()}
        return {
            "node.kubernetes.io/instance-type": (self.name,),
            **labels,
            KARPENTER_PREFIX + "instance-tenancy": ("default", "dedicated"),
            **dict.fromkeys(_ABSENT, ()),
        }

    def capacity(self) -> Resources:
        """What a node has, without its disk. Karpenter compares this with the limits of a NodePool.

        7.5 % of the memory goes to the hypervisor (vmMemoryOverheadPercent).
        """
        memory = self.memory_mib - -(-self.memory_mib * 75 // 1000)
        return Resources(Decimal(self.vcpu), Decimal(memory * MIB), gpus=self.nvidia_gpus)

    def allocatable(self, disk: Decimal = Decimal(0)) -> Resources:
        """What pods can use on a node whose disk for images and containers has that many bytes.

        Memory: 255 MiB and 11 MiB for each possible pod go to the kubelet, 100 MiB to its eviction threshold.
        Cores: 6 % of the first, 1 % of the second, 0.5 % of the next two, 0.25 % of the others go to it too.
        Disk: 10 % and 1 GiB. Karpenter's page says 7910m and 29317Mi for g5.2xlarge, as this does.
        """
        milli = self.vcpu * 1000
        ranges = ((0, 1000, 60), (1000, 2000, 10), (2000, 4000, 5), (4000, 1 << 31, Decimal("2.5")))
        reserved = sum(
            int((min(milli, end) - start) * per / 1000) for start, end, per in ranges if milli >= start
        )
        memory = self.capacity().memory - (255 + 11 * self.pods + 100) * MIB
        return Resources(Decimal(milli - reserved) / 1000, memory, usable(disk), self.nvidia_gpus)

    def local_disks(self) -> Decimal:
        """Bytes of the local NVMe disks together."""
        return Decimal(self.nvme_gb * 10**9)


def usable(disk: Decimal) -> Decimal:
    """The bytes of a disk that pods can request: the kubelet evicts pods at 90 % usage and reserves 1 GiB."""
    return max(disk * Decimal("0.9") - GIB, Decimal(0))
