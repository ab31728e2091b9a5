"""A runtime, its AWS behind a proxy that can fail, and agents as processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.account import Account
from testing.proxy import Proxy
from testing.world import World


@pytest.fixture
def proxy(account: Account) -> Iterator[Proxy]:
    with Proxy(account.endpoint) as running:
        yield running


@pytest.fixture
def world(account: Account, proxy: Proxy, tmp_path: Path) -> Iterator[World]:
    with World(account.env, proxy.url, tmp_path) as running:
        yield running
