"""The EventBridge rules whose events Karpenter acts on."""

from dataclasses import dataclass

from generator.facts import versions
from generator.solution.model import Solution


@dataclass(frozen=True)
class InterruptionRule:
    """One rule: its logical id, the end of its name, the events that it forwards to Karpenter's queue."""

    id: str
    name: str
    source: str
    event: str


_RULES = (
    InterruptionRule("HealthRule", "health", "aws.health", "AWS Health Event"),
    InterruptionRule("SpotInterruptionRule", "spot", "aws.ec2", "EC2 Spot Instance Interruption Warning"),
    InterruptionRule("RebalanceRule", "rebalance", "aws.ec2", "EC2 Instance Rebalance Recommendation"),
    InterruptionRule("StateChangeRule", "state", "aws.ec2", "EC2 Instance State-change Notification"),
)
_RULE_SINCE_1_9 = InterruptionRule(
    "CapacityReservationRule",
    "reservation",
    "aws.ec2",
    "EC2 Capacity Reservation Instance Interruption Warning",
)


def rules(solution: Solution) -> tuple[InterruptionRule, ...]:
    """The rules of the solution's version of Karpenter."""
    before_1_9 = versions.parse(solution.versions.karpenter) < (1, 9)
    return _RULES if before_1_9 else (*_RULES, _RULE_SINCE_1_9)
