"""An account in which everything is ready: emulators where they are true to AWS, else an endpoint of ours."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from generator import paths
from generator.aws.clients import Aws
from generator.facts import runtimes
from generator.facts.facts import Facts
from generator.iam import deployer
from generator.images import images
from generator.preflight import themes
from generator.preflight.check import Subject, run_all
from generator.preflight.result import CheckStatus, Result
from generator.preflight.spot import ROLE
from generator.solution.context import Context
from testing import solving
from testing.account import Account
from testing.fake_aws import Quotas
from testing.relay import Server
from tests.deploy.conftest import one_reader

__all__ = ["one_reader"]

TODAY = date(2026, 11, 22)
MODEL = "sd_xl_turbo_1.0.safetensors"
RUNTIME = {"name": "turbo", "type": "sdwebui", "modelFilename": MODEL}
# What a ready account may have of each quota.
ENOUGH = {
    "L-DB2E81BA": 400.0,
    "L-3819A6DF": 400.0,
    "L-1216C47A": 64.0,
    "L-0263D0A3": 5.0,
    "L-F678F1CE": 5.0,
    "L-FE5A380F": 5.0,
    "L-F8E2BA85": 30000.0,
    "L-DC2B2D3D": 10000.0,
}


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """moto's EC2: real zones and offerings. Its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Place:
    """The account, and the way to change what preflight finds there."""

    account: Account
    quotas: Quotas
    ec2: Any

    def client(self, service: str) -> Any:
        return self.account.client(service)

    def run(self, *, today: date = TODAY, config: dict[str, Any] | None = None) -> "Found":
        return Found(run_all(list(themes.checks(self.subject(config or {}, today))), Aws("us-east-1")))

    def subject(self, config: dict[str, Any], today: date = TODAY) -> Subject:
        data = {
            "stackName": "demo",
            "eksVersion": "1.34",
            "modelBucketArn": f"arn:aws:s3:::models-{self.account.id}",
            "modelsRuntime": [RUNTIME],
            **config,
        }
        facts = Facts(paths.data())
        solution = solving.solution(data, Context("us-east-1", self.account.id, today))
        made = solving.plan(solution)
        names = images.pulled_names(solution)
        folders = runtimes.model_folders(paths.root() / "charts")
        return Subject(solution, made, facts, today, names, deployer.policies(solution), folders)


@dataclass
class Found:
    """Results, by what they are about."""

    results: list[Result]

    def one(self, theme: str, what: str) -> Result:
        fitting = [result for result in self.results if result.theme == theme and what in result.what]
        [found] = [result for result in fitting if result.what == what] or fitting
        return found

    def not_passed(self) -> list[Result]:
        return [r for r in self.results if r.status not in (CheckStatus.PASSED, CheckStatus.NOT_ASKED)]


@pytest.fixture
def quotas() -> Iterator[tuple[Quotas, str]]:
    """Service Quotas and EKS, and their address."""
    fake = Quotas()
    fake.values |= ENOUGH
    with Server(fake.answer) as server:
        yield fake, server.url


@pytest.fixture
def place(account: Account, moto: str, quotas: tuple[Quotas, str], monkeypatch: pytest.MonkeyPatch) -> Place:
    """A ready account, empty but for what the config counts on."""
    return _place(account, moto, quotas, monkeypatch)


@pytest.fixture
def strict_place(
    strict_account: Account, moto: str, quotas: tuple[Quotas, str], monkeypatch: pytest.MonkeyPatch
) -> Place:
    """The same where IAM is enforced, and a user is not taken for the account's root."""
    return _place(strict_account, moto, quotas, monkeypatch)


def _place(account: Account, moto: str, quotas: tuple[Quotas, str], monkeypatch: pytest.MonkeyPatch) -> Place:
    for key, value in account.env.items():
        if key.startswith("AWS_") or key.lower() == "no_proxy":
            monkeypatch.setenv(key, value)
    fake, url = quotas
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", url)
    ready(account)
    ec2 = replace(account, endpoint=moto).client("ec2")
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        if not vpc.get("IsDefault"):
            ec2.delete_vpc(VpcId=vpc["VpcId"])
    return Place(account, fake, ec2)


def ready(account: Account) -> None:
    """Models, images and the spot role."""
    bucket = f"models-{account.id}"
    account.client("s3").create_bucket(Bucket=bucket)
    folders = runtimes.model_folders(paths.root() / "charts")["sdwebui"]
    for key in (f"Stable-diffusion/{MODEL}", *(f"{folder}/" for folder in folders)):
        account.client("s3").put_object(Bucket=bucket, Key=key, Body=b"")
    ecr = account.client("ecr")
    for repository, tag in (("sd-on-eks/sdwebui", "1.10.1"), ("sd-on-eks/queue-agent", "0.1.0")):
        ecr.create_repository(repositoryName=repository)
        ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest='{"schemaVersion": 2}')
    trust = '{"Version":"2012-10-17","Statement":[]}'
    account.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)
