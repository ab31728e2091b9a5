"""Values that the guards of sd-runtimes reject for nodes of EKS Auto Mode, with a part of each message."""

from .conftest import Values, nested
from .guard_cases import NODE, POOL, requirement, reservations

AUTO_MODE = {"clusterName": "platform", "autoMode": True, "eksVersion": "1.35"}
_LONG_LIVED = "is more than the 504 h that a node of EKS Auto Mode may live"
# Each is a valid runtime on other nodes.
AUTO_MODE_CASES: dict[str, tuple[Values, str]] = {
    "ami": (nested(f"{NODE}.amiVersion", "1.61.0"), "amiVersion: on EKS Auto Mode, AWS chooses"),
    "user-data": (nested(f"{NODE}.userData", '[settings]\nmotd = "a"\n'), "userData: on EKS Auto Mode"),
    "os-volume": (nested(f"{NODE}.osVolume.volumeSize", "20Gi"), "osVolume: on EKS Auto Mode"),
    "no-raid": (nested(f"{NODE}.instanceStorePolicy", "None"), "always uses the NVMe disks"),
    "image-cache": (
        nested(f"{NODE}.dataVolume", {"volumeSize": "100Gi", "snapshotID": "snap-0123456789abcdef0"}),
        "dataVolume.snapshotID: volumes of EKS Auto Mode have no snapshot",
    ),
    "io2": (
        nested(f"{NODE}.dataVolume", {"volumeType": "io2", "throughput": None}),
        "volumes of EKS Auto Mode are gp3, not io2",
    ),
    "kept-volume": (nested(f"{NODE}.dataVolume.deleteOnTermination", False), "deletes the volumes of a node"),
    "many-iops": (nested(f"{NODE}.dataVolume.iops", 16001), "accepts 3000 to 16000: change 16001"),
    "much-throughput": (
        nested(f"{NODE}.dataVolume", {"iops": 5000, "throughput": 1001}),
        "accepts 125 to 1000: change 1001",
    ),
    "open-reservations": (
        reservations({"instanceMatchCriteria": "open"}),
        "selects reservations by id or tags: remove instanceMatchCriteria",
    ),
    "label-of-karpenter": (
        requirement(key="karpenter.k8s.aws/instance-family", values=["g5"]),
        "do not have the label karpenter.k8s.aws/instance-family",
    ),
    "label-of-karpenter-on-nodes": (
        nested(f"{POOL}.labels", {"karpenter.k8s.aws/instance-gpu-name": "a10g"}),
        "do not have the label karpenter.k8s.aws/instance-gpu-name",
    ),
    "unknown-label-of-aws": (
        requirement(key="eks.amazonaws.com/instance-tenancy", values=["default"]),
        "do not have the label eks.amazonaws.com/instance-tenancy",
    ),
    "os-label": (
        requirement(key="kubernetes.io/os", values=["linux"]),
        "do not have the label kubernetes.io/os",
    ),
    "reserved-tag": (
        nested(f"{NODE}.tags", {"karpenter.sh/managed-by": "us"}),
        '"karpenter.sh/managed-by" is reserved by EKS Auto Mode',
    ),
    "old-nodes": (nested(f"{POOL}.disruption.expireAfter", "504h"), _LONG_LIVED),
    "nodes-that-stay": (nested(f"{POOL}.disruption.expireAfter", "Never"), _LONG_LIVED),
    "slow-to-drain": (
        {
            "karpenter": {"provisioner": {"disruption": {"expireAfter": "503h59m59s"}}},
            "runtime": {"queueAgent": {"taskTimeoutSeconds": 60}},
        },
        "with 720 s to drain, 503h59m59s is more than",
    ),
}
