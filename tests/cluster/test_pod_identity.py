"""EKS Pod Identity in place of IRSA: one role for each service account, and nothing of the other way."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from generator import yaml_loader
from generator.build import stack, stack_layout
from generator.build import values as chart_values
from generator.deploy import helm
from generator.iam import deployer
from generator.solution.model import Solution
from testing import cfn_lint
from tests.charts.conftest import Objects, objects
from tests.cluster.conftest import ROOT, ClusterConfig, Resolve
from tests.cluster.stack_template import Resource, Template

pytestmark = pytest.mark.thorough

ASSOCIATION, ROLE = "AWS::EKS::PodIdentityAssociation", "AWS::IAM::Role"
# The versions of EKS whose S3 CSI driver supports Pod Identity.
ROWS = pytest.mark.parametrize("eks", ["1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36"])
OWN_ROLE = "arn:aws:iam::123456789012:role/team/ours"
OWN = {"name": "own", "type": "comfyui", "extraValues": {"runtime": {"serviceAccountRoleArn": OWN_ROLE}}}


@pytest.fixture(scope="module")
def solution(solution_of: Resolve) -> Solution:
    return solution_of("three-runtimes", podIdentity=True)


@pytest.fixture(scope="module")
def template(solution: Solution) -> Template:
    return Template(stack.files(solution)["identity.yaml"])


def given_roles(template: Template) -> dict[str, Any]:
    """The role of each service account: its name, or its ARN where it is the user's."""
    roles = {}
    for resource in template.of(ASSOCIATION).values():
        association = resource["Properties"]
        role = association["RoleArn"]
        if isinstance(role, dict):
            role = template.resources[role["Fn::GetAtt"][0]]["Properties"]["RoleName"]
        roles[f"{association['Namespace']}/{association['ServiceAccount']}"] = role
    return roles


def test_controllers_and_runtimes_have_the_roles_that_they_have_with_irsa(template: Template) -> None:
    assert given_roles(template) == {
        "kube-system/karpenter": "sdoneks-karpenter-controller",
        "kube-system/keda-operator": "sdoneks-keda-operator",
        "kube-system/s3-csi-driver-sa": "sdoneks-s3-csi-driver",
        "kube-system/log-collector": "sdoneks-log-collector",
        "default/sdxl-turbo": "sdoneks-sdxl-turbo-runtime",
        "default/comfyui": "sdoneks-comfyui-runtime",
        "default/invokeai": "sdoneks-invokeai-runtime",
    }


def test_the_policies_are_those_of_irsa(
    template: Template, solution_of: Resolve, cluster_config: ClusterConfig
) -> None:
    with_irsa = cluster_config(solution_of("three-runtimes"))["iam"]["serviceAccounts"]

    policies = {}
    for resource in template.of(ROLE).values():
        [policy] = resource["Properties"]["Policies"]
        policies[resource["Properties"]["RoleName"]] = policy["PolicyDocument"]
    assert policies == {account["roleName"]: account["attachPolicy"] for account in with_irsa}


def trust(template: Template, role_name: str) -> Resource:
    [role] = [r for r in template.of(ROLE).values() if r["Properties"]["RoleName"] == role_name]
    [statement] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    return dict(statement)


def test_a_role_is_given_to_its_service_account_of_this_cluster_alone(template: Template) -> None:
    statement = trust(template, "sdoneks-comfyui-runtime")

    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert statement["Condition"] == {
        "StringEquals": {
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:us-west-2:123456789012:cluster/sdoneks",
            "aws:RequestTag/kubernetes-namespace": "default",
            "aws:RequestTag/kubernetes-service-account": "comfyui",
        }
    }


def test_a_runtime_with_a_role_of_the_user_gets_that_one(solution_of: Resolve) -> None:
    solution = solution_of("minimal", podIdentity=True, modelsRuntime=[OWN])
    template = Template(stack.files(solution)["identity.yaml"])

    assert given_roles(template)["default/own"] == OWN_ROLE
    assert len(template.of(ROLE)) == 4


def test_the_cluster_has_the_agent_and_neither_issuer_nor_roles_of_irsa(
    solution: Solution, cluster_config: ClusterConfig
) -> None:
    config = cluster_config(solution)
    addons = {addon["name"]: addon for addon in config["addons"]}

    assert config["iam"] == {"withOIDC": False}
    assert "eks-pod-identity-agent" in addons
    assert "attachPolicyARNs" not in addons["vpc-cni"]
    assert addons["vpc-cni"]["podIdentityAssociations"] == [
        {
            "namespace": "kube-system",
            "serviceAccountName": "aws-node",
            "permissionPolicyARNs": ["arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"],
        }
    ]


def test_eksctl_takes_the_cluster(solution: Solution, cluster_config: ClusterConfig) -> None:
    schema = yaml_loader.load((ROOT / "tests/cluster/eksctl.schema.yaml").read_text("utf-8"))

    assert list(jsonschema.Draft7Validator(schema).iter_errors(cluster_config(solution))) == []


