"""Building blocks of policy documents: statements, sizes, ARNs of a solution."""

import json
from collections.abc import Iterable
from typing import Any

from generator.solution import names
from generator.solution.model import Solution

Policy = dict[str, Any]
Statement = dict[str, Any]
Condition = dict[str, Any]

# The maximum of characters of all inline policies of one role, and of one managed policy.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
INLINE_POLICY_MAX = 10_240
MANAGED_POLICY_MAX = 6_144


def size(policy: Policy) -> int:
    """Characters of a document as IAM counts them: without white space."""
    return len(json.dumps(policy, separators=(",", ":")))


def document(statements: Iterable[Statement]) -> Policy:
    """A policy document with these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    sid: str, action: str | Iterable[str], resource: str | list[str], condition: Condition | None = None
) -> Statement:
    """A statement with effect Allow."""
    actions = action if isinstance(action, str) else list(action)
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}
    return statement | ({"Condition": condition} if condition else {})


def deny(
    sid: str, action: str | Iterable[str], resource: str | list[str], condition: Condition | None = None
) -> Statement:
    """A statement with effect Deny, which no other policy can override."""
    return allow(sid, action, resource, condition) | {"Effect": "Deny"}


def listed(value: str | Iterable[str]) -> list[str]:
    """An element of a statement as a list: IAM also takes one string."""
    return [value] if isinstance(value, str) else list(value)


def actions(service: str, names: str) -> list[str]:
    """The actions of a service, from their names separated by white space."""
    return [f"{service}:{action}" for action in names.split()]


def arn(solution: Solution, service: str, resource: str) -> str:
    """An ARN in the solution's region and account."""
    return names.arn(solution.partition.name, service, solution.region, solution.account, resource)


def iam_arn(solution: Solution, resource: str) -> str:
    """The ARN of an IAM resource, which has no region."""
    return names.arn(solution.partition.name, "iam", "", solution.account, resource)


def bucket_arn(solution: Solution, bucket: str) -> str:
    """The ARN of a bucket, which has neither region nor account."""
    return names.arn(solution.partition.name, "s3", "", "", bucket)
