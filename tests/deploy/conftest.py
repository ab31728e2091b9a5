"""A job against the emulator, with stand-ins for eksctl, helm, kubectl and aws that record their calls."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from generator import app
from generator.aws.clients import Aws
from generator.build import folder as build_folder
from generator.deploy import stacks, steps, uninstall
from generator.deploy.job import Job
from generator.deploy.tools import Tools, kubeconfig
from generator.solution.context import Context
from generator.solution.model import Solution
from local.cloud import for_emulator
from testing import solving
from testing.account import Account
from testing.botocore_models import shared_models
from testing.relay import Server
from tests.deploy import fake_cluster

TODAY = date(2026, 11, 22)
ALL_STEPS = [step.name for step in steps.STEPS]

# Writes its call to $CALLS; then runs its action of $FAKE_RULES, in lines of `words in the call<TAB>shell`.
RECORDER = """\
#!/usr/bin/env bash
call="$(basename "$0") $*"
echo "$call" >> "$CALLS"
[ -t 0 ] || cat > /dev/null &
while IFS=$'\\t' read -r words action; do
  case "$call" in *"$words"*) eval "$action" ;; esac
done < "$FAKE_RULES"
exit 0
"""


@dataclass
class Bench:
    """A job, its messages, and the recorded calls of the programs."""

    job: Job
    messages: list[str]
    calls_file: Path
    rules_file: Path
    cluster_maker: str

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def programs(self) -> list[str]:
        """The first words of each call, as in `eksctl create cluster`."""
        return [
            " ".join(word for word in call.split()[:3] if not word.startswith("-")) for call in self.calls
        ]

    def when(self, words: str, action: str) -> None:
        """Make a program do something when it is called with these words."""
        with self.rules_file.open("a") as rules:
            rules.write(f"{words}\t{action}\n")

    def creates_cluster(self, version: str) -> None:
        """Make eksctl create a network and a cluster in the emulator."""
        host, port = urlsplit(self.cluster_maker).hostname, urlsplit(self.cluster_maker).port
        ask = f"printf 'POST /demo/{version} HTTP/1.0\\r\\n\\r\\n' >&3"
        self.when("eksctl create cluster", f"exec 3<>/dev/tcp/{host}/{port}; {ask}; cat <&3 >/dev/null")

    def with_(self, **changes: Any) -> "Bench":
        return replace(self, job=replace(self.job, **changes))


def solve(account: str, runtimes: list[dict[str, Any]], **top: Any) -> Solution:
    """The solution of a config."""
    data = {"stackName": "demo", "eksVersion": "1.34", "modelBucketArn": "arn:aws:s3:::models", **top}
    context = Context("us-east-1", account, TODAY)
    return solving.solution({**data, "modelsRuntime": runtimes}, context)


def built(solution: Solution, folder: Path) -> dict[str, str]:
    """Write the solution's files; their text."""
    files = solving.built(solution)
    files |= {"stack.yaml": for_emulator(files["stack.yaml"])}
    build_folder.replace(folder, files)
    return files


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Recorders on PATH, ahead of the real ones."""
    folder, calls, rules = tmp_path / "bin", tmp_path / "calls", tmp_path / "rules"
    folder.mkdir()
    rules.touch()
    for name in ("eksctl", "helm", "kubectl", "aws"):
        program = folder / name
        program.write_text(RECORDER)
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("FAKE_RULES", str(rules))
    return calls, rules


@pytest.fixture(scope="session")
def cluster_maker() -> Iterator[str]:
    """The URL where eksctl's stand-in requests a cluster: a process with boto3 for each would be slow."""
    with Server(fake_cluster.answer) as server:
        yield server.url


@pytest.fixture(scope="session", autouse=True)
def botocore_models() -> Iterator[None]:
    """All sessions of boto3 share the AWS models that were read once."""
    with shared_models():
        yield


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench(
    account: Account,
    programs: tuple[Path, Path],
    cluster_maker: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> MakeBench:
    """Makes a job whose AWS is the emulator; a second call is the same account with another config."""
    for key, value in account.env.items():
        if key.startswith("AWS_") or key.lower() == "no_proxy":
            monkeypatch.setenv(key, value)
    monkeypatch.setattr(stacks, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(uninstall, "POLL_SECONDS", 0.05)
    chart = tmp_path / "chart"
    (chart / "charts").mkdir(parents=True)
    (chart / "charts" / "keda-2.20.2.tgz").touch()

    def make(*names: str, dry_run: bool = False, answer: bool = True, **top: Any) -> Bench:
        solution = solve(account.id, [{"name": name, "type": "comfyui"} for name in names], **top)
        folder = tmp_path / "build" / solution.stack
        files = built(solution, folder)
        messages: list[str] = []

        def ask(question: str) -> bool:
            messages.append(question)
            return answer

        environment = {"KUBECONFIG": str(kubeconfig(folder))}
        job = Job(
            solution=solution,
            folder=folder,
            chart=chart,
            aws=Aws(solution.region),
            tools=Tools(messages.append, dry_run=dry_run, environment=environment),
            facts=app.facts(),
            today=TODAY,
            ask=ask,
            say=messages.append,
            files=files,
        )
        return Bench(job, messages, *programs, cluster_maker)

    return make


def create_foreign_cluster(account: Account) -> None:
    """A cluster with the solution's name that another tool created."""
    account.client("eks").create_cluster(
        name="demo", version="1.34", roleArn=f"arn:aws:iam::{account.id}:role/x", resourcesVpcConfig={}
    )


@pytest.fixture
def fresh(bench: MakeBench) -> Bench:
    """A job whose eksctl creates a network and a cluster in the emulator."""
    bench_job = bench("one")
    bench_job.creates_cluster("1.34")
    return bench_job