def test_irsa_has_neither_agent_nor_associations(solution_of: Resolve, cluster_config: ClusterConfig) -> None:
    solution = solution_of("three-runtimes")

    assert [file for file in stack.files(solution) if "identity" in file] == []
    assert "pod" not in json.dumps(cluster_config(solution)["addons"]).lower()


def test_cfn_lint_finds_nothing(solution: Solution) -> None:
    assert cfn_lint.findings(stack.files(solution)["identity.yaml"], "us-west-2") == []


def test_files_and_resources_are_known_without_rendering(solution_of: Resolve) -> None:
    runtimes = [OWN, *({"name": f"r-{number}", "type": "comfyui"} for number in range(60))]
    solution = solution_of("minimal", podIdentity=True, modelsRuntime=runtimes)
    texts = stack.files(solution)
    templates = {file: Template(text) for file, text in texts.items()}

    kinds = Counter(r["Type"] for item in templates.values() for r in item.resources.values())
    assert stack_layout.resource_counts(solution) == kinds
    assert list(texts) == [
        *("stack.yaml", "stack-02.yaml", "network.yaml", "identity.yaml", "identity-02.yaml"),
    ]
    assert [*(part.file for part in stack_layout.parts(solution)), *stack_layout.after_cluster(solution)] == [
        *texts
    ]
    assert [stack_layout.stack_name(solution, file) for file in texts] == [
        f"{solution.stack}{part}" for part in ("", "-02", "-network", "-identity", "-identity-02")
    ]
    accounts = [account for item in templates.values() for account in given_roles(item)]
    assert len(accounts) == len(set(accounts)) == 4 + 61


@pytest.fixture(scope="module")
def pods() -> Callable[[Solution], Objects]:
    """The objects of the runtimes' chart for a solution."""

    def pods(solution: Solution) -> Objects:
        chart = ROOT / "charts" / "sd-runtimes"
        files = chart_values.runtimes_alone(solution)
        return objects(helm.template(solution.stack, Path(chart), solution.versions.eks, files))

    return pods


@ROWS
def test_no_service_account_names_a_role(
    solution_of: Resolve, pods: Callable[[Solution], Objects], eks: str
) -> None:
    solution = solution_of("three-runtimes", podIdentity=True, eksVersion=eks)
    platform = yaml_loader.load(chart_values.umbrella(solution)["values/platform.yaml"])

    assert "role-arn" not in json.dumps(platform)
    assert "podIdentity" not in platform["keda"]
    rendered = pods(solution)
    # Of the three runtimes and of the log collector.
    assert len(rendered.kinds("ServiceAccount")) == 4
    for account in rendered.kinds("ServiceAccount"):
        assert "eks.amazonaws.com/role-arn" not in account["metadata"]["annotations"]
    for deployment in rendered.kinds("Deployment"):
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        assert annotations["eks.amazonaws.com/skip-containers"] == "runtime"


@ROWS
def test_each_association_is_of_a_service_account_that_a_pod_has(
    solution_of: Resolve, pods: Callable[[Solution], Objects], eks: str
) -> None:
    solution = solution_of("three-runtimes", podIdentity=True, eksVersion=eks)
    given = given_roles(Template(stack.files(solution)["identity.yaml"]))

    accounts = {
        f"{item['metadata']['namespace']}/{item['spec']['template']['spec']['serviceAccountName']}"
        for item in pods(solution).kinds("Deployment")
    }
    assert {name for name in given if not name.startswith("kube-system/")} == accounts


def test_a_role_of_the_user_is_not_named_a_second_time(
    solution_of: Resolve, pods: Callable[[Solution], Objects]
) -> None:
    rendered = pods(solution_of("minimal", podIdentity=True, modelsRuntime=[OWN]))

    annotations = rendered["ServiceAccount/own"]["metadata"]["annotations"]
    assert "eks.amazonaws.com/role-arn" not in annotations


def test_everything_that_the_associations_imply_is_allowed_to_the_deployer(solution: Solution) -> None:
    statements = [item for policy in deployer.policies(solution) for item in policy["Statement"]]
    allowed = {
        action
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }

    handlers = cfn_lint.resource_schema(ASSOCIATION)["handlers"]
    needed = {action for step in handlers.values() for action in step["permissions"]}
    assert "eks:CreatePodIdentityAssociation" in needed
    assert sorted(needed - allowed) == []


def test_the_deployer_gives_pods_only_their_own_roles(solution_of: Resolve) -> None:
    solution = solution_of("minimal", podIdentity=True, modelsRuntime=[OWN])
    statements = [item for policy in deployer.policies(solution) for item in policy["Statement"]]

    [statement] = [item for item in statements if "pods.eks.amazonaws.com" in json.dumps(item)]
    stack_name, account = solution.stack, "arn:aws:iam::123456789012:role"
    assert statement["Action"] == "iam:PassRole"
    assert statement["Resource"] == [
        f"{account}/{stack_name}-karpenter-controller",
        f"{account}/{stack_name}-keda-operator",
        f"{account}/{stack_name}-s3-csi-driver",
        f"{account}/{stack_name}-log-collector",
        f"{account}/{stack_name}-*-runtime",
        f"{account}/eksctl-{stack_name}-*",
        OWN_ROLE,
    ]
