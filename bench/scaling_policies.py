"""The input of `bench.scaling`: two sets of scaling values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testing.cluster.chart import EXAMPLES, load_solution, manifests

INSTANCE_TYPE = "g5.xlarge"

Values = dict[str, Any]


@dataclass(frozen=True)
class Policy:
    """Scaling values, in original time (seconds)."""

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


# The values of charts/sd_on_eks/values.yaml of the reference system, as its templates render them:
# `scaleOnInFlight` is in a place that KEDA ignores, so running tasks count; the HPA has Kubernetes' defaults.
REFERENCE_POLICY = Policy(
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
    """A shorter time in whole seconds, as KEDA, Karpenter and the HPA expect."""
    return max(1, round(seconds / faster)) if seconds else 0


def _shorter(behavior: Any, faster: float) -> Any:
    if isinstance(behavior, Mapping):
        return {
            key: _short(value, faster) if key.endswith("Seconds") else _shorter(value, faster)
            for key, value in behavior.items()
        }
    return [_shorter(item, faster) for item in behavior] if isinstance(behavior, list) else behavior


def defaults() -> Policy:
    """The chart's defaults, from its objects for a config without scaling values."""
    objects = manifests(load_solution(next(path for path in EXAMPLES if path.stem == "minimal")))
    scaled = next(item["spec"] for item in objects if item["kind"] == "ScaledObject")
    pool = next(item["spec"]["disruption"] for item in objects if item["kind"] == "NodePool")
    trigger = scaled["triggers"][0]["metadata"]
    return Policy(
        queue_length=int(trigger["queueLength"]),
        polling=scaled["pollingInterval"],
        cooldown=scaled["cooldownPeriod"],
        maximum=REFERENCE_POLICY.maximum,
        in_flight=trigger["scaleOnInFlight"] == "true",
        behavior=scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
        consolidation=pool["consolidationPolicy"] != "WhenEmpty",
        consolidate_after=_seconds(pool["consolidateAfter"]),
    )


def _seconds(duration: str) -> float:
    return float(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]
