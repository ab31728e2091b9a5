"""The permissions boundary of the config is looked up and compared with that of the build."""

import json
from dataclasses import replace

import pytest

from generator.aws.asker import Asker
from generator.aws.clients import Aws
from generator.iam import boundary
from generator.iam.policy import allow, document
from generator.preflight import boundary as check
from generator.preflight import rights
from generator.preflight.result import CheckStatus
from generator.solution.model import Solution
from tests.preflight.conftest import Sandbox


@pytest.fixture
def solution(sandbox: Sandbox) -> Solution:
    plain = sandbox.subject({}).solution
    return replace(plain, permissions_boundary_arn=f"arn:aws:iam::{plain.account}:policy/demo-boundary")


@pytest.mark.thorough
def test_nothing_is_asked_without_a_boundary(sandbox: Sandbox) -> None:
    assert list(check.checks(sandbox.subject({}))) == []


@pytest.mark.thorough
def test_a_policy_that_does_not_exist_fails_with_the_command(solution: Solution) -> None:
    [result] = check.judge("arn:aws:iam::1:policy/demo-boundary", solution, None)

    assert result.status is CheckStatus.FAILED
    assert "create-policy --policy-name demo-boundary" in result.help


def test_another_policy_is_a_warning(solution: Solution) -> None:
    [result] = check.judge("arn", solution, document([allow("All", "*", "*")]))

    assert result.status is CheckStatus.WARNING
    assert "create-policy-version" in result.help


def test_a_boundary_with_too_many_buckets_must_be_one_of_your_own(solution: Solution) -> None:
    inputs = tuple(f"photos-{'x' * 50}-{number:02}" for number in range(20))
    runtimes = (replace(solution.runtimes[0], input_buckets=inputs),)

    large = replace(solution, runtimes=runtimes)

    [absent] = check.judge("arn", large, None)
    [present] = check.judge("arn", large, document([allow("All", "*", "*")]))

    assert absent.status is CheckStatus.FAILED
    assert "no such policy" in absent.message
    assert present.status is CheckStatus.WARNING
    assert all("too large for IAM" in result.message for result in (absent, present))


def test_the_policy_of_the_build_passes(sandbox: Sandbox, solution: Solution) -> None:
    arn = str(solution.permissions_boundary_arn)
    subject = replace(sandbox.subject({}), solution=solution)
    [only] = check.checks(subject)
    asker = Asker(Aws("us-east-1"))

    assert [result.status for result in only.run(asker)] == [CheckStatus.FAILED]

    text = json.dumps(boundary.policy(solution), indent=2)
    sandbox.client("iam").create_policy(PolicyName=arn.rpartition("/")[2], PolicyDocument=text)

    assert [result.status for result in only.run(asker)] == [CheckStatus.PASSED]


def test_roles_are_simulated_with_the_boundary_of_the_config_and_without_one_otherwise() -> None:
    conditions = {
        "StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::1:policy/b"},
        "ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"},
    }
    statement = allow("Make", "iam:CreateRole", "arn:aws:iam::1:role/demo-*", conditions)

    [bounded] = rights.questions(statement, bounded=True)
    [unbounded] = rights.questions(statement, bounded=False)

    entries = rights.simulated(bounded)["ContextEntries"]
    assert {entry["ContextKeyName"]: entry["ContextKeyType"] for entry in entries} == {
        "iam:PermissionsBoundary": "string",
        "aws:CalledVia": "stringList",
    }
    assert [entry["ContextKeyName"] for entry in rights.simulated(unbounded)["ContextEntries"]] == [
        "aws:CalledVia"
    ]
    [result] = rights.judge("Make", unbounded, ["iam:CreateRole"])
    assert "permissionsBoundaryArn" in result.help
    [result] = rights.judge("Make", bounded, ["iam:CreateRole"])
    assert "permissionsBoundaryArn" not in result.help
