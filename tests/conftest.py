"""What every test may ask for: an AWS emulator, and an account in it that no other test uses."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local.emulator import REGION, Emulator

_accounts = itertools.count(200000000000)


@dataclass(frozen=True)
class Account:
    """An empty AWS account of the emulator."""

    id: str
    region: str
    endpoint: str
    env: dict[str, str]

    def client(self, service: str, **options: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.id,
            aws_secret_access_key="local",
            **options,
        )


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """One emulator for each pytest process."""
    with Emulator() as running:
        yield running


@pytest.fixture(scope="session")
def strict_emulator() -> Iterator[Emulator]:
    """One for each pytest process that enforces IAM, topic and queue policies."""
    with Emulator(enforce_iam=True) as running:
        yield running


@pytest.fixture
def account(emulator: Emulator) -> Account:
    """An account of this test alone: no test sees another's queues."""
    return _account(emulator)


@pytest.fixture
def strict_account(strict_emulator: Emulator) -> Account:
    """As `account`, with policies enforced. Its access key is that of the account's root."""
    return _account(strict_emulator)


def _account(emulator: Emulator) -> Account:
    number = str(next(_accounts))
    return Account(number, REGION, emulator.url, emulator.client_env(number))


def write_config(folder: Path, account: Account, runtime: dict[str, Any], **top: Any) -> Path:
    """A config file with one runtime, for an account of the emulator."""
    data = {
        "stackName": "demo",
        "eksVersion": "1.34",
        "region": account.region,
        "accountId": account.id,
        "modelBucketArn": "arn:aws:s3:::models",
        "modelsRuntime": [runtime],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data | top))
    return path
