"""What the project that builds images may do, and who may start it."""

from typing import Any

import pytest

from generator.iam import boundary, image_builder
from generator.solution.model import Solution
from testing.iam import Principal, Request, allowed
from tests.iam.rights import deployer_with, statements

COMMIT = "727295b52e5f7b5429e81ca2179172865aa83b99"
NODES = {
    "name": "graphs",
    "type": "comfyui",
    "customNodes": [{"repository": "https://github.com/a/b", "commit": COMMIT}],
}
HERE = "us-west-2:123456789012"
PROJECT = f"arn:aws:codebuild:{HERE}:project/sdoneks-images"
BY_STACK = {"aws:CalledVia": ["cloudformation.amazonaws.com"]}


@pytest.fixture(scope="module")
def solution(solution_of: Any) -> Solution:
    solution: Solution = solution_of("minimal", modelsRuntime=[NODES])
    return solution


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("ecr:PutImage", f"arn:aws:ecr:{HERE}:repository/sd-on-eks/comfyui", True),
        ("ecr:PutImage", f"arn:aws:ecr:{HERE}:repository/payments", False),
        ("ecr:PutImage", "arn:aws:ecr:us-west-2:210987654321:repository/sd-on-eks/comfyui", False),
        ("ecr:BatchDeleteImage", f"arn:aws:ecr:{HERE}:repository/sd-on-eks/comfyui", False),
        ("s3:GetObject", "arn:aws:s3:::sdoneks-123456789012-us-west-2-cfn/images/1.zip", True),
        ("s3:GetObject", "arn:aws:s3:::sdoneks-123456789012-us-west-2-cfn/sdoneks.yaml", False),
        ("s3:GetObject", "arn:aws:s3:::sdoneks-graphs-123456789012-us-west-2/a.png", False),
        ("s3:PutObject", "arn:aws:s3:::sdoneks-123456789012-us-west-2-cfn/images/1.zip", False),
        (
            "logs:PutLogEvents",
            f"arn:aws:logs:{HERE}:log-group:/aws/codebuild/sdoneks-images:log-stream:1",
            True,
        ),
        ("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/aws/codebuild/other:log-stream:1", False),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/admin", False),
    ],
)
def test_a_build_pushes_images_of_this_project_and_reads_its_source(
    solution: Solution, action: str, resource: str, expected: bool
) -> None:
    role = Principal("arn:aws:iam::123456789012:role/sdoneks-image-builder", (image_builder.role(solution),))

    assert allowed(role, Request(action, resource)) is expected


def test_a_solution_without_custom_nodes_needs_no_wider_boundary(solution_of: Any) -> None:
    role, limit = image_builder.role(solution_of("minimal")), boundary.policy(solution_of("minimal"))
    request = Request("ecr:PutImage", f"arn:aws:ecr:{HERE}:repository/sd-on-eks/comfyui")

    assert allowed(Principal("role", (role,)), request)
    assert not allowed(Principal("role", (role,), limit), request)


@pytest.mark.parametrize(
    ("action", "context", "expected"),
    [
        ("codebuild:StartBuild", {}, True),
        ("codebuild:BatchGetBuilds", {}, True),
        ("codebuild:ListBuildsForProject", {}, True),
        ("codebuild:UpdateProject", {}, False),
        ("codebuild:UpdateProject", BY_STACK, True),
        ("codebuild:CreateProject", {}, False),
        ("codebuild:BatchDeleteBuilds", {}, False),
    ],
)
def test_a_deployer_starts_builds_and_changes_the_project_by_its_stack_alone(
    solution: Solution, action: str, context: dict[str, Any], expected: bool
) -> None:
    deployer = deployer_with(statements(solution))

    assert allowed(deployer, Request(action, PROJECT, context)) is expected
    assert not allowed(deployer, Request(action, PROJECT.replace("sdoneks-", "other-"), context))


@pytest.mark.parametrize(
    ("role", "service", "expected"),
    [
        ("sdoneks-image-builder", "codebuild.amazonaws.com", True),
        ("sdoneks-image-builder", "ec2.amazonaws.com", False),
        ("sdoneks-karpenter-controller", "codebuild.amazonaws.com", False),
        ("admin", "codebuild.amazonaws.com", False),
    ],
)
def test_the_project_gets_its_own_role_alone(
    solution: Solution, role: str, service: str, expected: bool
) -> None:
    request = Request(
        "iam:PassRole", f"arn:aws:iam::123456789012:role/{role}", {"iam:PassedToService": service}
    )

    assert allowed(deployer_with(statements(solution)), request) is expected
