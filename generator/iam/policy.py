"""How a policy document is written: statements, their size, the ARNs of a solution in them."""

import json
from collections.abc import Iterable
from typing import Any

from generator.solution import names
from generator.solution.model import Solution

Policy = dict[str, Any]

# What all inline policies of one role may have together; IAM does not count white space.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
INLINE_POLICY_MAX = 10_240
MANAGED_POLICY_MAX = 6_144


def size(policy: Policy) -> int:
    """Characters of a document as IAM counts them: without white space between its parts."""
    return len(json.dumps(policy, separators=(",", ":")))


def document(statements: Iterable[Policy]) -> Policy:
    """A policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    sid: str, action: str | Iterable[str], resource: str | list[str], condition: Policy | None = None
) -> Policy:
    """A statement that allows."""
    actions = action if isinstance(action, str) else list(action)
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def each(service: str, actions: str) -> list[str]:
    """The actions of a service, from their names in one text."""
    return [f"{service}:{action}" for action in actions.split()]


def arn(solution: Solution, service: str, resource: str) -> str:
    """An ARN in the solution's region and account."""
    return names.arn(solution.partition.name, service, solution.region, solution.account, resource)


def iam_arn(solution: Solution, resource: str) -> str:
    """The ARN of something of IAM's, which has no region."""
    return names.arn(solution.partition.name, "iam", "", solution.account, resource)


def bucket_arn(solution: Solution, bucket: str) -> str:
    """The ARN of a bucket, which has neither region nor account."""
    return names.arn(solution.partition.name, "s3", "", "", bucket)


def version(text: str) -> tuple[int, ...]:
    """A version such as 1.8.8 in a form that compares."""
    return tuple(int(part) for part in text.split("."))
