"""What schemathesis must not send as valid: JSON Schema cannot say it of a body that may hold anything."""

import json
import re
from contextlib import suppress
from typing import Any

import schemathesis
from queue_agent.task.protocol import WEBHOOK_MAX_CHARACTERS, parse_json

from api.webhook_urls import WEBHOOK_PATTERN


def drop_data(body: Any) -> None:
    """Take data out of a batch of InvokeAI: it is refused unless it names nodes of the batch's own graph."""
    task = body.get("task") if isinstance(body, dict) else None
    content = task.get("content") if isinstance(task, dict) else None
    outer = content if isinstance(content, dict) else {}
    for batch in (outer, outer.get("batch")):
        data = batch.get("data") if isinstance(batch, dict) else None
        if isinstance(data, list) and all(isinstance(g, list) and g and all(map(is_datum, g)) for g in data):
            batch["data"] = None


def is_datum(datum: Any) -> bool:
    """Whether it is described as valid."""
    return (
        isinstance(datum, dict)
        and isinstance(datum.get("node_path"), str | int)
        and isinstance(datum.get("field_name"), str)
        and isinstance(datum.get("items"), list)
        and bool(datum["items"])
    )


@schemathesis.hook
def before_call(_: Any, case: Any, **__: Any) -> None:
    """An idempotency key that was used is refused, and so is a URL that leads nowhere public."""
    drop_data(case.body)
    if case.headers:
        case.headers.pop("Idempotency-Key", None)
    with suppress(KeyError, TypeError):
        metadata = case.body["task"]["metadata"]
        # What does not match the schema stays: it is meant to be refused.
        if len(metadata["webhook"]) <= WEBHOOK_MAX_CHARACTERS and re.match(
            WEBHOOK_PATTERN, metadata["webhook"]
        ):
            metadata["webhook"] = "https://example.com/hook"


def names_nodes(body: Any) -> bool:
    """Whether a batch of InvokeAI has data, which names nodes of its own graph."""
    try:
        content = body["task"]["content"]
        return bool(content.get("data") or content.get("batch", {}).get("data"))
    except (AttributeError, LookupError, TypeError):
        return False


@schemathesis.hook
def filter_body(_: Any, body: Any) -> bool:
    """Integers have at most 64 bits, at any depth."""
    if names_nodes(body):
        return False
    try:
        return parse_json(json.dumps(body))[1] == ""
    except (TypeError, ValueError):  # a form
        return True
