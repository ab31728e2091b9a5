"""Why CloudFormation refused, in full: what it checks before it begins is no event like the others."""

from collections.abc import Mapping
from typing import Any

from generator.aws import errors

ADOPT = "kept by an earlier uninstall? `generator deploy FILE --adopt` takes it over"


def found_before(cloudformation: Any, of: Mapping[str, str]) -> list[str]:
    """What was found wrong before anything was made; nothing where AWS does not say."""
    failed = {"Filters": {"FailedEvents": True}}
    try:
        rows = cloudformation.describe_events(**of, **failed)["OperationEvents"]
    except errors.refusals():
        return []
    return [worded(row) for row in rows if row.get("EventType") == "VALIDATION_ERROR"]


def worded(row: Mapping[str, Any]) -> str:
    """One fault, with its cure where the name is taken."""
    said = f"{row.get('LogicalResourceId', '')}: {row.get('ValidationStatusReason', '')}"
    return f"{said} ({ADOPT})" if "already exists" in said else said
