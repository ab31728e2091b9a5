"""The stack with the CodeBuild project that builds images."""

import shlex
from typing import Any

import pytest

from generator import yaml_loader
from generator.build import image_builder, stack_layout
from generator.solution.model import Solution
from testing import cfn_lint
from tests.cluster.conftest import Resolve

BOUNDARY = "arn:aws:iam::123456789012:policy/limits"


def resources(solution: Solution) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml_loader.load(image_builder.template(solution))["Resources"]
    return loaded


@pytest.mark.thorough
@pytest.mark.parametrize(("example", "region"), [("three-runtimes", "us-east-1"), ("china", "cn-north-1")])
def test_cfn_lint_finds_nothing(solution_of: Resolve, example: str, region: str) -> None:
    text = image_builder.template(solution_of(example))

    assert cfn_lint.findings(text, region) == []


@pytest.mark.thorough
def test_cfn_lint_would_find_a_fault(solution_of: Resolve) -> None:
    text = image_builder.template(solution_of("minimal")).replace("PrivilegedMode", "Privileged")

    assert cfn_lint.findings(text, "us-east-1")


def test_its_stack_is_not_one_of_a_deployment(solution_of: Resolve) -> None:
    solution = solution_of("minimal")

    assert stack_layout.stack_name(solution, image_builder.FILE) == f"{solution.stack}-images"
    assert image_builder.FILE not in stack_layout.after_cluster(solution)


def test_the_role_trusts_this_project_alone_and_has_the_boundary(solution_of: Resolve) -> None:
    role = resources(solution_of("minimal", permissionsBoundaryArn=BOUNDARY))["ImageBuilderRole"][
        "Properties"
    ]

    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "codebuild.amazonaws.com"}
    assert trust["Condition"]["StringEquals"]["aws:SourceArn"].endswith(":project/sdoneks-images")
    assert role["PermissionsBoundary"] == BOUNDARY
    plain = resources(solution_of("minimal"))["ImageBuilderRole"]["Properties"]
    assert "PermissionsBoundary" not in plain


def test_a_build_signs_in_to_the_registry_of_its_image_and_pushes(solution_of: Resolve) -> None:
    project = resources(solution_of("minimal"))["ImageBuilder"]["Properties"]

    spec = yaml_loader.load(project["Source"]["BuildSpec"])
    [sign_in], [push] = (spec["phases"][phase]["commands"] for phase in ("pre_build", "build"))
    assert spec["version"] == 0.2
    assert '"${IMAGE%%/*}"' in sign_in
    words = shlex.split(push)
    assert words[:3] == ["docker", "buildx", "build"]
    assert {"files=files", "custom-nodes=custom-nodes", "linux/amd64", "$IMAGE", "--push"} <= set(words)
    assert words[-1] == "context"
    assert project["Environment"]["PrivilegedMode"] is True
