"""Policies that IAM would reject for their size: they name each bucket and each KMS key of a config."""

from collections.abc import Iterator
from dataclasses import dataclass

from generator.iam import accounts, boundary, roles
from generator.iam.policy import INLINE_POLICY_MAX, MANAGED_POLICY_MAX, Policy, size
from generator.solution import names
from generator.solution.model import Solution


@dataclass(frozen=True)
class LargeRole:
    """A role whose policy is too large for IAM. `size` and `maximum`: in characters.

    `runtime`: the index of the runtime whose pods have the role; None for other roles.
    """

    name: str
    size: int
    maximum: int
    runtime: int | None = None


def large_roles(solution: Solution) -> Iterator[LargeRole]:
    """The roles whose policy is too large for IAM."""
    for name, policy, runtime in _policies(solution):
        if (length := size(policy)) > INLINE_POLICY_MAX:
            yield LargeRole(name, length, INLINE_POLICY_MAX, runtime)


def above_boundary(solution: Solution) -> int:
    """How many characters the permissions boundary has above the maximum; 0 where it fits."""
    return max(0, size(boundary.policy(solution)) - MANAGED_POLICY_MAX)


def _policies(solution: Solution) -> Iterator[tuple[str, Policy, int | None]]:
    for index, runtime in enumerate(solution.runtimes):
        if account := accounts.of_runtime(solution, runtime):
            yield account.role_name, account.policy, index
    for account in accounts.of_controllers(solution):
        yield account.role_name, account.policy, None
    functions = ((names.API_FUNCTION_ROLE, roles.api_function), (names.WEBHOOKS_ROLE, roles.webhooks))
    for name, policy in functions:
        yield names.controller_role(solution.stack, name), policy(solution), None
