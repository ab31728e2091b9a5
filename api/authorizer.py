"""The Lambda authorizer of the HTTP API: finds the API key in a request. A function of its own.

It holds no key: API Gateway compares what it returns with the keys of the usage plans.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html
"""

import re
from collections.abc import Mapping
from typing import Any

KEY_HEADER, TOKEN_HEADER, TOKEN_SCHEME = "x-api-key", "authorization", "bearer"
# A key that `generator keys` made: its name, and the secret part. Those that AWS makes have no hyphen.
NAMED_KEY = re.compile(r"([a-z](?:[a-z0-9-]*[a-z0-9])?)-[A-Za-z0-9]{40}")


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Let a request with a key through to the check of its key; refuse one without a key (403)."""
    key = api_key(event.get("headers") or {})
    api, stage = event["methodArn"].split("/")[:2]
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Allow" if key else "Deny",
        "Resource": f"{api}/{stage}/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    answer: dict[str, Any] = {"principalId": "client", "policyDocument": policy}
    if key:
        answer |= {"usageIdentifierKey": key, "context": {"keyName": key_name(key)}}
    return answer


def api_key(headers: Mapping[str, str]) -> str:
    """The key in `x-api-key: KEY`, else that in `Authorization: Bearer KEY`; "" without either."""
    values = {name.lower(): value.strip() for name, value in headers.items()}
    if key := values.get(KEY_HEADER):
        return key
    scheme, _, token = values.get(TOKEN_HEADER, "").partition(" ")
    return token.strip() if scheme.lower() == TOKEN_SCHEME else ""


def key_name(key: str) -> str:
    """The name in a key; "" when it has none. It counts only once API Gateway has accepted the whole key."""
    match = NAMED_KEY.fullmatch(key)
    return match[1] if match else ""
