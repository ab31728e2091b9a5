"""Uninstall: runtimes before operators, nodes before the cluster, and no picture is lost."""

import pytest

from generator.deploy import steps, templates, uninstall
from generator.deploy.job import RefusedError
from generator.errors import AwsError
from testing.account import Account
from tests.deploy.conftest import ALL_STEPS, Bench, MakeBench, create_foreign_cluster


@pytest.fixture
def deployed(bench: MakeBench) -> Bench:
    """A deployed solution."""
    bench_job = bench("one")
    bench_job.creates_cluster("1.34")
    steps.run(bench_job.job, ALL_STEPS)
    bench_job.calls_file.unlink()
    return bench_job


@pytest.mark.thorough
def test_runtimes_are_removed_before_the_operators_then_the_cluster_then_the_stack(deployed: Bench) -> None:
    uninstall.run(deployed.job, 5)

    assert deployed.programs() == [
        "eksctl utils write-kubeconfig",
        "helm status demo",
        "helm upgrade",
        "kubectl get nodeclaims",
        "kubectl get ec2nodeclasses",
        "helm uninstall demo",
        "eksctl delete cluster",
    ]
    pruned = next(call for call in deployed.calls if call.startswith("helm upgrade"))
    assert "platform.yaml" in pruned
    assert "one.yaml" not in pruned


@pytest.mark.thorough
def test_pictures_and_tasks_stay_and_their_removal_is_explained(deployed: Bench, account: Account) -> None:
    runtime = deployed.job.solution.runtimes[0]
    account.client("s3").put_object(Bucket=runtime.output_bucket, Key="a/a-1.png", Body=b"picture")

    uninstall.run(deployed.job, 5)

    kept = account.client("s3").get_object(Bucket=runtime.output_bucket, Key="a/a-1.png")["Body"].read()
    assert kept == b"picture"
    assert account.client("sqs").get_queue_url(QueueName="demo-one")
    assert f"  aws s3 rb s3://{runtime.output_bucket} --force --region us-east-1" in deployed.messages


def test_nothing_else_is_left(deployed: Bench, account: Account) -> None:
    uninstall.run(deployed.job, 5)

    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    assert [row["StackName"] for row in stacks if row["StackStatus"] != "DELETE_COMPLETE"] == []
    buckets = {row["Name"] for row in account.client("s3").list_buckets()["Buckets"]}
    assert templates.bucket(deployed.job.solution) not in buckets


@pytest.mark.thorough
def test_gpu_nodes_that_do_not_go_stop_it_before_karpenter_goes(deployed: Bench) -> None:
    deployed.when("kubectl get nodeclaims", "echo nodeclaim.karpenter.sh/demo-one-abcde")

    with pytest.raises(AwsError, match="1 GPU nodes still exist"):
        uninstall.run(deployed.job, 0.2)

    assert "helm uninstall demo" not in deployed.programs()
    assert "eksctl delete cluster" not in deployed.programs()


def test_instance_profiles_that_hold_the_nodes_role_go_before_karpenter_goes(
    deployed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uninstall, "PROFILES_SECONDS", 0.2)
    deployed.when("kubectl get ec2nodeclasses", "echo ec2nodeclass.karpenter.k8s.aws/demo-one")

    with pytest.raises(AwsError, match=r"has not deleted ec2nodeclass\.karpenter\.k8s\.aws/demo-one"):
        uninstall.run(deployed.job, 5)

    assert "helm uninstall demo" not in deployed.programs()


@pytest.mark.thorough
def test_a_foreign_cluster_is_not_deleted(bench: MakeBench, account: Account) -> None:
    bench_job = bench("one")
    steps.run(bench_job.job, ["stack"])
    create_foreign_cluster(account)

    with pytest.raises(RefusedError, match="was not created for this solution"):
        uninstall.run(bench_job.job, 5)

    assert bench_job.calls == []
    assert account.client("cloudformation").describe_stacks(StackName="demo")["Stacks"]


@pytest.mark.thorough
def test_a_node_left_without_its_claim_stops_it_before_the_cluster_is_deleted(
    deployed: Bench, account: Account
) -> None:
    tags = [
        {"Key": "kubernetes.io/cluster/demo", "Value": "owned"},
        {"Key": "karpenter.sh/nodepool", "Value": "demo-one"},
    ]
    account.client("ec2").run_instances(
        ImageId="ami-1",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )

    with pytest.raises(AwsError, match="aws ec2 terminate-instances --instance-ids i-"):
        uninstall.run(deployed.job, 5)

    assert "eksctl delete cluster" not in deployed.programs()


@pytest.mark.thorough
def test_no_answer_about_nodes_does_not_count_as_no_nodes(deployed: Bench) -> None:
    deployed.when("kubectl get nodeclaims", "exit 1")

    with pytest.raises(AwsError, match="without an answer"):
        uninstall.run(deployed.job, 5)

    assert "eksctl delete cluster" not in deployed.programs()


@pytest.mark.thorough
def test_after_a_stop_it_continues_where_it_stopped(deployed: Bench) -> None:
    flag = deployed.job.folder / "broken"
    flag.touch()
    deployed.when("eksctl delete cluster", f"[ -e {flag} ] && exit 1")
    deployed.when("helm status", f"[ -e {flag} ] || exit 1")
    with pytest.raises(AwsError):
        uninstall.run(deployed.job, 5)
    flag.unlink()
    deployed.calls_file.unlink()

    uninstall.run(deployed.job, 5)

    assert deployed.programs() == [
        "eksctl utils write-kubeconfig",
        "helm status demo",
        "eksctl delete cluster",
    ]


def test_without_a_cluster_only_the_stacks_go(bench: MakeBench, account: Account) -> None:
    bench_job = bench("one")
    steps.run(bench_job.job, ["stack"])

    uninstall.run(bench_job.job, 5)

    assert bench_job.calls == []
    remaining = account.client("cloudformation").describe_stacks()["Stacks"]
    assert all(row["StackStatus"] == "DELETE_COMPLETE" for row in remaining)


@pytest.mark.thorough
def test_it_asks_first_and_a_no_changes_nothing(deployed: Bench) -> None:
    declined = deployed.with_(ask=lambda _: False)

    with pytest.raises(RefusedError):
        uninstall.run(declined.job, 5)

    assert deployed.calls == []


def test_a_dry_run_removes_nothing(bench: MakeBench, account: Account) -> None:
    steps.run(bench("one").job, ["stack"])
    dry = bench("one", dry_run=True)

    uninstall.run(dry.job, 5)

    assert dry.calls == []
    assert account.client("cloudformation").describe_stacks(StackName="demo")["Stacks"]
    assert "$ eksctl delete cluster --name demo --region us-east-1 --wait" in "\n".join(dry.messages)
