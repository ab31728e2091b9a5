"""What the policy of a KMS key says to one request: allowed, refused, or not to be judged from here.

It knows the elements and condition operators that policies of keys usually have:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from generator.iam.policy import Policy


@dataclass(frozen=True)
class Request:
    """One request to KMS. The principal is a `role` (its ARN), or an AWS `service` (its name).

    `delegated`: the principal has the permission in IAM, so a policy that names the account's root allows it.
    `context`: the condition keys; None for one that the request certainly lacks.
    """

    action: str
    account: str
    role: str = ""
    service: str = ""
    delegated: bool = True
    context: Mapping[str, str | None] | None = None


def allows(policy: Policy, request: Request) -> bool | None:
    """Whether the policy allows the request; None where a condition or an element cannot be judged."""
    verdicts: dict[str, list[bool | None]] = {"Allow": [], "Deny": []}
    for statement in _list(policy.get("Statement")):
        verdicts.setdefault(statement.get("Effect", ""), []).append(_applies(statement, request))
    if True in verdicts["Deny"]:
        return False
    if True in verdicts["Allow"]:
        return None if None in verdicts["Deny"] else True
    return None if None in verdicts["Allow"] else False


def _applies(statement: Mapping[str, Any], request: Request) -> bool | None:
    """Whether a statement is about the request."""
    if "NotPrincipal" in statement:
        return None
    denies = statement.get("Effect") == "Deny"
    return _all(
        (
            _has_action(statement, request.action),
            _has_principal(statement.get("Principal", {}), request, denies),
            *_conditions(statement.get("Condition", {}), request.context or {}),
        )
    )


def _all(parts: Iterable[bool | None]) -> bool | None:
    """True if all parts are, False if one is, else None."""
    values = list(parts)
    return False if False in values else None if None in values else True


def _has_action(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not _matches_any(action.lower(), map(str.lower, _list(statement["NotAction"])))
    return _matches_any(action.lower(), map(str.lower, _list(statement.get("Action"))))


def _has_principal(principal: Any, request: Request, denies: bool) -> bool:
    if principal == "*":
        return True
    if request.service:
        return request.service in _list(principal.get("Service"))
    for name in _list(principal.get("AWS")):
        is_account = name == request.account or name.endswith(f"::{request.account}:root")
        if name in ("*", request.role) or (is_account and (request.delegated or denies)):
            return True
    return False


def _conditions(conditions: Mapping[str, Any], context: Mapping[str, str | None]) -> Iterable[bool | None]:
    names = {name.lower(): value for name, value in context.items()}
    for operator, pairs in conditions.items():
        for key, values in pairs.items():
            yield _holds(operator, names.get(key.lower(), _UNKNOWN), [str(value) for value in _list(values)])


_UNKNOWN = object()


def _holds(operator: str, value: object, values: list[str]) -> bool | None:
    """Whether a condition holds for a value; None for an operator or a value that is not known."""
    name = operator.removesuffix("IfExists")
    if value is _UNKNOWN or name not in _OPERATORS:
        return None
    if value is None:
        return name != operator or name in _NEGATIVE
    return _OPERATORS[name](str(value), values)


def _matches_any(value: str, patterns: Iterable[str]) -> bool:
    # fnmatch also knows sets in brackets, which policies do not.
    return any(fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in patterns)


def _equals_any(value: str, values: list[str]) -> bool:
    return value in values


def _equals_any_case(value: str, values: list[str]) -> bool:
    return value.lower() in [one.lower() for one in values]


def _not(function: Callable[[str, list[str]], bool]) -> Callable[[str, list[str]], bool]:
    return lambda value, values: not function(value, values)


_OPERATORS: Mapping[str, Callable[[str, list[str]], bool]] = {
    "StringEquals": _equals_any,
    "StringEqualsIgnoreCase": _equals_any_case,
    "StringLike": _matches_any,
    "ArnEquals": _matches_any,
    "ArnLike": _matches_any,
    "Bool": _equals_any_case,
    "StringNotEquals": _not(_equals_any),
    "StringNotLike": _not(_matches_any),
    "ArnNotEquals": _not(_matches_any),
    "ArnNotLike": _not(_matches_any),
}
# They hold where the request lacks the key.
_NEGATIVE = ("StringNotEquals", "StringNotLike", "ArnNotEquals", "ArnNotLike")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
