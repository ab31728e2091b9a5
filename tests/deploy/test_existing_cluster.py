"""A deployment to a cluster that exists: its own stacks and release, and nothing else of the cluster."""

from typing import Any

import pytest

from generator.deploy import deployed, status, steps, uninstall
from generator.deploy.job import RefusedError
from testing.account import Account
from tests.deploy.conftest import ALL_STEPS, MakeBench

PLATFORM = {"name": "platform", "nodeRole": "KarpenterNodeRole-platform"}
AUTO = {"name": "platform", "nodeRole": "AmazonEKSAutoNodeRole", "autoMode": True}


def create_cluster(account: Account, version: str = "1.34") -> str:
    """A cluster of another team; the host and path of its issuer."""
    row = account.client("eks").create_cluster(
        name="platform",
        version=version,
        roleArn=f"arn:aws:iam::{account.id}:role/x",
        resourcesVpcConfig={},
    )["cluster"]
    return str(row.get("identity", {}).get("oidc", {}).get("issuer", "")).rpartition("://")[2]


def role_of(account: Account, name: str) -> dict[str, Any]:
    role: dict[str, Any] = account.client("iam").get_role(RoleName=name)["Role"]
    return role


@pytest.mark.parametrize("pod_identity", [False, True], ids=["IRSA", "Pod Identity"])
def test_no_program_creates_or_changes_a_cluster(
    account: Account, bench: MakeBench, pod_identity: bool
) -> None:
    create_cluster(account)
    dry = bench("one", dry_run=True, existingCluster=PLATFORM, podIdentity=pod_identity)

    steps.run(dry.job, ALL_STEPS)
    uninstall.run(dry.job, 60.0)

    commands = [line for line in dry.messages if line.startswith("$ ")]
    eksctl = {line for line in commands if line.startswith("$ eksctl")}
    assert all("utils write-kubeconfig --cluster platform" in line for line in eksctl)
    assert not [line for line in commands if "network" in line or "crds" in line or "helm pull" in line]
    assert [line for line in commands if "--stack-name demo-identity " in line]


@pytest.mark.thorough
def test_the_roles_trust_the_issuer_of_the_cluster(account: Account, bench: MakeBench) -> None:
    issuer = create_cluster(account)
    job = bench("one", existingCluster=PLATFORM)

    steps.run(job.job, ALL_STEPS)

    [statement] = role_of(account, "demo-one-runtime")["AssumeRolePolicyDocument"]["Statement"]
    assert issuer
    assert statement["Principal"]["Federated"].endswith(f":oidc-provider/{issuer}")
    assert statement["Condition"]["StringEquals"][f"{issuer}:sub"] == "system:serviceaccount:default:one"


def test_the_release_is_the_chart_of_the_runtimes_alone(account: Account, bench: MakeBench) -> None:
    create_cluster(account)
    job = bench("one", "two", existingCluster=PLATFORM)

    steps.run(job.job, ALL_STEPS)

    [upgrade] = [call for call in job.calls if call.startswith("helm")]
    assert "values/one.yaml" in upgrade
    assert "values/two.yaml" in upgrade
    assert "platform.yaml" not in upgrade
    assert job.programs() == ["eksctl utils write-kubeconfig", "helm upgrade"]


def test_a_cluster_that_does_not_exist_stops_it_before_anything_is_created(
    account: Account, bench: MakeBench
) -> None:
    with pytest.raises(RefusedError, match=r"cluster platform does not exist: change existingCluster\.name"):
        steps.run(bench("one", existingCluster=PLATFORM).job, ALL_STEPS)

    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_cluster_of_another_version_stops_it(account: Account, bench: MakeBench) -> None:
    create_cluster(account, "1.33")

    with pytest.raises(RefusedError, match=r'the cluster runs EKS 1\.33: set eksVersion: "1\.33"'):
        steps.run(bench("one", existingCluster=PLATFORM).job, ALL_STEPS)


@pytest.mark.thorough
def test_uninstall_waits_for_its_own_nodes_only_and_keeps_the_cluster(
    account: Account, bench: MakeBench
) -> None:
    create_cluster(account)
    job = bench("one", existingCluster=PLATFORM)
    steps.run(job.job, ALL_STEPS)
    job.calls_file.unlink()

    uninstall.run(job.job, 5)

    [claims] = [call for call in job.calls if "nodeclaims" in call]
    assert "karpenter.sh/nodepool in (demo-one)" in claims
    assert "eksctl delete cluster" not in job.programs()
    assert account.client("eks").describe_cluster(name="platform")["cluster"]["status"] == "ACTIVE"
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


def test_uninstall_waits_for_the_node_classes_of_auto_mode(account: Account, bench: MakeBench) -> None:
    create_cluster(account)
    dry = bench("one", dry_run=True, existingCluster=AUTO)

    uninstall.run(dry.job, 60.0)

    assert any("nodeclasses.eks.amazonaws.com" in line for line in dry.messages)


def test_status_and_diff_ask_about_the_named_cluster(account: Account, bench: MakeBench) -> None:
    create_cluster(account)
    job = bench("one", existingCluster=PLATFORM)
    steps.run(job.job, ALL_STEPS)
    job.when("kubectl get", "echo '{\"items\": []}'")
    job.when("helm get values", "echo '{}'")

    assert status.status(job.job).cluster.startswith("EKS 1.34")
    assert "cluster" not in deployed.read(job.job).documents
    assert {"stack.yaml", "identity.yaml"} <= deployed.read(job.job).documents.keys()
