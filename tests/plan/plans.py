"""Solutions and their plans, for the tests of plans."""

from datetime import date
from typing import Any

from generator import paths
from generator.facts import prices
from generator.facts.facts import Facts
from generator.plan.model import Plan, QuotaNeed
from generator.solution.context import Context
from generator.solution.model import Solution
from testing import solving

FACTS = Facts(paths.data())


PRICES = prices.load(paths.data())


def solve(*runtimes: dict[str, Any], region: str = "us-east-1", **top: Any) -> Solution:
    """A solution of these runtimes."""
    partition = FACTS.partition(region).name
    data = {
        "stackName": "demo",
        "modelBucketArn": f"arn:{partition}:s3:::models",
        "modelsRuntime": list(runtimes),
    }
    context = Context(region, "111122223333", date(2026, 11, 22))
    return solving.solution({**data, **top}, context)


def runtime(name: str = "one", kind: str = "comfyui", **extra: Any) -> dict[str, Any]:
    """A runtime of the config."""
    return {"name": name, "type": kind, "extraValues": extra}


def nodes(types: list[str], **more: Any) -> dict[str, Any]:
    """`extraValues.karpenter` with these instance types."""
    return {"provisioner": {"instanceType": types, **more}}


def planned(solution: Solution, seconds: dict[str, float] | None = None, day: date | None = None) -> Plan:
    return solving.plan(solution, seconds, day)


def need(plan: Plan, quota_code: str) -> QuotaNeed:
    return next(item for item in plan.needs if item.quota.code == quota_code)


TERMS = {"nodeTemplate": {"capacityReservationSelectorTerms": [{"id": "cr-1"}]}}
