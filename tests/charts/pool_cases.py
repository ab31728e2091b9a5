"""Pairs of runtimes that can, or cannot, share a node pool."""

from typing import Any

from .conftest import Values


def in_pool(name: str, **karpenter: Any) -> Values:
    """A runtime that shares a node pool."""
    return {"karpenter": {"nodePool": name, **karpenter}}


def requirement_of(*families: str) -> Values:
    return {"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": list(families)}


TYPES = {"instanceType": ["g6.xlarge", "g5.xlarge"]}
# Two runtimes, `a` and `b`, that cannot share a node pool: their values, and a part of the message.
DIFFERENT: dict[str, tuple[Values, Values, str]] = {
    "instance types": (
        in_pool("shared", provisioner=TYPES),
        in_pool("shared", provisioner={"instanceType": ["g6.xlarge"]}),
        "provisioner.instanceType: [g6.xlarge] here, [g5.xlarge, g6.xlarge] in runtimes.a",
    ),
    "capacity types": (
        in_pool("shared", provisioner={"capacityType": {"spot": False}}),
        in_pool("shared"),
        "provisioner.capacityType.spot: true here, false in runtimes.a",
    ),
    "limits": (
        in_pool("shared", provisioner={"resourceLimits": {"cpu": 200}}),
        in_pool("shared", provisioner={"resourceLimits": {"cpu": 20}}),
        "provisioner.resourceLimits.cpu: 20 here, 200 in runtimes.a",
    ),
    "requirements": (
        in_pool("shared"),
        in_pool("shared", provisioner={"extraRequirements": [{"key": "a.example/b", "operator": "Exists"}]}),
        "extraRequirements: [{key: a.example/b, operator: Exists}] here, not set in runtimes.a",
    ),
    "taints": (
        in_pool("shared", provisioner={"extraTaints": [{"key": "team", "effect": "NoSchedule"}]}),
        in_pool("shared", provisioner={"extraTaints": [{"key": "team", "effect": "NoExecute"}]}),
        "extraTaints: [{effect: NoExecute, key: team}] here, [{effect: NoSchedule, key: team}]",
    ),
    "labels": (
        in_pool("shared", provisioner={"labels": {"team": "film"}}),
        in_pool("shared"),
        "provisioner.labels.team: not set here, film in runtimes.a",
    ),
    "removal of nodes": (
        in_pool("shared"),
        in_pool("shared", provisioner={"disruption": {"consolidateAfter": "5m"}}),
        "provisioner.disruption.consolidateAfter: 5m here, 0s in runtimes.a",
    ),
    "image cache": (
        in_pool("shared"),
        in_pool("shared", nodeTemplate={"dataVolume": {"snapshotID": "snap-0123456789abcdef0"}}),
        "dataVolume.snapshotID: snap-0123456789abcdef0 here, not set in runtimes.a",
    ),
    "instance store": (
        in_pool("shared"),
        in_pool("shared", nodeTemplate={"instanceStorePolicy": "None"}),
        "nodeTemplate.instanceStorePolicy: None here, RAID0 in runtimes.a",
    ),
    "reservations": (
        in_pool("shared", nodeTemplate={"capacityReservationSelectorTerms": [{"id": "cr-0a"}]}),
        in_pool("shared", nodeTemplate={"capacityReservationSelectorTerms": [{"id": "cr-0b"}]}),
        "capacityReservationSelectorTerms: [{id: cr-0b}] here, [{id: cr-0a}] in runtimes.a",
    ),
    "tags": (
        in_pool("shared", nodeTemplate={"tags": {"cost-center": "1"}}),
        in_pool("shared", nodeTemplate={"tags": {"cost-center": "2"}}),
        "nodeTemplate.tags.cost-center: 2 here, 1 in runtimes.a",
    ),
    "release of the operating system": (
        in_pool("shared"),
        in_pool("shared", nodeTemplate={"amiVersion": "1.50.0"}),
        "nodeTemplate.amiVersion: 1.50.0 here, 1.51.0 in runtimes.a",
    ),
    "a value that is removed": (
        in_pool("shared"),
        in_pool("shared", nodeTemplate={"dataVolume": {"iops": None}}),
        "dataVolume.iops: not set here, 3000 in runtimes.a",
    ),
    "user data": (
        in_pool("shared"),
        in_pool("shared", nodeTemplate={"userData": ""}),
        'nodeTemplate.userData: "" here, not set in runtimes.a',
    ),
}
# Two runtimes that want the same nodes, in other words.
ALIKE: dict[str, tuple[Values, Values]] = {
    "defaults": (
        in_pool("shared"),
        in_pool("shared", provisioner={"capacityType": {"spot": True}, "labels": {}}),
    ),
    "order of types": (
        in_pool("shared", provisioner=TYPES),
        in_pool("shared", provisioner={"instanceType": ["g5.xlarge", "g6.xlarge"]}),
    ),
    "order of values": (
        in_pool(
            "shared", provisioner={"extraRequirements": [requirement_of("g5", "g6"), requirement_of("g5")]}
        ),
        in_pool(
            "shared", provisioner={"extraRequirements": [requirement_of("g5"), requirement_of("g6", "g5")]}
        ),
    ),
    "numbers and texts": (
        in_pool("shared", provisioner={"resourceLimits": {"cpu": 2000000, "nvidia.com/gpu": 10}}),
        in_pool("shared", provisioner={"resourceLimits": {"cpu": "2000000", "nvidia.com/gpu": "10"}}),
    ),
    "empty values": (
        in_pool("shared", provisioner={"extraTaints": [{"key": "team", "effect": "NoSchedule"}]}),
        in_pool(
            "shared", provisioner={"extraTaints": [{"key": "team", "effect": "NoSchedule", "value": ""}]}
        ),
    ),
    "empty lists": (
        in_pool("shared", provisioner={"extraRequirements": [{"key": "a.example/b", "operator": "Exists"}]}),
        in_pool(
            "shared",
            provisioner={"extraRequirements": [{"key": "a.example/b", "operator": "Exists", "values": []}]},
        ),
    ),
    "the v of a release": (
        in_pool("shared", nodeTemplate={"amiVersion": "1.51.0"}),
        in_pool("shared", nodeTemplate={"amiVersion": "v1.51.0"}),
    ),
    "other pods": (
        in_pool("shared"),
        {**in_pool("shared"), "runtime": {"queueAgent": {"taskTimeoutSeconds": 60}}},
    ),
    "other pools": (
        in_pool("shared"),
        in_pool("large", provisioner={"instanceType": ["g6e.xlarge"]}),
    ),
    "a pool of its own": (
        in_pool("shared"),
        in_pool("own", provisioner={"instanceType": ["g6e.xlarge"]}),
    ),
}
