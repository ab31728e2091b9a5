"""A short soak: `make soak` is the long one."""

from pathlib import Path

import pytest

from bench import soak
from testing.account import Account
from testing.proxy import Proxy
from testing.world import World

pytestmark = pytest.mark.thorough


def test_of_a_hundred_tasks_none_is_lost_or_ends_twice_under_faults(
    account: Account, proxy: Proxy, tmp_path: Path
):
    with World(account.env, proxy.url, tmp_path) as world:
        _, violations = soak.soak(world, proxy, tasks=100, seed=7, seconds=200, poisoned=0)

    assert violations == []
