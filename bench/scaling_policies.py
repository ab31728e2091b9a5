"""What `bench.scaling` compares: two sets of scaling values, and three ways in which tasks arrive."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from testing.cluster.solving import EXAMPLES, manifests, solve

INSTANCE_TYPE = "g5.xlarge"
SEED = 7

Values = dict[str, Any]


@dataclass(frozen=True)
class Policy:
    """Scaling values in original time."""

    queue_length: int
    polling: float
    cooldown: float
    maximum: int
    in_flight: bool
    behavior: Mapping[str, Any]
    consolidation: bool
    consolidate_after: float

    def values(self, faster: float) -> Values:
        """`extraValues` of a runtime with these values, `faster` times shorter."""
        return {
            "karpenter": {
                "provisioner": {
                    "instanceType": [INSTANCE_TYPE],
                    "consolidation": self.consolidation,
                    "disruption": {"consolidateAfter": f"{_short(self.consolidate_after, faster)}s"},
                }
            },
            "runtime": {
                "queueAgent": {"taskTimeoutSeconds": 120},
                "scaling": {
                    "queueLength": self.queue_length,
                    "pollingInterval": _short(self.polling, faster),
                    "cooldownPeriod": _short(self.cooldown, faster),
                    "maxReplicaCount": self.maximum,
                    "scaleOnInFlight": self.in_flight,
                    "extraHPAConfig": _shorter(self.behavior, faster),
                },
            },
        }


# charts/sd_on_eks/values.yaml of the reference system, and what its templates make of it: `scaleOnInFlight`
# stands where KEDA drops it, so running tasks count; without a behaviour the HPA has Kubernetes' own.
THEIRS = Policy(
    queue_length=10,
    polling=1,
    cooldown=60,
    maximum=20,
    in_flight=True,
    behavior={
        "scaleDown": {
            "stabilizationWindowSeconds": 300,
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        }
    },
    consolidation=True,
    consolidate_after=30,
)


def _short(seconds: float, faster: float) -> int:
    """KEDA, Karpenter and the HPA take whole seconds."""
    return max(1, round(seconds / faster)) if seconds else 0


def _shorter(behavior: Any, faster: float) -> Any:
    if isinstance(behavior, Mapping):
        return {
            key: _short(value, faster) if key.endswith("Seconds") else _shorter(value, faster)
            for key, value in behavior.items()
        }
    return [_shorter(each, faster) for each in behavior] if isinstance(behavior, list) else behavior


def defaults() -> Policy:
    """Our own: what the charts render for a config that says nothing of scaling."""
    objects = manifests(solve(next(path for path in EXAMPLES if path.stem == "minimal")))
    scaled = next(item["spec"] for item in objects if item["kind"] == "ScaledObject")
    pool = next(item["spec"]["disruption"] for item in objects if item["kind"] == "NodePool")
    trigger = scaled["triggers"][0]["metadata"]
    return Policy(
        queue_length=int(trigger["queueLength"]),
        polling=scaled["pollingInterval"],
        cooldown=scaled["cooldownPeriod"],
        maximum=THEIRS.maximum,
        in_flight=trigger["scaleOnInFlight"] == "true",
        behavior=scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
        consolidation=pool["consolidationPolicy"] != "WhenEmpty",
        consolidate_after=_seconds(pool["consolidateAfter"]),
    )


def _seconds(duration: str) -> float:
    return float(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]


def burst() -> list[float]:
    """40 tasks at once."""
    return [0.0] * 40


def steady() -> list[float]:
    """One task in 15 s for 20 minutes, at random."""
    chance = random.Random(SEED)
    arrivals, at = [], chance.expovariate(1 / 15)
    while at < 1200:
        arrivals.append(at)
        at += chance.expovariate(1 / 15)
    return arrivals


def diurnal() -> list[float]:
    """Two days of 20 minutes: from nothing to six tasks a minute and back; half of each day is night."""
    chance, arrivals, at = random.Random(SEED), [], 0.0
    while (at := at + chance.expovariate(0.1)) < 2400:
        if chance.random() < max(0.0, math.sin(2 * math.pi * at / 1200)):
            arrivals.append(at)
    return arrivals


TRACES: dict[str, Callable[[], list[float]]] = {"burst": burst, "steady": steady, "diurnal": diurnal}
