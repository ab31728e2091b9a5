"""`generator diff`: compared with what is deployed, else with the last build; and what would be lost."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import pytest

from generator import yaml_loader
from generator.build import comparable
from generator.cli import main
from generator.deploy import steps
from generator.errors import Exit
from testing import solving
from testing.account import Account, write_config
from testing.relay import Reply, Server, forward, respond
from tests.deploy.conftest import Bench, MakeBench, create_foreign_cluster

pytestmark = pytest.mark.thorough

RUNTIME = {"name": "one", "type": "comfyui"}
Diff = Callable[..., "tuple[str, str]"]


@pytest.fixture
def config(account: Account, tmp_path: Path) -> Callable[..., str]:
    """Writes a config with these runtimes; its path."""

    def config(*names: str, **top: Any) -> str:
        runtimes = [{"name": name, "type": "comfyui"} for name in names]
        data = {"eksVersion": "1.34", "modelsRuntime": runtimes, **top}
        return str(write_config(tmp_path, account, RUNTIME, **data))

    return config


@pytest.fixture
def diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Diff:
    """Runs the command: its output and its notes."""

    def diff(*words: str) -> tuple[str, str]:
        capsys.readouterr()
        assert main.main(["diff", *words, "-o", str(tmp_path / "build")]) == Exit.DONE
        out, err = capsys.readouterr()
        return out, "\n".join(line for line in err.splitlines() if line.startswith("generator diff"))

    return diff


@pytest.fixture
def templates(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Texts that CloudFormation returns by stack: the emulator got them without what it does not support."""
    texts: dict[str, str] = {}

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        fields = parse_qs(body.decode())
        stack = fields.get("StackName", [""])[0]
        if fields["Action"] != ["GetTemplate"] or stack not in texts:
            respond(handler, forward(handler, body, account.endpoint))
            return
        result = f"<GetTemplateResult><TemplateBody>{escape(texts[stack])}</TemplateBody></GetTemplateResult>"
        content = f"<GetTemplateResponse>{result}</GetTemplateResponse>".encode()
        respond(handler, Reply(200, [("Content-Type", "text/xml")], content))

    with Server(answer) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", server.url)
        yield texts


@pytest.fixture
def deployed(bench: MakeBench, account: Account, tmp_path: Path, templates: dict[str, str]) -> Bench:
    """Two runtimes, deployed; AWS and Helm return what the build wrote."""
    two = bench("one", "two")
    two.creates_cluster("1.34")
    steps.run(two.job, ["stack", "cluster", "network"])
    files = solving.built(two.job.solution)
    templates |= {"demo": files["stack.yaml"], "demo-network": files["network.yaml"]}
    complete_cluster(two, account)
    release(two, tmp_path, files)
    (two.job.folder / "kubeconfig").touch()
    return two


def complete_cluster(bench_job: Bench, account: Account) -> None:
    """What eksctl creates next to the cluster: zones, logs, node group, add-ons and roles."""
    eks, iam = account.client("eks"), account.client("iam")
    named = comparable.cluster_of(yaml_loader.load(bench_job.job.files["cluster.yaml"]))
    group = named["nodeGroups"]["controllers"]
    eks.create_nodegroup(
        clusterName="demo",
        nodegroupName="controllers",
        subnets=[],
        nodeRole=f"arn:aws:iam::{account.id}:role/x",
        instanceTypes=group["instanceTypes"],
        scalingConfig={
            "minSize": group["minSize"],
            "desiredSize": group["desiredCapacity"],
            "maxSize": group["maxSize"],
        },
    )
    for name in [*named["addons"], "an-addon-of-the-user"]:
        eks.create_addon(clusterName="demo", addonName=name)
    for role, rows in named["roles"].items():
        iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
        policy = json.dumps({"Version": "2012-10-17", "Statement": rows})
        iam.put_role_policy(RoleName=role, PolicyName="eksctl", PolicyDocument=policy)


def release(bench_job: Bench, folder: Path, files: dict[str, str]) -> None:
    """Helm returns these values, with the keys in another order and numbers as JSON has them."""
    values = json.loads(json.dumps(comparable.values_of(files), sort_keys=True), parse_int=float)
    (folder / "values.json").write_text(json.dumps(values))
    bench_job.when("helm get values", f"cat {folder / 'values.json'}")


def names(out: str) -> list[str]:
    """The documents that differ."""
    return [line.removeprefix("+++ b/") for line in out.splitlines() if line.startswith("+++ b/")]


def test_a_config_that_is_deployed_as_it_is_differs_in_nothing(
    deployed: Bench, config: Callable[..., str], diff: Diff, account: Account
) -> None:
    out, notes = diff(config("one", "two"))

    assert notes == f"generator diff: compared with what is deployed in account {account.id}, us-east-1"
    assert out == ""


def test_the_last_build_does_not_count_where_something_is_deployed(
    deployed: Bench, config: Callable[..., str], diff: Diff, tmp_path: Path
) -> None:
    changed = config("one", "two", tags={"team": "art"})
    main.main(["build", changed, "-o", str(tmp_path / "build")])

    out, _ = diff(changed)

    assert {"stack.yaml", "values"} <= set(names(out))
    assert "+    team: art" in out
    assert diff(changed, "--last-build")[0] == ""


