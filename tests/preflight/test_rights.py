"""Permissions are checked with IAM's policy simulator."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from generator.iam.policy import allow, document
from generator.preflight import rights
from generator.preflight.result import CheckStatus
from tests.preflight.conftest import Sandbox

pytestmark = pytest.mark.thorough

Give = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def user(strict_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Give:
    """Switches the credentials to those of a user; adds policies to it."""
    iam = strict_sandbox.client("iam")
    iam.create_user(UserName="deployer")
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    def give(name: str, policy: dict[str, Any]) -> None:
        iam.put_user_policy(UserName="deployer", PolicyName=name, PolicyDocument=json.dumps(policy))

    return give


def test_a_user_without_rights_fails_and_the_actions_are_named(strict_sandbox: Sandbox, user: Give) -> None:
    user("ask", document([allow("Ask", ["iam:SimulatePrincipalPolicy"], "*")]))

    result = strict_sandbox.one("rights", "ManageQueues")

    assert result.status is CheckStatus.FAILED
    assert "sqs:DeleteQueue" in result.message
    assert "iam/deployer-policy.json" in result.help


def test_a_user_without_access_to_the_simulator_gets_no_pass(strict_sandbox: Sandbox, user: Give) -> None:
    report = strict_sandbox.run()

    assert {r.status for r in report.results if r.theme == "rights"} == {CheckStatus.UNKNOWN}


def test_a_check_that_may_not_be_made_does_not_pass(strict_sandbox: Sandbox, user: Give) -> None:
    themes = ("models", "names", "images", "spot")

    report = [result for result in strict_sandbox.run().results if result.theme in themes]

    # S3 gives the same answer for a bucket that another account owns.
    refused = [result for result in report if not result.name.startswith("bucket demo-")]
    assert {result.status for result in refused} == {CheckStatus.UNKNOWN, CheckStatus.NOT_ASKED}


def test_the_policy_that_is_generated_is_enough(strict_sandbox: Sandbox, user: Give) -> None:
    deployer = strict_sandbox.subject({}).deployer
    for number, policy in enumerate(deployer):
        user(f"part-{number}", policy)
    # The emulator looks for this right on `*`; IAM looks for it on the principal, which the policy names.
    user("ask", document([allow("Ask", ["iam:SimulatePrincipalPolicy"], "*")]))
    # And it ignores the context of a simulation, without which no condition is fulfilled.
    conditional = {s["Sid"] for policy in deployer for s in policy["Statement"] if "Condition" in s}

    failures = strict_sandbox.run().not_passed()

    assert [result for result in failures if result.name.split()[0] not in conditional] == []


def test_the_root_of_the_account_needs_no_policy(sandbox: Sandbox) -> None:
    results = [result for result in sandbox.run().results if result.theme == "rights"]

    assert {result.message for result in results} == {"the account's root user is allowed everything"}


def test_conditions_are_asked_with_a_value_that_fulfills_them() -> None:
    condition = {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "ec2.amazonaws.com"]}}
    statement = allow("Pass", "iam:PassRole", "arn:aws:iam::1:role/demo-*", condition)

    [question] = rights.questions(statement)

    assert question.context == (("iam:PassedToService", "lambda.amazonaws.com"),)


def test_many_actions_are_simulated_in_batches() -> None:
    statement = allow("Many", [f"ec2:Describe{number}" for number in range(130)], "*")

    assert [len(question.actions) for question in rights.questions(statement)] == [60, 60, 10]


def test_denials_are_not_simulated() -> None:
    [statement] = document([allow("Never", "s3:DeleteObject", "*")])["Statement"]

    assert list(rights.questions({**statement, "Effect": "Deny"})) == []


def test_a_session_of_a_role_is_asked_as_the_role(sandbox: Sandbox) -> None:
    iam = sandbox.client("iam")
    role_arn = iam.create_role(RoleName="ci", Path="/team/", AssumeRolePolicyDocument="{}")["Role"]["Arn"]

    assert rights.principal_of(iam, f"arn:aws:sts::{sandbox.account.id}:assumed-role/ci/run-7") == role_arn
