"""Deploy, resume, upgrade: the order of the programs, against the state of the emulator."""

import json
from datetime import date
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from generator.deploy import eks, release, stacks, steps
from generator.deploy.job import RefusedError
from generator.deploy.tools import MissingProgramError
from generator.errors import AwsError
from testing.account import Account
from testing.relay import Reply, Server, respond
from tests.deploy.conftest import ALL_STEPS, Bench, MakeBench, create_foreign_cluster


def test_everything_happens_in_order_on_a_fresh_account(fresh: Bench) -> None:
    steps.run(fresh.job, ALL_STEPS)

    assert fresh.programs() == [
        "eksctl create cluster",
        "eksctl utils write-kubeconfig",
        "helm show crds",
        "kubectl apply",
        "kubectl get csidriver",
        "helm upgrade",
        "kubectl wait deployment",
    ]
    assert stacks.find(fresh.job, "demo-network") is not None


def test_the_values_of_every_runtime_reach_helm_after_the_platforms(bench: MakeBench) -> None:
    two = bench("one", "two")
    two.creates_cluster("1.34")

    steps.run(two.job, ALL_STEPS)

    upgrade = next(call for call in two.calls if call.startswith("helm upgrade"))
    files = [Path(word).name for word in upgrade.split() if word.endswith(".yaml")]
    assert files == ["platform.yaml", "one.yaml", "two.yaml"]
    assert " --namespace kube-system" in upgrade


@pytest.mark.thorough
def test_crds_are_applied_on_the_server_since_they_are_too_large_for_the_client(fresh: Bench) -> None:
    steps.run(fresh.job, ALL_STEPS)

    [apply_call] = [call for call in fresh.calls if call.startswith("kubectl apply")]
    assert "--server-side --force-conflicts" in apply_call


@pytest.mark.thorough
def test_eksctl_leaves_the_users_own_kubeconfig_alone(fresh: Bench) -> None:
    steps.run(fresh.job, ALL_STEPS)

    created = next(call for call in fresh.calls if call.startswith("eksctl create cluster"))
    kubeconfig_call = next(call for call in fresh.calls if "write-kubeconfig" in call and call != created)
    assert "--write-kubeconfig=false" in created
    assert kubeconfig_call.endswith(str(fresh.job.folder / "kubeconfig"))


def test_the_second_run_makes_no_second_cluster(fresh: Bench) -> None:
    steps.run(fresh.job, ALL_STEPS)
    fresh.calls_file.unlink()

    steps.run(fresh.job, ALL_STEPS)

    assert "eksctl create cluster" not in fresh.programs()
    assert "stack demo: nothing to change" in fresh.messages


@pytest.mark.thorough
def test_an_existing_cluster_is_brought_up_to_the_config(fresh: Bench) -> None:
    steps.run(fresh.job, ALL_STEPS)
    fresh.calls_file.unlink()

    steps.run(fresh.job, ["cluster"])

    assert fresh.programs() == [
        "eksctl utils associate-iam-oidc-provider",
        "eksctl create iamserviceaccount",
        "eksctl update iamserviceaccount",
        "eksctl create accessentry",
        "eksctl create nodegroup",
        "eksctl create addon",
        "eksctl update addon",
    ]


@pytest.mark.thorough
@pytest.mark.parametrize(("answer", "deleted"), [("false", True), ("true", False), ("", False)])
def test_a_csi_driver_object_that_helm_could_not_change_is_deleted_first(
    fresh: Bench, answer: str, deleted: bool
) -> None:
    fresh.when("get csidriver s3.csi.aws.com", f"printf '{answer}'")

    steps.run(fresh.job, ALL_STEPS)

    commands = [call.split(" --")[0] for call in fresh.calls]
    assert ("kubectl delete csidriver s3.csi.aws.com" in commands) is deleted
    if deleted:
        upgrade = next(number for number, call in enumerate(commands) if call.startswith("helm upgrade"))
        assert commands.index("kubectl delete csidriver s3.csi.aws.com") < upgrade


def test_version_1_of_the_csi_driver_is_left_alone(bench: MakeBench) -> None:
    older = bench("one", eksVersion="1.28")
    older.when("get csidriver", "printf false")

    release.apply(older.job)

    assert not [call for call in older.calls if "csidriver" in call]


FAILURES = [
    "eksctl create cluster",
    "eksctl utils write-kubeconfig",
    "helm show crds",
    "kubectl apply",
    "helm upgrade",
]


@pytest.mark.parametrize("words", FAILURES)
def test_after_a_failure_the_same_command_goes_on(fresh: Bench, words: str) -> None:
    broken = fresh.job.folder / "broken"
    broken.touch()
    fresh.rules_file.write_text(f"{words}\t[ -e {broken} ] && exit 1\n{fresh.rules_file.read_text()}")
    with pytest.raises(AwsError):
        steps.run(fresh.job, ALL_STEPS)
    stopped_at = fresh.programs()[-1]
    broken.unlink()
    fresh.calls_file.unlink()

    steps.run(fresh.job, ALL_STEPS)

    assert stopped_at == words
    assert fresh.programs()[-1] == "kubectl wait deployment"
    assert fresh.programs().count("eksctl create cluster") == (words == "eksctl create cluster")