def test_changes_of_the_cluster_are_those_of_the_real_one(
    deployed: Bench, config: Callable[..., str], diff: Diff, account: Account
) -> None:
    account.client("iam").delete_role_policy(RoleName="demo-keda-operator", PolicyName="eksctl")

    out, _ = diff(config("one", "two", clusterComponents={"desiredCount": 5}))

    assert names(out) == ["cluster"]
    assert "-    desiredCapacity: 2" in out
    assert "+    desiredCapacity: 5" in out
    assert "+      Sid: CountTasks" in out


def test_a_removed_runtime_is_named_with_what_it_keeps(
    deployed: Bench, config: Callable[..., str], diff: Diff
) -> None:
    out, _ = diff(config("one"))

    losses = out.partition("Removed or replaced:\n")[2].splitlines()
    assert "  - AWS::SQS::Queue demo-two (kept in the account)" in losses
    assert any(line.startswith("  - AWS::S3::Bucket demo-two-") and "kept" in line for line in losses)
    assert "  - AWS::CloudWatch::Alarm demo-two-tasks-wait-long (deleted)" in losses
    assert "  - runtime two (pods, nodes and volume claims)" in losses
    assert not any(line.startswith("!") for line in losses)


def test_lost_data_stands_out(
    deployed: Bench, config: Callable[..., str], diff: Diff, templates: dict[str, str]
) -> None:
    """A template of an older generator, which did not retain queues and buckets."""
    templates["demo"] = templates["demo"].replace("DeletionPolicy: Retain", "DeletionPolicy: No")

    out, _ = diff(config("one"))

    first = out.partition("Removed or replaced:\n")[2].splitlines()[:3]
    assert all(line.startswith("! DATA IS LOST: - AWS::S") and line.endswith("(deleted)") for line in first)


def test_what_cannot_be_read_is_compared_with_the_last_build_by_name(
    deployed: Bench, config: Callable[..., str], diff: Diff, tmp_path: Path
) -> None:
    deployed.rules_file.write_text("helm get values\techo 'Error: no route to host' >&2; exit 1\n")
    main.main(["build", config("one", "two"), "-o", str(tmp_path / "build")])

    out, notes = diff(config("one", "two", tags={"team": "art"}))

    [note] = [line for line in notes.splitlines() if "values" in line]
    assert "could not be read (`helm get values demo` failed: Error: no route to host)" in note
    assert note.endswith(f"compared with the last build in {tmp_path / 'build' / 'demo'}")
    assert "values" in names(out)


def test_a_release_that_is_not_there_is_new(deployed: Bench, config: Callable[..., str], diff: Diff) -> None:
    deployed.rules_file.write_text("helm get values\techo 'Error: release: not found' >&2; exit 1\n")

    out, notes = diff(config("one", "two"))

    assert len(notes.splitlines()) == 1
    assert names(out) == ["values"]
    assert "--- /dev/null" in out


def test_without_a_kubeconfig_one_is_written_to_a_temporary_folder(
    deployed: Bench, config: Callable[..., str], diff: Diff
) -> None:
    (deployed.job.folder / "kubeconfig").unlink()

    out, _ = diff(config("one", "two"))

    assert out == ""
    [call] = [call for call in deployed.calls if call.startswith("eksctl utils write-kubeconfig")][-1:]
    assert str(deployed.job.folder) not in call
    assert not (deployed.job.folder / "kubeconfig").exists()


def test_an_empty_account_is_compared_with_the_last_build(
    bench: MakeBench, config: Callable[..., str], diff: Diff, account: Account, tmp_path: Path
) -> None:
    bench("one")
    main.main(["build", config("one"), "-o", str(tmp_path / "build")])

    out, notes = diff(config("one", tags={"team": "art"}))

    assert f"nothing is deployed in account {account.id}, us-east-1: compared with the last build" in notes
    assert "values/one.yaml" in names(out)


def test_a_stack_without_a_cluster_leaves_cluster_and_values_as_new(
    bench: MakeBench, config: Callable[..., str], diff: Diff, templates: dict[str, str]
) -> None:
    one = bench("one")
    steps.run(one.job, ["stack"])
    templates["demo"] = solving.built(one.job.solution)["stack.yaml"]

    out, _ = diff(config("one"))

    assert names(out) == ["cluster", "network.yaml", "values"]


def test_a_foreign_cluster_is_not_compared(
    bench: MakeBench, config: Callable[..., str], diff: Diff, account: Account
) -> None:
    steps.run(bench("one").job, ["stack"])
    create_foreign_cluster(account)

    _, notes = diff(config("one"))

    assert "cluster could not be read (cluster demo was not created for this solution" in notes


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"AWS_PROFILE": "nope"}, "AWS profile 'nope' does not exist"),
        ({"AWS_ACCESS_KEY_ID": "999999999999"}, "is not in account"),
    ],
)
def test_without_credentials_of_the_account_the_last_build_takes_its_place(
    env: dict[str, str], why: str, deployed: Bench, config: Callable[..., str], diff: Diff,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    out, notes = diff(config("one", "two", tags={"team": "art"}))

    [note] = notes.splitlines()
    assert why in note
    assert note.endswith(f"compared with the last build in {deployed.job.folder}")
    assert "values/one.yaml" in names(out)
