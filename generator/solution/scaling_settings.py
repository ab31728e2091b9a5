"""What a runtime's pods scale by, beyond the limits that every plan needs: for the scaling model."""

from dataclasses import dataclass

from generator.solution.defaults import Defaults
from generator.solution.merge import merged
from generator.solution.model import Runtime

# Of the HorizontalPodAutoscaler, where the config sets none: templates/scaling/_helpers.tpl of the chart.
STABILIZATION_SECONDS = 150
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class ScalingSettings:
    """The settings of `runtime.scaling` and of the node pool. Times in seconds."""

    queue_length: int
    cooldown: float
    polling: float
    in_flight: bool
    stabilization: float
    # How long a node is empty before Karpenter removes it; None: never.
    consolidate_after: float | None


def settings(runtime: Runtime, defaults: Defaults) -> ScalingSettings:
    """The settings of a runtime, with defaults for what its config leaves out."""
    values = merged(defaults.runtime["extraValues"], runtime.extra_values)
    scaling = values["runtime"]["scaling"]
    down = (scaling["extraHPAConfig"] or {}).get("scaleDown") or {}
    after = str(values["karpenter"]["provisioner"]["disruption"]["consolidateAfter"])
    return ScalingSettings(
        queue_length=scaling["queueLength"],
        cooldown=float(scaling["cooldownPeriod"]),
        polling=float(max(1, scaling["pollingInterval"])),
        in_flight=scaling["scaleOnInFlight"],
        stabilization=float(down.get("stabilizationWindowSeconds", STABILIZATION_SECONDS)),
        consolidate_after=None if after == "Never" else seconds(after),
    )


def seconds(duration: str) -> float:
    """The seconds of a duration as Kubernetes writes it: `1h30m`, `45s`."""
    total, number = 0.0, ""
    for character in duration:
        if character in _UNITS:
            total, number = total + float(number or 0) * _UNITS[character], ""
        else:
            number += character
    return total
