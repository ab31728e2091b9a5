"""What cfn-lint and AWS' resource schemas say of a template.

cfn-lint takes two seconds to import: only the tests that ask it do so, not each process that collects tests.
"""

from typing import Any


def findings(template: str, region: str) -> list[str]:
    """Each fault in the text of a template: rule, message and place."""
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    matches = lint(template, config=ManualArgs(regions=[region]))
    return [f"{match.rule.id} {match.message} {match.path}" for match in matches]


def resource_schema(kind: str) -> dict[str, Any]:
    """AWS' schema of a resource type, as `AWS::SQS::Queue`."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    schema: dict[str, Any] = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return schema
