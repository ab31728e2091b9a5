"""The deployer with its policies, as the evaluator takes it; a test may weaken them."""

import copy
from typing import Any

from generator.iam import deployer
from generator.iam.policy import document
from generator.solution.model import Solution
from testing.iam import Principal

Statements = dict[str, dict[str, Any]]
ROLE = "arn:aws:iam::123456789012:role/sd-deployer"


def statements(solution: Solution) -> Statements:
    """The deployer's statements by their names."""
    return {
        statement["Sid"]: copy.deepcopy(statement)
        for part in deployer.policies(solution)
        for statement in part["Statement"]
    }


def deployer_with(parts: Statements) -> Principal:
    return Principal(ROLE, (document(parts.values()),))
