"""IAM's actions, and the resources that each is about."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

# cfn-lint's own list of services, their actions and what each may be scoped to, made from AWS's.
# Read without an import of cfn-lint, which takes two seconds.
[_CFN_LINT] = importlib.util.find_spec("cfnlint").submodule_search_locations
IAM_SERVICES = json.loads((Path(_CFN_LINT) / "data/AdditionalSpecs/Policies.json").read_text())


def action_data(action: str) -> dict[str, Any] | None:
    """What IAM knows of an action; None if it does not exist."""
    service, _, name = action.partition(":")
    data: dict[str, Any] | None = IAM_SERVICES.get(service, {}).get("Actions", {}).get(name.lower())
    return data


def fits(action: str, arn: str) -> bool:
    """Whether an action is about resources with this ARN."""
    service = action.partition(":")[0]
    kinds = (action_data(action) or {}).get("Resources", ())
    if (
        arn.endswith(":*") or service == "apigateway"
    ):  # all of a service; a service whose forms are not listed
        return bool(kinds)
    forms = [form for kind in kinds for form in _resource(service, kind).get("ARNFormats", ())]
    return any(re.fullmatch(re.sub(r"\$\{\w+\}", "[^:]*", form), arn.replace("*", "x")) for form in forms)


def _resource(service: str, kind: str) -> dict[str, Any]:
    """A resource type of a service; the list names `Secret` in actions and `secret` among the types."""
    kinds: dict[str, dict[str, Any]] = IAM_SERVICES[service]["Resources"]
    return kinds.get(kind) or kinds.get(kind.lower()) or {}
