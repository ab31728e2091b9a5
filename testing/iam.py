"""Decides requests by IAM policies as IAM does: identity policies, boundary, resource policy, conditions.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
What this evaluator does not decide raises UnknownPolicyError: nothing is allowed by mistake.
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generator.iam.policy import listed

Document = Mapping[str, Any]
Context = Mapping[str, str | Sequence[str]]
ELEMENTS = frozenset({"Sid", "Effect", "Action", "Resource", "Condition", "Principal"})


class UnknownPolicyError(ValueError):
    """A policy uses an element, a principal or a quantifier that this evaluator does not decide."""


@dataclass(frozen=True)
class Request:
    """One action on one resource. An API call that touches several resources is a request for each."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Principal:
    """Who makes a request: all identity policies, and the permissions boundary if there is one."""

    arn: str
    policies: tuple[Document, ...]
    boundary: Document | None = None


def allowed(principal: Principal, request: Request, resource_policy: Document | None = None) -> bool:
    """Whether IAM allows the request of a principal in the account of the resource.

    A denial anywhere counts. Otherwise the identity policies and the boundary must both allow, or the policy
    of the resource must name the principal: in the same account that alone is enough.
    """
    documents = [*principal.policies, *filter(None, (principal.boundary, resource_policy))]
    if any(_matches(statement, request, principal) for statement in _statements(documents, "Deny")):
        return False
    if resource_policy and _allows([resource_policy], request, principal):
        return True
    bounded = principal.boundary is None or _allows([principal.boundary], request, principal)
    return bounded and _allows(principal.policies, request, principal)


def about(principal: Principal, action: str) -> Principal:
    """The principal with the statements about one action only, for many requests with that action."""

    def only(document: Document) -> Document:
        return {"Statement": [s for s in document["Statement"] if _is_about(s, action)]}

    boundary = only(principal.boundary) if principal.boundary else None
    return Principal(principal.arn, tuple(map(only, principal.policies)), boundary)


def _allows(documents: Iterable[Document], request: Request, principal: Principal) -> bool:
    return any(_matches(statement, request, principal) for statement in _statements(documents, "Allow"))


def _statements(documents: Iterable[Document], effect: str) -> list[Document]:
    return [
        statement
        for document in documents
        for statement in document["Statement"]
        if statement["Effect"] == effect
    ]


def _matches(statement: Document, request: Request, principal: Principal) -> bool:
    if unknown := statement.keys() - ELEMENTS:
        raise UnknownPolicyError(f"this evaluator does not decide statements with {sorted(unknown)}")
    return (
        _is_about(statement, request.action)
        and any(_like(request.resource, pattern) for pattern in listed(statement["Resource"]))
        and _names(statement.get("Principal", "*"), principal)
        and fulfills(statement.get("Condition", {}), request.context)
    )


def _is_about(statement: Document, action: str) -> bool:
    return any(_like(action.lower(), pattern.lower()) for pattern in listed(statement["Action"]))


def _names(element: str | Mapping[str, Any], principal: Principal) -> bool:
    if element == "*":
        return True
    if isinstance(element, str) or element.keys() - {"AWS", "Service"}:
        raise UnknownPolicyError(f"this evaluator does not decide the principal {element}")
    return any(name in ("*", principal.arn) for name in listed(element.get("AWS", [])))


def fulfills(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether a request's context fulfills a condition: every key of every operator."""
    values = {key.lower(): listed(value) for key, value in context.items()}
    return all(
        _fulfills(operator, values.get(key.lower()), listed(wanted))
        for operator, pairs in condition.items()
        for key, wanted in pairs.items()
    )


def _fulfills(operator: str, values: list[str] | None, wanted: list[str]) -> bool:
    quantifier, _, name = operator.rpartition(":")
    if name == "Null":
        return (values is None) == (wanted == ["true"])
    name, if_exists = name.removesuffix("IfExists"), name.endswith("IfExists")
    negated = "Not" in name
    compare = _COMPARE[name.replace("Not", "")]

    def holds(value: str) -> bool:
        return any(compare(value, each) for each in wanted) is not negated

    if values is None:
        # A missing key fulfills a negated operator, and `ForAllValues`, but nothing else.
        return if_exists or quantifier == "ForAllValues" or (negated and not quantifier)
    if quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise UnknownPolicyError(f"this evaluator does not decide the operator {operator}")
    return any(map(holds, values)) if quantifier == "ForAnyValue" else all(map(holds, values))


def _like(text: str, pattern: str) -> bool:
    """`*` and `?` are the only wildcards of IAM; both match any characters, `/` and `:` too."""
    return _expression(pattern).fullmatch(text) is not None


@functools.cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _arn_like(text: str, pattern: str) -> bool:
    """Of ARNs, each of the six parts is compared for itself."""
    texts, patterns = text.split(":", 5), pattern.split(":", 5)
    return len(texts) == len(patterns) and all(map(_like, texts, patterns))


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda text, wanted: text.lower() == wanted.lower(),
    "StringEquals": lambda text, wanted: text == wanted,
    "StringEqualsIgnoreCase": lambda text, wanted: text.lower() == wanted.lower(),
    "StringLike": _like,
}
