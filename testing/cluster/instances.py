"""The GPU instance types that Karpenter's kwok provider offers, made from the project's own instance data."""

import json
from typing import Any

from generator.facts.facts import Facts, InstanceType
from generator.paths import data

FAMILIES = ("g4dn", "g5", "g6", "g6e")
ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")
SPOT_SHARE = 0.4  # of the list price: what a spot instance is worth here; real spot prices move
PODS = "58"


def offers(facts: Facts, prices: dict[str, float]) -> str:
    """The instance-types file of the kwok provider, as JSON."""
    found = (facts.instance_type(name) for name in facts.instance_types())
    gpus = [kind for kind in found if kind and kind.gpus and kind.name.split(".")[0] in FAMILIES]
    return json.dumps([_instance_type(kind, prices[kind.name]) for kind in gpus if kind.name in prices])


def _instance_type(kind: InstanceType, price: float) -> dict[str, Any]:
    return {
        "name": kind.name,
        "architecture": "amd64" if kind.arch == "x86_64" else kind.arch,
        "operatingSystems": ["linux"],
        "resources": {
            "cpu": str(kind.vcpu),
            "memory": f"{kind.memory_mib}Mi",
            "ephemeral-storage": f"{kind.nvme_gb or 100}G",
            "pods": PODS,
            "nvidia.com/gpu": str(kind.gpus),
        },
        "offerings": [
            _offering(kind, zone, capacity, price * share)
            for zone in ZONES
            for capacity, share in (("on-demand", 1.0), ("spot", SPOT_SHARE))
        ],
    }


def _offering(kind: InstanceType, zone: str, capacity: str, price: float) -> dict[str, Any]:
    labels = {
        "karpenter.sh/capacity-type": capacity,
        "topology.kubernetes.io/zone": zone,
        # Labels of the AWS provider that a NodePool may ask for; the kwok provider learns them from here.
        "karpenter.k8s.aws/instance-local-nvme": str(kind.nvme_gb),
        "karpenter.k8s.aws/instance-gpu-count": str(kind.gpus),
        "karpenter.k8s.aws/instance-gpu-name": kind.gpu_name.lower(),
        "karpenter.k8s.aws/instance-family": kind.name.split(".")[0],
    }
    return {
        "Price": round(price, 4),
        "Available": True,
        "Requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in labels.items()],
    }


def facts() -> Facts:
    """The generator's own facts."""
    return Facts(data())
