"""Solutions of a test or benchmark that has its runtimes in code and not in a config of its own."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from generator.solution.context import Context
from generator.solution.model import Solution
from testing import solving
from testing.cluster.controllers import ACCOUNT, REGION


def of(stack: str, runtimes: Sequence[Mapping[str, Any]], **top: Any) -> Solution:
    """The solution of a stack with these entries of `modelsRuntime`; `top` are other keys of the config."""
    bucket = f"arn:aws:s3:::{stack}-models-{ACCOUNT}"
    data = {"stackName": stack, "modelBucketArn": bucket, "modelsRuntime": runtimes, **top}
    return solving.solution(data, Context(REGION, ACCOUNT, date(2026, 1, 1)))


def hours(now: datetime, minutes: int) -> dict[str, str]:
    """`start` and `end` of an entry of `scaling.warm`: from a minute ago until `minutes` from now."""
    start, end = now - timedelta(minutes=1), now + timedelta(minutes=minutes)
    return {"start": f"{start:%-M %-H} * * *", "end": f"{end:%-M %-H} * * *"}
