"""The Lambda functions: the one that answers requests, the one that finds their key, the one of webhooks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator import paths
from generator.build import api_function, api_keys
from generator.iam import roles
from generator.iam.policy import Policy
from generator.solution import limits, names
from generator.solution.model import Solution

AUTHORIZER_FILE = "api/authorizer.py"


@dataclass(frozen=True)
class Function:
    """One function. `role`: the last part of its role's name; `code`: its only file."""

    id: str
    name: str
    description: str
    role: str
    role_description: str
    policy: Policy
    memory_mib: int
    timeout_seconds: int
    code: str
    environment: Mapping[str, Any] = field(default_factory=dict)
    of_api: bool = True  # API Gateway invokes it


def functions(solution: Solution) -> tuple[Function, ...]:
    """All functions of the stack."""
    root = paths.root()
    code = api_function.joined(api_function.read(root), api_function.settings(solution))
    return (
        Function(
            id="ApiFunction",
            name=names.api(solution.stack),
            description="Validates tasks, publishes them, and returns their status",
            role=names.API_FUNCTION_ROLE,
            role_description="The HTTP API",
            policy=roles.api_function(solution),
            memory_mib=limits.API_FUNCTION_MIB,
            timeout_seconds=20,
            code=code,
            environment={
                "KEY_NAMES": api_keys.names_by_id(solution),
                "WEBHOOK_SECRET": {"Ref": "WebhookSecret"},
            },
        ),
        Function(
            id="ApiAuthorizerFunction",
            name=names.api_authorizer(solution.stack),
            description="Finds the API key in a request",
            role=names.API_AUTHORIZER_ROLE,
            role_description="The authorizer of the HTTP API",
            policy=roles.api_authorizer(solution),
            memory_mib=limits.API_AUTHORIZER_MIB,
            timeout_seconds=5,
            code=(root / AUTHORIZER_FILE).read_text(encoding="utf-8"),
        ),
        _webhooks(solution, root),
    )


def _webhooks(solution: Solution, root: Path) -> Function:
    files = api_function.read(root, api_function.WEBHOOK_FILES)
    return Function(
        id="WebhooksFunction",
        name=names.webhooks(solution.stack),
        description="Calls the webhooks of tasks that have ended",
        role=names.WEBHOOKS_ROLE,
        role_description="The webhooks",
        policy=roles.webhooks(solution),
        memory_mib=limits.WEBHOOKS_FUNCTION_MIB,
        timeout_seconds=limits.WEBHOOKS_FUNCTION_SECONDS,
        code=api_function.joined(files, api_function.webhook_settings(solution)),
        environment={"QUEUE_URL": {"Ref": "WebhooksQueue"}, "WEBHOOK_SECRET": {"Ref": "WebhookSecret"}},
        of_api=False,
    )
