"""What a requirement of a NodePool means: the label it is about, and the values that it accepts."""

from collections.abc import Sequence

from generator.facts.instance_types import KARPENTER_PREFIX
from generator.solution.nodes import Requirement

# Karpenter reads these keys as the ones on the right. Source: NormalizedLabels in pkg/apis/v1/labels.go of
# kubernetes-sigs/karpenter.
ALIASES = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
}


def label(key: str) -> str:
    """The key of a label under its present name."""
    return ALIASES.get(key, key)


def accepts(requirement: Requirement, values: Sequence[str]) -> tuple[str, ...] | None:
    """Those values of a label that a requirement accepts; None when a node with them does not meet it.

    No values: the node does not have the label. A requirement that is not valid accepts everything.
    """
    listed, operator = requirement.values, requirement.operator
    if operator in ("In", "NotIn") and not listed:
        return tuple(values)
    if operator == "DoesNotExist" or (operator == "NotIn" and not values):
        return None if values else ()
    if operator == "In":
        accepted = [value for value in values if value in listed]
    elif operator == "NotIn":
        accepted = [value for value in values if value not in listed]
    elif operator in _BOUNDS:
        accepted = [value for value in values if _within(operator, value, listed)]
    else:
        accepted = list(values)
    return tuple(accepted) or None


_BOUNDS = {
    "Gt": lambda value, bound: value > bound,
    "Gte": lambda value, bound: value >= bound,
    "Lt": lambda value, bound: value < bound,
    "Lte": lambda value, bound: value <= bound,
}


def _within(operator: str, value: str, listed: Sequence[str]) -> bool:
    """Whether an integer is within the bound; a bound that is not one integer is another rule's error."""
    if len(listed) != 1 or not listed[0].isdecimal():
        return True
    return value.isdecimal() and bool(_BOUNDS[operator](int(value), int(listed[0])))


def short(key: str) -> str:
    """The key of a label, without Karpenter's prefix."""
    return key.removeprefix(KARPENTER_PREFIX)
