"""Why CloudFormation refused: what it validates before a deployment is in events of its own."""

from collections.abc import Mapping
from typing import Any

from generator.aws import errors

ADOPT = "kept by an earlier uninstall? `generator deploy FILE --adopt` takes it over"


def validation_errors(cloudformation: Any, of: Mapping[str, str]) -> list[str]:
    """The validation errors of a stack or change set; empty where AWS lists none."""
    failed = {"Filters": {"FailedEvents": True}}
    try:
        rows = cloudformation.describe_events(**of, **failed)["OperationEvents"]
    except errors.refusals():
        return []
    return [_text(row) for row in rows if row.get("EventType") == "VALIDATION_ERROR"]


def _text(row: Mapping[str, Any]) -> str:
    """One error, with the fix where the name is taken."""
    message = f"{row.get('LogicalResourceId', '')}: {row.get('ValidationStatusReason', '')}"
    return f"{message} ({ADOPT})" if "already exists" in message else message
