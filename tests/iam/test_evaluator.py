"""The evaluator of policies decides as IAM's documentation says."""

from typing import Any

import pytest

from generator.iam.policy import allow, deny, document
from testing.iam import Principal, Request, UnknownPolicyError, allowed, fulfills

OWN, FOREIGN = "arn:aws:s3:::own/key", "arn:aws:s3:::other/key"


def someone(*statements: dict[str, Any], boundary: dict[str, Any] | None = None) -> Principal:
    return Principal("arn:aws:iam::1:role/someone", (document(statements),), boundary)


def granting(principal: str) -> dict[str, Any]:
    return document([allow("Give", "s3:GetObject", OWN) | {"Principal": {"AWS": principal}}])


READ = allow("Read", "s3:Get*", "arn:aws:s3:::own/*")


@pytest.mark.parametrize(
    ("principal", "action", "resource", "expected"),
    [
        (someone(READ), "s3:GetObject", OWN, True),
        (someone(READ), "S3:getobject", OWN, True),
        (someone(READ), "s3:GetObject", FOREIGN, False),
        (someone(READ), "s3:PutObject", OWN, False),
        (someone(READ, deny("No", "s3:*", "*")), "s3:GetObject", OWN, False),
        (someone(READ, boundary=document([READ])), "s3:GetObject", OWN, True),
        (someone(READ, boundary=document([])), "s3:GetObject", OWN, False),
        (someone(boundary=document([READ])), "s3:GetObject", OWN, False),
    ],
)
def test_identity_policies_and_the_boundary_must_both_allow(
    principal: Principal, action: str, resource: str, expected: bool
) -> None:
    assert allowed(principal, Request(action, resource)) is expected


def test_the_policy_of_a_resource_is_enough_in_its_account_unless_the_principal_is_denied() -> None:
    request, policy = Request("s3:GetObject", OWN), granting("arn:aws:iam::1:role/someone")

    assert allowed(someone(), request, policy)
    assert not allowed(someone(), request, granting("arn:aws:iam::1:role/another"))
    assert not allowed(someone(deny("No", "s3:*", OWN)), request, policy)


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringLike", "a*c", "abc", True),
        ("StringLike", "a[bx]c", "abc", False),
        ("ArnLike", "arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", True),
        ("ArnLike", "arn:*:x", "arn:aws:iam::1:x", False),
        ("Bool", "false", "false", True),
        ("Null", "true", None, True),
        ("Null", "false", None, False),
        ("ForAnyValue:StringEquals", "a", ["b", "a"], True),
        ("ForAnyValue:StringEquals", "a", None, False),
        ("ForAllValues:StringEquals", "a", ["b", "a"], False),
        ("ForAllValues:StringEquals", "a", None, True),
        ("ForAnyValue:StringLike", "AWS::EC2::*", ["AWS::S3::Bucket", "AWS::EC2::VPC"], True),
    ],
)
def test_operators(operator: str, wanted: Any, value: Any, expected: bool) -> None:
    context = {} if value is None else {"AWS:key": value}

    assert fulfills({operator: {"aws:Key": wanted}}, context) is expected


def test_every_key_and_every_operator_must_be_fulfilled() -> None:
    condition = {"StringEquals": {"a": "1", "b": "2"}, "StringLike": {"c": "3*"}}

    assert fulfills(condition, {"a": "1", "b": "2", "c": "34"})
    assert not fulfills(condition, {"a": "1", "c": "34"})
    assert not fulfills(condition, {"a": "1", "b": "2"})


def test_a_policy_that_the_evaluator_does_not_know_is_an_error_and_no_verdict() -> None:
    with pytest.raises(UnknownPolicyError, match="NotAction"):
        allowed(
            someone({"Effect": "Allow", "NotAction": "a:b", "Action": "*", "Resource": "*"}),
            Request("a:b", "x"),
        )
    with pytest.raises(KeyError):
        fulfills({"DateGreaterThan": {"aws:CurrentTime": "2026"}}, {"aws:CurrentTime": "2027"})
