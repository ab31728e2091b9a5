"""Whether the deployer has the permissions of iam/deployer-policy.json, by IAM's policy simulation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.iam.policy import listed
from generator.preflight.check import Check, Subject
from generator.preflight.credentials import identity
from generator.preflight.result import CheckStatus, Result

THEME = "rights"
# SimulatePrincipalPolicy accepts more, but answers one row for each action and resource.
ACTIONS_A_CALL = 60
SHOWN = 8
# Conditions that one value fulfils; of keys with several values, those that one of them fulfils.
EQUALITIES = frozenset({"StringEquals", "StringLike", "ArnEquals", "ArnLike"})
BOUNDARY = "iam:PermissionsBoundary"
OF_SEVERAL = "ForAnyValue:"


@dataclass(frozen=True)
class Question:
    """Actions on one resource."""

    actions: tuple[str, ...]
    resource: str
    # What the request will hold, where the policy allows it on a condition, and which keys have a list.
    context: tuple[tuple[str, str], ...] = ()
    lists: frozenset[str] = frozenset()
    # Whether the policy asks for a permissions boundary that the request will not have.
    unbounded: bool = False


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each statement of the policy, in parts of the size that IAM accepts."""
    bounded = subject.solution.permissions_boundary_arn is not None
    for document in subject.deployer:
        for statement in document["Statement"]:
            for question in questions(statement, bounded):
                check_name = f"{statement.get('Sid', question.actions[0])} on {question.resource}"
                yield Check(
                    THEME, check_name, partial(denied, question), partial(judge, check_name, question)
                )


def questions(statement: Mapping[str, Any], bounded: bool = True) -> Iterator[Question]:
    """What to ask for one statement: its actions on the first of its resources.

    The resources of a statement differ only in their names: a policy that allows one allows all. `bounded` is
    whether roles will have a permissions boundary.
    """
    conditions = statement.get("Condition", {})
    operators = {operator.removeprefix(OF_SEVERAL) for operator in conditions}
    if statement["Effect"] != "Allow" or not EQUALITIES.issuperset(operators):
        return
    context = tuple(
        (key, listed(values)[0].replace("*", "x"))
        for pairs in conditions.values()
        for key, values in pairs.items()
        if bounded or key != BOUNDARY
    )
    lists = frozenset(
        key for operator, pairs in conditions.items() if operator.startswith(OF_SEVERAL) for key in pairs
    )
    unbounded = not bounded and any(BOUNDARY in pairs for pairs in conditions.values())
    resource = listed(statement["Resource"])[0]
    actions = sorted(action for action in listed(statement["Action"]) if "*" not in action)
    for start in range(0, len(actions), ACTIONS_A_CALL):
        part = tuple(actions[start : start + ACTIONS_A_CALL])
        yield Question(part, resource, context, lists, unbounded)


def denied(question: Question, asker: Asker) -> list[str] | None:
    """The actions that IAM would refuse; None for the account's root user, which is always allowed."""
    arn = identity(asker).arn
    if arn.endswith(":root"):
        return None
    principal = asker.once("principal", lambda a: principal_of(a.client("iam"), arn))
    pages = (
        asker.client("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(PolicySourceArn=principal, **simulated(question))
    )
    rows = [row for page in pages for row in page["EvaluationResults"]]
    return sorted({row["EvalActionName"] for row in rows if row["EvalDecision"] != "allowed"})


def simulated(question: Question) -> dict[str, Any]:
    """The arguments of IAM's simulation: a pattern is replaced by a name that matches it."""
    context = [
        {
            "ContextKeyName": key,
            "ContextKeyValues": [value],
            "ContextKeyType": "stringList" if key in question.lists else "string",
        }
        for key, value in question.context
    ]
    resource = question.resource if question.resource == "*" else question.resource.replace("*", "x")
    return {"ActionNames": list(question.actions), "ResourceArns": [resource], "ContextEntries": context}


def principal_of(iam: Any, arn: str) -> str:
    """The user or role behind an identity: a session's ARN names its role without the role's path."""
    if ":assumed-role/" not in arn:
        return arn
    role = arn.split("/")[1]
    try:
        return str(iam.get_role(RoleName=role)["Role"]["Arn"])
    except errors.refusals() as error:
        if errors.code(error) != "NoSuchEntity":
            raise
        return arn.replace(":sts:", ":iam:").replace(":assumed-role/", ":role/").rpartition("/")[0]


def judge(check_name: str, question: Question, refused: list[str] | None) -> Iterator[Result]:
    """An SCP or a boundary may refuse what a policy allows: the simulation counts both."""
    if not refused:
        message = (
            "the account's root user is allowed everything"
            if refused is None
            else f"{len(question.actions)} actions allowed"
        )
        yield Result(THEME, check_name, CheckStatus.PASSED, message)
        return
    denied = ", ".join(refused[:SHOWN]) + (
        f" and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
    )
    help = "attach iam/deployer-policy.json of the build to the deployer"
    if question.unbounded:
        help += ", and set permissionsBoundaryArn: only an administrator creates roles without a boundary"
    yield Result(THEME, check_name, CheckStatus.FAILED, f"not allowed: {denied}", help)
