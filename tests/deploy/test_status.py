"""Status and smoke: what is reported of a live solution, and which task is sent through it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader
from generator.cli import main
from generator.cli.smoke import key_refused_help
from generator.deploy import api as deployed_api
from generator.deploy import smoke, status, steps
from generator.deploy.job import RefusedError
from generator.errors import AwsError, Exit
from testing.account import Account, write_config
from tests.deploy.conftest import ALL_STEPS, Bench, MakeBench, solve

POD = {"metadata": {"labels": {"app.kubernetes.io/instance": "one"}}, "status": {"phase": "Running"}}
NODE = {
    "metadata": {
        "labels": {
            "karpenter.sh/nodepool": "demo-one",
            "karpenter.sh/capacity-type": "spot",
            "node.kubernetes.io/instance-type": "g6.xlarge",
        }
    }
}


@pytest.mark.thorough
def test_status_counts_tasks_pods_and_nodes(bench: MakeBench, account: Account, tmp_path: Path) -> None:
    bench_job = bench("one")
    bench_job.creates_cluster("1.34")
    steps.run(bench_job.job, ALL_STEPS)
    for kind, item in (("pods", POD), ("nodes", NODE)):
        answer = tmp_path / kind
        answer.write_text(json.dumps({"items": [item, item]}))
        bench_job.when(f"kubectl get {kind}", f"cat {answer}")
    sqs = account.client("sqs")
    for name, number in (("demo-one", 3), ("demo-one-dead-letter", 1)):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        for _ in range(number):
            sqs.send_message(QueueUrl=url, MessageBody="task")
    sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="demo-one")["QueueUrl"])

    report = status.status(bench_job.job)

    [row] = report.rows
    assert (row.waiting, row.running, row.dead) == (2, 1, 1)
    assert (row.pods, row.nodes) == ("2 Running", "2 g6.xlarge spot")
    assert report.cluster == "EKS 1.34, ACTIVE"


@pytest.mark.thorough
def test_nodes_of_a_shared_pool_are_counted_for_each_of_its_runtimes(
    bench: MakeBench, tmp_path: Path
) -> None:
    bench_job = bench("one", "two")
    runtimes = [{"name": name, "type": "comfyui"} for name in ("one", "two")]
    for runtime in runtimes:
        runtime["extraValues"] = {"karpenter": {"nodePool": "shared"}}
    solution = solve(bench_job.job.solution.account, [*runtimes, {"name": "three", "type": "comfyui"}])
    job = replace(bench_job.job, solution=solution)
    bench_job.creates_cluster("1.34")
    steps.run(bench_job.job, ALL_STEPS)
    node = json.loads(json.dumps(NODE).replace("demo-one", "demo-shared"))
    answer = tmp_path / "nodes"
    answer.write_text(json.dumps({"items": [node]}))
    bench_job.when("kubectl get nodes", f"cat {answer}")
    bench_job.when("kubectl get pods", "echo '{\"items\": []}'")

    rows = {row.runtime: row.nodes for row in status.status(job).rows}

    assert rows == {"one": "1 g6.xlarge spot (shared)", "two": "1 g6.xlarge spot (shared)", "three": "0"}


def test_what_does_not_exist_is_reported_as_missing(bench: MakeBench) -> None:
    report = status.status(bench("one").job)

    assert (report.stack, report.cluster, report.api) == ("does not exist", "does not exist", "")
    assert report.rows[0].waiting is None


@pytest.mark.thorough
def test_a_cluster_that_does_not_answer_leaves_pods_unknown(bench: MakeBench) -> None:
    bench_job = bench("one")
    bench_job.creates_cluster("1.34")
    steps.run(bench_job.job, ALL_STEPS)
    bench_job.when("kubectl get", "exit 1")

    assert status.status(bench_job.job).rows[0].pods is None


@pytest.fixture
def config(bench: MakeBench, account: Account, tmp_path: Path) -> str:
    """A config file for the account."""
    bench("one")
    runtime = {"name": "turbo", "type": "sdwebui", "modelFilename": "m.safetensors"}
    return str(write_config(tmp_path, account, runtime))


def test_the_status_command_prints_a_row_for_each_runtime(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["status", config]) == Exit.DONE

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("stack: does not exist")
    assert lines[-1].split() == ["turbo", "?", "?", "?", "?", "?"]


def test_smoke_without_a_stack_names_the_command_that_creates_it(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["smoke", config]) == Exit.AWS

    assert "`make cluster` creates it" in capsys.readouterr().err


def test_a_dry_smoke_prints_the_task_and_sends_none(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["smoke", config, "--dry-run"]) == Exit.DONE

    task = json.loads(capsys.readouterr().out)["task"]
    assert task["metadata"]["runtime"] == "turbo"
    assert task["content"]["prompt"]


RUNTIMES: list[dict[str, Any]] = [
    {"name": "graphs", "type": "comfyui"},
    {"name": "any", "type": "sdwebui", "dynamicModel": True},
    {"name": "turbo", "type": "sdwebui", "modelFilename": "m.safetensors"},
]


@pytest.fixture
def three(bench: MakeBench, account: Account) -> Bench:
    return bench("one").with_(solution=solve(account.id, RUNTIMES))


def test_smoke_takes_the_static_sd_webui_by_default(three: Bench) -> None:
    assert smoke.choose(three.job.solution, None).name == "turbo"
    assert smoke.choose(three.job.solution, "graphs").name == "graphs"


def test_a_runtime_that_is_not_in_the_config_is_refused_with_those_that_are(three: Bench) -> None:
    with pytest.raises(RefusedError, match="graphs, any, turbo"):
        smoke.choose(three.job.solution, "nobody")


def test_a_runtime_that_takes_no_prompt_needs_a_task(three: Bench) -> None:
    with pytest.raises(RefusedError, match="--task FILE"):
        smoke.body(smoke.choose(three.job.solution, "graphs"), None, None)


def test_a_dynamic_runtime_needs_a_model(three: Bench) -> None:
    runtime = smoke.choose(three.job.solution, "any")

    with pytest.raises(RefusedError, match="--model"):
        smoke.body(runtime, None, None)
    content = smoke.body(runtime, None, "x.safetensors")["task"]["content"]
    assert content["override_settings"] == {"sd_model_checkpoint": "x.safetensors"}


def test_a_dynamic_runtime_with_a_checkpoint_needs_no_model(account: Account) -> None:
    runtime = {"name": "any", "type": "sdwebui", "dynamicModel": True, "modelFilename": "m.safetensors"}
    solution = solve(account.id, [RUNTIMES[0], runtime])

    task = smoke.body(smoke.choose(solution, None), None, None)["task"]

    assert task["metadata"]["runtime"] == "any"
    assert "override_settings" not in task["content"]


def test_a_users_task_goes_to_the_chosen_runtime_under_a_fresh_id(three: Bench) -> None:
    task = {"task": {"metadata": {"id": "old", "runtime": "other"}, "content": {"prompt": {}}}}

    sent = smoke.body(smoke.choose(three.job.solution, "graphs"), task, None)["task"]["metadata"]

    assert sent["runtime"] == "graphs"
    assert sent["id"].startswith("smoke-")


@pytest.mark.parametrize(("partition", "mentioned"), [("aws", False), ("aws-cn", True)])
def test_in_china_a_missing_icp_license_is_a_possible_reason_of_a_refusal(
    partition: str, mentioned: bool
) -> None:
    assert ("ICP licence" in key_refused_help(partition)) == mentioned


def test_the_api_client_has_the_key_of_the_stack(bench: MakeBench) -> None:
    bench_job = bench("one")
    with pytest.raises(AwsError):
        deployed_api.client(bench_job.job)
    steps.run(bench_job.job, ["stack"])

    api = deployed_api.client(bench_job.job)

    assert api.url.endswith("/prod")
    assert api.key


def test_other_zones_reach_the_cluster_and_only_three_are_accepted(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["deploy", config, "-o", str(tmp_path / "out"), "--only", "cluster", "--zones"]

    assert main.main([*words, "us-east-1d,us-east-1b,us-east-1c"]) == Exit.DONE
    cluster = yaml_loader.load((tmp_path / "out" / "demo" / "cluster.yaml").read_text())
    assert cluster["availabilityZones"] == ["us-east-1b", "us-east-1c", "us-east-1d"]
    with pytest.raises(SystemExit):
        main.main([*words, "us-east-1d,us-east-1b"])