@pytest.mark.thorough
def test_a_failed_attempt_of_eksctl_is_removed_before_the_next(fresh: Bench, account: Account) -> None:
    formation = account.client("cloudformation")
    formation.create_stack(StackName="eksctl-demo-cluster", TemplateBody=REFUSED_BY_SQS)

    steps.run(fresh.job, ["cluster"])

    assert fresh.programs()[:2] == ["eksctl delete cluster", "eksctl create cluster"]


def test_a_cluster_whose_creation_fails_while_we_wait_is_an_error_of_aws(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    statuses = iter(["CREATING"])
    one = bench("one")

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        row = {"version": "1.34", "status": next(statuses, "FAILED"), "tags": {"sd-on-eks/stack": "demo"}}
        content = json.dumps({"cluster": row}).encode()
        respond(handler, Reply(200, [("Content-Type", "application/json")], content))

    with Server(answer) as server, pytest.raises(AwsError, match="cluster demo is not active"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", server.url)
        eks.apply(one.job)


def test_an_expired_version_is_refused_before_anything_is_created(bench: MakeBench, account: Account) -> None:
    old = bench("one", eksVersion="1.28")

    with pytest.raises(RefusedError, match=r'set eksVersion: "1\.36"'):
        steps.run(old.job, ALL_STEPS)

    assert old.calls == []
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


@pytest.mark.thorough
def test_an_existing_cluster_may_keep_an_expired_version(fresh: Bench) -> None:
    steps.run(fresh.job, ALL_STEPS)

    later = fresh.with_(today=date(2031, 1, 1))
    eks.guard(later.job, eks.find(later.job))


@pytest.mark.thorough
@pytest.mark.parametrize("step", ALL_STEPS)
def test_a_foreign_cluster_is_left_alone_in_every_step(step: str, bench: MakeBench, account: Account) -> None:
    bench_job = bench("one")
    create_foreign_cluster(account)

    with pytest.raises(RefusedError, match="was not created for this solution"):
        steps.run(bench_job.job, [step])

    assert bench_job.calls == []
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


@pytest.mark.thorough
def test_the_next_version_is_an_upgrade_with_a_question(bench: MakeBench) -> None:
    first = bench("one", eksVersion="1.33")
    first.creates_cluster("1.33")
    steps.run(first.job, ALL_STEPS)
    first.calls_file.unlink()
    higher = bench("one", eksVersion="1.34")

    steps.run(higher.job, ["cluster"])

    assert any("It cannot go back" in line for line in higher.messages)
    assert higher.programs()[:2] == ["eksctl upgrade cluster", "eksctl upgrade nodegroup"]


@pytest.mark.thorough
@pytest.mark.parametrize(("target", "allowed"), [("1.35", "1.34"), ("1.32", "1.33")])
def test_skipped_versions_and_downgrades_are_refused_with_the_line_to_set(
    bench: MakeBench, target: str, allowed: str
) -> None:
    first = bench("one", eksVersion="1.33")
    first.creates_cluster("1.33")
    steps.run(first.job, ALL_STEPS)

    with pytest.raises(RefusedError, match=f'set eksVersion: "{allowed}"'):
        steps.run(bench("one", eksVersion=target).job, ["cluster"])


def test_the_network_step_names_the_step_before_it(bench: MakeBench) -> None:
    with pytest.raises(AwsError, match="make cluster"):
        steps.run(bench("one").job, ["network"])


@pytest.mark.thorough
def test_the_s3_endpoint_gets_the_route_tables_of_the_private_subnets(fresh: Bench, account: Account) -> None:
    steps.run(fresh.job, ["cluster", "network"])

    stack = account.client("cloudformation").describe_stacks(StackName="demo-network")["Stacks"][0]
    parameters = {row["ParameterKey"]: row["ParameterValue"] for row in stack["Parameters"]}
    tables = account.client("ec2").describe_route_tables(RouteTableIds=parameters["RouteTableIds"].split(","))
    names = {tag["Value"] for table in tables["RouteTables"] for tag in table["Tags"]}
    assert names == {"private-0", "private-1", "private-2"}


def test_a_dry_run_prints_every_command_and_runs_none(bench: MakeBench, account: Account) -> None:
    dry = bench("one", dry_run=True)

    steps.run(dry.job, ALL_STEPS)

    commands = [line for line in dry.messages if line.startswith("$ ")]
    assert [" ".join(line.split()[1:4]) for line in commands if "aws" not in line] == [
        "eksctl create cluster",
        "eksctl utils write-kubeconfig",
        "helm show crds",
        "helm upgrade --install",
        "kubectl wait deployment",
    ]
    assert dry.calls == []
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_missing_program_is_named_with_where_to_get_it(
    fresh: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(
        MissingProgramError, match=r"eksctl is not on PATH; it creates the cluster: https://eksctl"
    ):
        steps.run(fresh.job, ["cluster"])


REFUSED_BY_SQS = """\
Resources:
  Slow:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 999999}
"""
