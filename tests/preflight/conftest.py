"""An account in which everything is ready: emulators where they match AWS, else our own fake endpoint."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from generator import app, paths
from generator.aws.clients import Aws
from generator.facts import runtimes
from generator.iam import deployer
from generator.images import images
from generator.preflight import themes
from generator.preflight.check import Subject, run_all
from generator.preflight.result import CheckStatus, Result
from generator.solution.context import Context
from testing import solving
from testing.account import Account
from testing.botocore_models import shared_models
from testing.fake_aws import FakeAws
from testing.fake_ec2 import FakeEc2
from testing.preflight import MODEL, SUFFICIENT_QUOTAS, prepare_account
from testing.relay import Server

TODAY = date(2026, 11, 22)
RUNTIME = {"name": "turbo", "type": "sdwebui", "modelFilename": MODEL}


@pytest.fixture(scope="session", autouse=True)
def botocore_models() -> Iterator[None]:
    """All sessions of boto3 share the AWS models that were read once."""
    with shared_models():
        yield


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The URL of moto's EC2, which has real zones and offerings."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def subject_of(account: str, config: dict[str, Any], today: date = TODAY) -> Subject:
    """What preflight judges of a config in an account."""
    data = {
        "stackName": "demo",
        "eksVersion": "1.35",
        "modelBucketArn": f"arn:aws:s3:::models-{account}",
        "modelsRuntime": [RUNTIME],
        **config,
    }
    facts = app.facts()
    solution = solving.solution(data, Context("us-east-1", account, today))
    plan = solving.plan(solution)
    names = images.pulled_names(solution)
    charts = paths.root() / "charts"
    folders, forge = runtimes.model_folders(charts), runtimes.forge_folders(charts)
    return Subject(solution, plan, facts, today, names, deployer.policies(solution), folders, forge)


@dataclass
class Sandbox:
    """The emulated account, and the handles that change what preflight finds in it."""

    account: Account
    quotas: FakeAws
    ec2: Any
    # What moto's EC2 does not have.
    more_ec2: FakeEc2

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def run(self, *, theme: str = "", today: date = TODAY, config: dict[str, Any] | None = None) -> "Report":
        """Run all checks, or only those of a theme."""
        checks = themes.checks(self.subject(config or {}, today))
        asked = [check for check in checks if check.first or theme in ("", check.theme)]
        return Report(run_all(asked, Aws("us-east-1")))

    def one(
        self, theme: str, name: str, *, today: date = TODAY, config: dict[str, Any] | None = None
    ) -> Result:
        """The result of a check. Only its theme is asked: a whole run takes half a second of CPU time."""
        return self.run(theme=theme, today=today, config=config).one(theme, name)

    def subject(self, config: dict[str, Any], today: date = TODAY) -> Subject:
        return subject_of(self.account.id, config, today)


@dataclass
class Report:
    """The results of a run, by theme and name."""

    results: list[Result]

    def one(self, theme: str, name: str) -> Result:
        matches = [result for result in self.results if result.theme == theme and name in result.name]
        [match] = [result for result in matches if result.name == name] or matches
        return match

    def not_passed(self) -> list[Result]:
        return [r for r in self.results if r.status not in (CheckStatus.PASSED, CheckStatus.NOT_ASKED)]


@pytest.fixture
def quotas() -> Iterator[tuple[FakeAws, str]]:
    """Service Quotas and EKS, and their address."""
    fake = FakeAws()
    fake.values |= SUFFICIENT_QUOTAS
    with Server(fake.answer) as server:
        yield fake, server.url


@pytest.fixture
def ec2(moto: str) -> Iterator[tuple[FakeEc2, str]]:
    """EC2, and its address."""
    fake = FakeEc2(moto, "alias/aws/ebs")
    with Server(fake.answer) as server:
        yield fake, server.url


@pytest.fixture
def sandbox(
    account: Account,
    ec2: tuple[FakeEc2, str],
    quotas: tuple[FakeAws, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Sandbox:
    """A ready account that holds only what the config needs."""
    return _sandbox(account, ec2, quotas, monkeypatch)


@pytest.fixture
def strict_sandbox(
    strict_account: Account,
    ec2: tuple[FakeEc2, str],
    quotas: tuple[FakeAws, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Sandbox:
    """The same with IAM enforced, where a user is not treated as the account's root."""
    return _sandbox(strict_account, ec2, quotas, monkeypatch)


def _sandbox(
    account: Account,
    ec2: tuple[FakeEc2, str],
    quotas: tuple[FakeAws, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Sandbox:
    for key, value in account.env.items():
        if key.startswith("AWS_") or key.lower() == "no_proxy":
            monkeypatch.setenv(key, value)
    fake, url = quotas
    more_ec2, ec2_url = ec2
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", ec2_url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", url)
    prepare_account(account)
    client = replace(account, endpoint=ec2_url).client("ec2")
    for vpc in client.describe_vpcs()["Vpcs"]:
        if not vpc.get("IsDefault"):
            client.delete_vpc(VpcId=vpc["VpcId"])
    return Sandbox(account, fake, client, more_ec2)
