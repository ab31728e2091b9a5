"""What a job of the Comfy API v2 may hold: its workflow, its asset references, its labels. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from queue_agent.task.protocol import ASSET_TYPE

from api.comfy_errors import ComfyError, bad_request, invalid
from api.node_checks import NodeError, title_of

_BODY_KEYS = ("workflow", "extra_data", "metadata")
_RESERVED_KEYS = ("webhook_url", "inputs")
PARTNER_KEY = "api_key_comfy_org"
MAX_LABELS, MAX_FILTERS, MAX_LABEL_CHARACTERS = 16, 3, 512
LABEL_KEY_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
# Without control characters, and those that turn the direction of a text.
LABEL_VALUE_PATTERN = "^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$"
_FILTER = re.compile(r"metadata\[(.*)\]", re.DOTALL)
# So many errors fit into a response, whatever was sent.
_MAX_REASONS = 200
EXPORT_HELP = "In ComfyUI: Workflow > Export (API)"


def check_job(body: Any) -> dict[str, Any]:
    """The body of POST /jobs, once everything but its assets was checked. Raises `ComfyError`."""
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object with the key `workflow`.")
    for name in _RESERVED_KEYS:
        if name in body:
            raise invalid(f"`{name}` is reserved and not accepted.", "invalid_workflow")
    if unknown := sorted(set(body) - {*_BODY_KEYS}):
        raise bad_request(f"Unknown keys: {', '.join(unknown)}. The keys are {', '.join(_BODY_KEYS)}.")
    _check_extra_data(body.get("extra_data", {PARTNER_KEY: ""}))
    _check_labels(body.get("metadata", {}))
    _check_workflow(body.get("workflow"))
    return body


def check_nodes(workflow: Mapping[str, Any], errors: Sequence[NodeError]) -> None:
    """Raise `ComfyError` with the errors that the runtime would find in the workflow, if there are any."""
    if whole := [error.reason for error in errors if not error.node]:
        raise invalid(f"{whole[0][:1].upper()}{whole[0][1:]}.", "invalid_workflow")
    reasons: dict[str, list[dict[str, str]]] = {}
    for error in errors[:_MAX_REASONS]:
        reasons.setdefault(error.node, []).append({"field": error.input, "reason": error.reason})
    if reasons:
        raise _node_problem(reasons, workflow)


def references(workflow: Any) -> Iterator[Mapping[str, Any]]:
    """Every asset reference in a workflow: an object with `"__type": "core/ASSET"`."""
    if isinstance(workflow, dict):
        if workflow.get("__type") == ASSET_TYPE:
            yield workflow
            return
        workflow = list(workflow.values())
    if isinstance(workflow, list):
        for value in workflow:
            yield from references(value)


def filters(query: Mapping[str, list[str]]) -> dict[str, str]:
    """The labels that `metadata[key]=value` asks for. Raises `ComfyError`."""
    labels: dict[str, str] = {}
    if "metadata" in query:
        raise bad_request("Filters are given as metadata[key]=value.", "invalid_metadata_filter")
    for name, values in query.items():
        if (match := _FILTER.fullmatch(name)) is None:
            continue
        if len(values) > 1:
            raise bad_request(f"{name} is given {len(values)} times.", "invalid_metadata_filter")
        if problem := _label_problem(match[1], values[0]):
            raise bad_request(problem, "invalid_metadata_filter")
        labels[match[1]] = values[0]
    if len(labels) > MAX_FILTERS:
        raise bad_request(
            f"At most {MAX_FILTERS} filters; there are {len(labels)}.", "invalid_metadata_filter"
        )
    return labels


def _check_extra_data(value: Any) -> None:
    if not isinstance(value, dict) or set(value) != {PARTNER_KEY}:
        raise bad_request(f"`extra_data` must be an object with the key `{PARTNER_KEY}`.")
    if not all(isinstance(key, str) for key in value.values()):
        raise bad_request(f"`extra_data.{PARTNER_KEY}` must be a string.")


def _check_labels(value: Any) -> None:
    if not isinstance(value, dict):
        raise invalid("`metadata` must be an object with strings.", "metadata_invalid")
    if len(value) > MAX_LABELS:
        raise invalid(f"`metadata` has {len(value)} labels; the maximum is {MAX_LABELS}.", "metadata_invalid")
    for key, label in value.items():
        if problem := _label_problem(key, label):
            raise invalid(problem, "metadata_invalid")


def _label_problem(key: str, value: Any) -> str:
    """Why it is not a valid label; "" when it is one."""
    if not re.fullmatch(LABEL_KEY_PATTERN, key):
        return f"The label {key[:64]!r} is not valid: 1 to 64 letters, digits, '.', '_' or '-'."
    if not isinstance(value, str):
        return f"The label {key} must be a string."
    if len(value) > MAX_LABEL_CHARACTERS:
        return f"The label {key} has {len(value)} characters; the maximum is {MAX_LABEL_CHARACTERS}."
    return "" if re.fullmatch(LABEL_VALUE_PATTERN, value) else f"The label {key} has a control character."


def _check_workflow(workflow: Any) -> None:
    if not isinstance(workflow, dict):
        raise invalid("`workflow` must be a workflow in API format, an object.", "invalid_workflow")
    if isinstance(workflow.get("nodes"), list) and ("links" in workflow or "last_node_id" in workflow):
        raise invalid(f"The workflow has the UI format. {EXPORT_HELP}.", "workflow_format_ui")
    if not workflow:
        raise invalid("The workflow has no nodes.", "invalid_workflow")
    errors = {node_id: list(_node_errors(node, workflow)) for node_id, node in workflow.items()}
    if any(errors.values()):
        raise _node_problem({node_id: reasons for node_id, reasons in errors.items() if reasons}, workflow)


def _node_errors(node: Any, workflow: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    if not isinstance(node, dict):
        yield {"field": "", "reason": "must be an object with class_type and inputs"}
        return
    if not isinstance(node.get("class_type"), str) or not node["class_type"]:
        yield {"field": "class_type", "reason": "is missing"}
    if not isinstance(node.get("inputs"), dict):
        yield {"field": "inputs", "reason": "must be an object"}
        return
    for name, value in node["inputs"].items():
        link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
        if link and isinstance(value[1], int) and value[0] not in workflow:
            yield {"field": name, "reason": f"is linked to node {value[0]}, which does not exist"}


def _node_problem(errors: Mapping[str, list[dict[str, str]]], workflow: Mapping[str, Any]) -> ComfyError:
    node_id, (first, *_) = next(iter(errors.items()))
    kind = title_of(workflow[node_id])
    place = " ".join(part for part in (first["field"], first["reason"]) if part)
    more = f" ({len(errors) - 1} more nodes have errors)" if len(errors) > 1 else ""
    return invalid(f"Node {node_id} ({kind}): {place}{more}.", "invalid_workflow", node_errors=dict(errors))
