"""What every test may ask for: an AWS emulator, and an account in it that no other test uses."""

import gc
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from local.emulator import REGION, Emulator
from testing.account import Account

# How long a case takes depends on what else the machine does: it is no fault of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    """Without this, each garbage collection visits thousands of collected tests again."""
    gc.collect()
    gc.freeze()


_accounts = itertools.count(200000000000)


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
