"""Roles by EKS Pod Identity: which programs run, in which order, and that the two ways do not mix."""

import json

import pytest

from generator.deploy import steps, uninstall
from generator.deploy.job import RefusedError
from testing.account import Account
from tests.deploy.conftest import ALL_STEPS, MakeBench

EMPTY = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
OF_KARPENTER = "eksctl-demo-addon-iamserviceaccount-kube-system-karpenter"


def create_stack(account: Account, name: str) -> None:
    account.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(EMPTY))


def test_associations_are_created_after_the_cluster_and_before_the_release(bench: MakeBench) -> None:
    dry = bench("one", dry_run=True, podIdentity=True)

    steps.run(dry.job, ALL_STEPS)

    commands = [line for line in dry.messages if line.startswith("$ ")]
    cluster, identity, release = (
        next(number for number, line in enumerate(commands) if part in line)
        for part in ("eksctl create cluster", "--stack-name demo-identity ", "helm upgrade")
    )
    assert cluster < identity < release
    assert not [line for line in commands if "iamserviceaccount" in line or "oidc" in line]


def test_the_associations_are_deleted_before_the_cluster(bench: MakeBench) -> None:
    dry = bench("one", dry_run=True, podIdentity=True)

    uninstall.run(dry.job, 60.0)

    commands = [line for line in dry.messages if line.startswith("$ ")]
    release, identity, cluster = (
        next(number for number, line in enumerate(commands) if part in line)
        for part in ("helm uninstall", "delete-stack --stack-name demo-identity", "eksctl delete cluster")
    )
    assert release < identity < cluster


def test_with_irsa_no_association_is_created(bench: MakeBench) -> None:
    dry = bench("one", dry_run=True)

    steps.run(dry.job, ALL_STEPS)

    assert not [line for line in dry.messages if "identity" in line]


def test_roles_that_irsa_gives_stop_the_switch(account: Account, bench: MakeBench) -> None:
    create_stack(account, OF_KARPENTER)

    with pytest.raises(RefusedError, match="pods have their roles by IRSA") as refusal:
        steps.run(bench("one", podIdentity=True).job, ["cluster"])

    command = "eksctl delete iamserviceaccount --cluster demo --region us-east-1"
    assert f"{command} --namespace kube-system --name karpenter --wait" in str(refusal.value)
    assert "keda" not in str(refusal.value)


def test_roles_that_pod_identity_gives_stop_the_switch_back(account: Account, bench: MakeBench) -> None:
    create_stack(account, "demo-identity")

    with pytest.raises(RefusedError, match="pods have their roles by EKS Pod Identity") as refusal:
        steps.run(bench("one").job, ["cluster"])

    assert "delete-stack --stack-name demo-identity --region us-east-1" in str(refusal.value)


@pytest.mark.parametrize(("stack", "pod_identity"), [(OF_KARPENTER, False), ("demo-identity", True)])
def test_roles_that_are_given_as_the_config_says_stop_nothing(
    account: Account, bench: MakeBench, stack: str, pod_identity: bool
) -> None:
    create_stack(account, stack)
    dry = bench("one", dry_run=True, podIdentity=pod_identity)

    steps.run(dry.job, ["cluster"])

    assert any("eksctl create cluster" in line for line in dry.messages)
