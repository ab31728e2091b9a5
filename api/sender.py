"""Who sent a request: the name of its API key. A key sees only what was sent with a key of the same name."""

from collections.abc import Mapping
from typing import Any

from queue_agent.task.protocol import DEFAULT_SENDER


def sender(context: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The name of the key that API Gateway accepted; `names`: of the stack's own keys, by their ids.

    The authorizer finds the name in a key that `generator keys` made. A key that somebody added to a usage
    plan by hand has no name: its id is one that no other key can have.
    """
    key_id = context["identity"].get("apiKeyId")
    if name := (context.get("authorizer") or {}).get("keyName"):
        return str(name)
    if key_id is None and len(names) <= 1:
        return DEFAULT_SENDER
    return names.get(key_id or "", f"id.{key_id}")
