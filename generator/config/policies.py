"""Problems that only the resolved config shows: IAM policies that are larger than IAM accepts."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from generator.config.canonical import canonical
from generator.config.document import ConfigDocument, Path, dotted
from generator.config.node import Schema
from generator.errors import Problem, Severity
from generator.facts.facts import Facts
from generator.solution.context import Context
from generator.solution.defaults import Defaults
from generator.solution.model import Solution

TOO_LARGE, NOT_WRITTEN = "SD988", "SD989"
RULES: Mapping[str, tuple[Severity, str]] = {
    TOO_LARGE: (
        Severity.ERROR,
        "A policy must fit into IAM: that of a role has 10,240 characters, the boundary of the build 6,144."
        " They name each bucket with models or inputs, and roles also each KMS key.",
    ),
    NOT_WRITTEN: (
        Severity.WARNING,
        "A permissions boundary of more than 6,144 characters is not written by `generator build`:"
        " it names each bucket with models or inputs.",
    ),
}
# What the policies name, besides one model bucket: without any of these none is too large.
_NAMED = frozenset({"kmsKeys", "inputBuckets", "modelBucket", "iamRole", "customNodes", "customNodesFile"})


def apply(config: ConfigDocument, context: Context, problems: Iterable[Problem]) -> bool:
    """Whether a config can be resolved, with these problems, and names anything that makes policies large."""
    fails = any(problem.severity is Severity.ERROR for problem in problems)
    return bool(context.region and context.account) and not fails and _names(config.data)


def _names(data: Any) -> bool:
    if isinstance(data, Mapping):
        return not _NAMED.isdisjoint(data) or any(_names(value) for value in data.values())
    return isinstance(data, list) and any(_names(value) for value in data)


def problems(
    config: ConfigDocument, schema: Schema, defaults: Defaults, facts: Facts, context: Context
) -> list[Problem]:
    """A problem for each policy that is too large, of a config that has no other errors."""
    # Few configs get here: `validate` starts without these modules.
    from generator.solution import resolve  # noqa: PLC0415

    solution = resolve.solution(canonical(config.data, schema), defaults, facts, context)
    return [*_of_roles(config, solution), *_of_boundary(config, solution)]


def _of_roles(config: ConfigDocument, solution: Solution) -> Iterator[Problem]:
    from generator.iam import sizes  # noqa: PLC0415

    for role in sizes.large_roles(solution):
        message = f"the policy of role {role.name} has {role.size:,} characters; IAM accepts {role.maximum:,}"
        path: Path = ("modelBucketArn",)
        help = "keep the models of several runtimes in one bucket, and use fewer keys in kmsKeys.models"
        if role.runtime is not None:
            path = ("modelsRuntime", role.runtime, "name")
            help = "use fewer inputBuckets and kmsKeys, or a role of your own (serviceAccountRoleArn)"
        yield _problem(config, path, TOO_LARGE, message, help)


def _of_boundary(config: ConfigDocument, solution: Solution) -> Iterator[Problem]:
    """An error where the config names the boundary of the build, which then cannot exist."""
    from generator.iam import boundary, sizes  # noqa: PLC0415

    if not (above := sizes.above_boundary(solution)):
        return
    named = solution.permissions_boundary_arn
    own = named == boundary.default_arn(solution)
    message = f"the permissions boundary is {above:,} characters too large for IAM: it is not written"
    fewer = "keep models and inputs in fewer buckets"
    help = f"{fewer}, or write a policy with patterns, such as arn:aws:s3:::photos-*, and name it here"
    path = ("permissionsBoundaryArn",) if named else ("modelBucketArn",)
    if named and not own:
        help = f"your own policy must allow what the roles need: docs/deployer.md; or {fewer}"
    elif not named:
        help = f"{fewer}, or write one with patterns, such as arn:aws:s3:::photos-*, if roles shall have one"
    yield _problem(config, path, TOO_LARGE if own else NOT_WRITTEN, message, help)


def _problem(config: ConfigDocument, path: Path, code: str, message: str, help: str) -> Problem:
    line, column = config.value(path)
    return Problem(config.source, line, column, dotted(path), code, message, help, RULES[code][0])
