"""Starts the emulator with fair queues, and with what its API Gateway lacks of API keys.

Runs in the emulator's own environment.

An API with the key source AUTHORIZER takes the key that its authorizer returns, and a proxy integration gets
the id of the key:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html
"""

import importlib
import json
from contextvars import ContextVar
from typing import Any

# The key that the authorizer of this request returned, and the key that was accepted.
RETURNED: ContextVar[str] = ContextVar("RETURNED", default="")
ACCEPTED: ContextVar[dict[str, Any] | None] = ContextVar("ACCEPTED", default=None)


def main() -> None:
    """Start ministack."""
    extend(importlib.import_module("ministack.services.apigateway_v1"))
    # Next to this file: the emulator's environment has no package `local`.
    importlib.import_module("fair_queues").extend(importlib.import_module("ministack.services.sqs"))
    importlib.import_module("ministack.app").main()


def extend(gateway: Any) -> None:
    """Replace the steps of ministack's API Gateway that concern keys; each calls the original."""
    authorize, check, describe = (
        gateway._invoke_authorizer_lambda,
        gateway._check_api_key,
        gateway._build_lambda_event_v1,
    )

    async def invoke_authorizer(*args: Any) -> Any:
        result = await authorize(*args)
        body = (result or {}).get("body")
        output = json.loads(body) if isinstance(body, str | bytes) else body
        RETURNED.set(str(output.get("usageIdentifierKey") or "") if isinstance(output, dict) else "")
        return result

    def check_api_key(method: Any, api: str, stage: str, headers: Any) -> Any:
        # ministack's CloudFormation drops ApiKeySourceType: every API with an authorizer here has AUTHORIZER.
        by_authorizer = method.get("authorizationType") == "CUSTOM"
        error, key = check(method, api, stage, {"x-api-key": RETURNED.get()} if by_authorizer else headers)
        ACCEPTED.set(key)
        return error, key

    def build_event(*args: Any, **options: Any) -> Any:
        event, key = describe(*args, **options), ACCEPTED.get()
        if key is not None:
            event["requestContext"]["identity"] |= {"apiKeyId": key["id"], "apiKey": key["value"]}
        return event

    gateway._invoke_authorizer_lambda = invoke_authorizer
    gateway._check_api_key = check_api_key
    gateway._build_lambda_event_v1 = build_event


if __name__ == "__main__":
    main()
