"""What a deployer could do with its permissions against others and against pictures, by chains of calls."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from generator.iam import boundary
from generator.iam.policy import allow, document
from generator.solution.model import Solution
from testing.iam import Principal
from tests.cluster.conftest import ROOT
from tests.iam.attacker import CLOUDFORMATION, account_of_others, reached
from tests.iam.rights import Statements, deployer_with, statements

pytestmark = pytest.mark.thorough

ADMINISTRATOR = document([allow("All", "*", "*")])

# What is left to a role that the deployer makes, as docs/deployer.md says.
# A repository that is created has tags; those of the same name have images of all stacks.
LEFT_TO_DEPLOYER = {("ecr:TagResource", "repository of another stack")}
NETWORK = ("group of a cluster", "security-group", "subnet")
IMAGES = ("capacity-reservation", "image", "placement-group")
REPOSITORIES = ("repository", "repository of another stack")
LOGS = ("log", "log group", "log group with our prefix")
# Write logs, but read none: one role writes those of all APIs of the region.
LEFT_TO_ROLES = {
    (f"logs:{action}", kind)
    for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")
    for kind in LOGS
}
# What roles of a cluster of the solution's own are left besides.
LEFT_WITH_NODES = LEFT_TO_ROLES | {
    # Nodes and their network interfaces in any subnet with any security group, as in Karpenter's own policy.
    *(("ec2:RunInstances", kind) for kind in (*NETWORK, *IMAGES, "snapshot")),
    *(("ec2:CreateNetworkInterface", kind) for kind in NETWORK),
    *(("ec2:CreateFleet", kind) for kind in ("subnet", *IMAGES)),
    # As in AWS's policy for nodes.
    *(
        (f"ecr:{action}", kind)
        for action in ("BatchCheckLayerAvailability", "BatchGetImage", "BatchImportUpstreamImage")
        for kind in REPOSITORIES
    ),
    # As in AWS's policy for sessions on nodes.
    ("ssm:UpdateInstanceInformation", "instance"),
}
# A config with custom nodes builds images.
LEFT_WITH_BUILDS = LEFT_WITH_NODES | {
    (f"ecr:{action}", "repository of another stack")
    for action in ("CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart")
}


WITH_NODES = {
    "name": "graphs",
    "type": "comfyui",
    "customNodes": [{"repository": "https://github.com/a/b", "commit": "a" * 40}],
}
VARIANTS: list[tuple[str, dict[str, Any], set[tuple[str, str]]]] = [
    ("three-runtimes", {}, LEFT_WITH_NODES),
    ("china", {}, LEFT_WITH_NODES),
    ("minimal", {"podIdentity": True}, LEFT_WITH_NODES),
    ("minimal", {"existingCluster": {"name": "platform"}}, LEFT_TO_ROLES),
    ("customer-keys", {"modelsRuntime": [WITH_NODES]}, LEFT_WITH_BUILDS),
]


@pytest.fixture(scope="module")
def solution(solution_of: Any) -> Solution:
    solution: Solution = solution_of("three-runtimes")
    return solution


def bounded_role(limit: dict[str, Any]) -> Principal:
    """A role that the deployer made for itself: its own policy allows everything."""
    return Principal("arn:aws:iam::123456789012:role/sdoneks-x", (ADMINISTRATOR,), limit)


@pytest.mark.parametrize(("example", "changes"), [variant[:2] for variant in VARIANTS])
def test_no_chain_of_the_deployer_reaches_more_of_others_than_the_page_names(
    solution_of: Any, example: str, changes: dict[str, Any]
) -> None:
    solution = solution_of(example, **changes)

    attacker = deployer_with(statements(solution))

    assert reached(attacker, account_of_others(solution)) == LEFT_TO_DEPLOYER


@pytest.mark.parametrize(("example", "changes", "left"), VARIANTS)
def test_a_role_that_the_deployer_makes_reaches_only_what_the_page_names(
    solution_of: Any, example: str, changes: dict[str, Any], left: set[tuple[str, str]]
) -> None:
    solution = solution_of(example, **changes)
    attacker = bounded_role(boundary.policy(solution))

    assert reached(attacker, account_of_others(solution)) == left


def set_condition(sid: str, condition: dict[str, Any]) -> Callable[[Statements, Solution], None]:
    return lambda parts, _: parts[sid].update(Condition=condition)


def drop(sid: str) -> Callable[[Statements, Solution], None]:
    return lambda parts, _: parts.pop(sid) and None


def if_exists(parts: Statements, solution: Solution) -> None:
    """The condition as it was: an untagged resource passes."""
    tag = "alpha.eksctl.io/cluster-name"
    parts["TagNetwork"]["Condition"] = {
        "StringEquals": {f"aws:RequestTag/{tag}": solution.stack},
        "StringEqualsIfExists": {f"aws:ResourceTag/{tag}": solution.stack},
    }


def every_stack(parts: Statements, solution: Solution) -> None:
    location = f"{solution.region}:{solution.account}"
    parts["ManageStacks"]["Resource"] = f"arn:aws:cloudformation:{location}:stack/{solution.stack}-*/*"


def every_parent(parts: Statements, solution: Solution) -> None:
    location = f"{solution.region}:{solution.account}"
    parts["MakeInSubnets"]["Resource"] = f"arn:aws:ec2:{location}:*"


def every_role(parts: Statements, solution: Solution) -> None:
    parts["TagRoles"]["Resource"] = f"arn:aws:iam::{solution.account}:role/{solution.stack}-*"


def every_log_group(parts: Statements, _: Solution) -> None:
    parts["ManageLogs"]["Resource"] = [f"{arn}*" for arn in parts["ManageLogs"]["Resource"]]


CLUSTER_TAG = "alpha.eksctl.io/cluster-name"
VIA_STACK = {"ForAnyValue:StringEquals": CLOUDFORMATION}
# A weaker policy, and what it then reaches: actions with the kind of resource.
WEAKER = {
    "a tag that may be missing": (if_exists, "ec2:AuthorizeSecurityGroupIngress security-group"),
    "a tag by an import": (drop("NeverImport"), "ec2:DeleteVpcEndpoints vpc-endpoint"),
    "any issuer": (
        set_condition("ManageClusterIssuer", {}),
        "iam:DeleteOpenIDConnectProvider issuer of a cluster",
    ),
    "an issuer tagged first": (
        set_condition("TagClusterIssuer", {"Null": {f"aws:RequestTag/{CLUSTER_TAG}": "false"}}),
        "iam:DeleteOpenIDConnectProvider issuer",
    ),
    "the trust of any role": (
        set_condition("ChangeOwnRoles", VIA_STACK),
        "iam:UpdateAssumeRolePolicy role with our prefix",
    ),
    "a stack by its prefix": (every_stack, "cloudformation:UpdateStack stack with our prefix"),
    "a route table by an endpoint": (every_parent, "ec2:CreateVpcEndpoint route-table"),
    "keys of other APIs": (set_condition("ManageApi", {}), "apigateway:GET API key"),
    "a role that a stack imports by its name": (
        every_role,
        "iam:UpdateAssumeRolePolicy role with our prefix",
    ),
    "logs by their prefix": (every_log_group, "logs:DeleteLogGroup log group with our prefix"),
    "an image of the account": (set_condition("TryNodeImage", {}), "ec2:RunInstances image"),
    "a snapshot of the account": (drop("NeverFromSnapshots"), "ec2:RunInstances snapshot"),
    "instances in other networks": (set_condition("TryInOwnNetwork", {}), "ec2:RunInstances subnet"),
}


@pytest.mark.parametrize(("weaken", "goal"), WEAKER.values(), ids=WEAKER.keys())
def test_a_weaker_condition_is_found(
    solution: Solution, weaken: Callable[[Statements, Solution], None], goal: str
) -> None:
    parts = statements(solution)
    weaken(parts, solution)

    action, _, kind = goal.partition(" ")
    assert (action, kind) in reached(deployer_with(parts), account_of_others(solution))


def test_a_weaker_boundary_is_found(solution: Solution) -> None:
    limit = copy.deepcopy(boundary.policy(solution))
    [tag] = [statement for statement in limit["Statement"] if statement["Sid"] == "TagWhatIsNew"]
    del tag["Condition"]

    hits = reached(bounded_role(limit), account_of_others(solution))

    # First the tag of the cluster, then what only instances with the tag allow.
    assert ("ec2:TerminateInstances", "instance") in hits


def test_the_page_names_what_is_left() -> None:
    page = (ROOT / "docs" / "deployer.md").read_text("utf-8")
    left = page.partition("## What is left")[2].partition("\n## ")[0]

    all_left = LEFT_TO_DEPLOYER | LEFT_WITH_BUILDS
    assert [action for action, _ in sorted(all_left) if f"`{action}`" not in left] == []
