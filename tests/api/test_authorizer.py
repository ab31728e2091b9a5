"""The authorizer: where it finds the key of a request, and what it answers without one."""

from typing import Any

import pytest

from api.authorizer import api_key, handler

ARN = "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3/prod/GET/v1alpha2/*/${x}"


def answer(headers: dict[str, str] | None) -> dict[str, Any]:
    return handler({"headers": headers, "methodArn": ARN}, None)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"x-api-key": "K"}, "K"),
        ({"X-API-Key": " K "}, "K"),
        ({"Authorization": "Bearer K"}, "K"),
        ({"AUTHORIZATION": "BEARER   K "}, "K"),
        ({"x-api-key": "K", "authorization": "Bearer other"}, "K"),
        ({"x-api-key": "", "authorization": "Bearer K"}, "K"),
        ({"authorization": "Basic K"}, ""),
        ({"authorization": "BearerK"}, ""),
        ({"authorization": "Bearer"}, ""),
        ({"cookie": "K"}, ""),
        ({}, ""),
    ],
)
def test_the_key_is_found_in_either_header(headers: dict[str, str], key: str) -> None:
    assert api_key(headers) == key


def test_a_request_with_a_key_is_let_through_to_the_check_of_the_key() -> None:
    result = answer({"x-api-key": "K"})

    [statement] = result["policyDocument"]["Statement"]
    assert (statement["Effect"], result["usageIdentifierKey"]) == ("Allow", "K")
    # Nothing of the path, whose `*` and `${}` would have a meaning in a policy.
    assert statement["Resource"] == "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3/prod/*"


@pytest.mark.parametrize("headers", [None, {}, {"x-api-key": " "}])
def test_a_request_without_a_key_is_refused(headers: dict[str, str] | None) -> None:
    result = answer(headers)

    assert result["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert "usageIdentifierKey" not in result
