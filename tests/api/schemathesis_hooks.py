"""What schemathesis must not send as valid: JSON Schema cannot say it of a body that may hold anything."""

import json
from typing import Any

import schemathesis
from queue_agent.task.protocol import parse_json


@schemathesis.hook
def before_call(_: Any, case: Any, **__: Any) -> None:
    """An idempotency key that was used is refused."""
    if case.headers:
        case.headers.pop("Idempotency-Key", None)


@schemathesis.hook
def filter_body(_: Any, body: Any) -> bool:
    """Integers have at most 64 bits, at any depth."""
    try:
        return parse_json(json.dumps(body))[1] == ""
    except (TypeError, ValueError):  # a form
        return True
