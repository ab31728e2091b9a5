"""Conditions of statements: who calls for whom, the tags of resource and request, the boundary of a role.

None uses an `…IfExists` operator: a request or a resource without the key is refused, not allowed.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from collections.abc import Mapping

from generator.iam.policy import Condition


def via_cloudformation() -> Condition:
    """CloudFormation makes the request for the caller, so a stack and its events record it.

    CloudFormation calls other services with a forward access session of its caller, which has this key.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/fas-requests-and-permission-evaluation.html
    """
    return {"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}}


def having(tags: Mapping[str, str]) -> Condition:
    """The resource has these tags."""
    return {"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in tags.items()}}


def giving(tags: Mapping[str, str]) -> Condition:
    """The request adds these tags."""
    return {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()}}


def bounded_by(boundary: str) -> Condition:
    """The role has, or will have, this policy as its permissions boundary."""
    return {"StringEquals": {"iam:PermissionsBoundary": boundary}}


def all_of(*conditions: Condition) -> Condition:
    """All of these conditions together."""
    joined: dict[str, dict[str, object]] = {}
    for condition in conditions:
        for operator, pairs in condition.items():
            joined.setdefault(operator, {}).update(pairs)
    return joined
