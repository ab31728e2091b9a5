"""The GPU instance types for Karpenter's kwok provider, from the generator's instance data."""

import json
from typing import Any

from generator.facts.facts import Facts
from generator.facts.instance_types import InstanceType
from generator.paths import data

FAMILIES = ("g4dn", "g5", "g6", "g6e")
ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")
SPOT_SHARE = 0.4  # spot price as a share of the list price; real spot prices vary
PODS = "58"


def offers(facts: Facts, prices: dict[str, float]) -> str:
    """The instance-types file of the kwok provider, as JSON."""
    types = (facts.instance_type(name) for name in facts.instance_types())
    gpus = [kind for kind in types if kind and kind.gpus and kind.name.split(".")[0] in FAMILIES]
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
        # Labels of the AWS provider that a NodePool can require; the kwok provider takes them from here.
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
    """The facts that ship with the generator."""
    return Facts(data())
