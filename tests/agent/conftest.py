"""A runtime, its AWS behind a proxy that can fail, and agents as processes; a bucket with claims."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiobotocore.session import get_session
from queue_agent.__main__ import AWS
from queue_agent.aws.claims import Claims, Lease
from queue_agent.aws.store import Store
from queue_agent.contract import Task
from queue_agent.task.record import TaskRecord

from testing.account import Account
from testing.proxy import Proxy
from testing.world import World

TASK = Task("cat", "painter", "text-to-image", "", {}, {}, "ab", 10, 1)
DONE = TaskRecord("painter", "cat", "completed", "s3://b/cat/result.json", {}, 1)

# One for all tests: it keeps the API models of AWS that each client needs.
SESSION = get_session()


@pytest.fixture
def proxy(account: Account) -> Iterator[Proxy]:
    with Proxy(account.endpoint) as running:
        yield running


@pytest.fixture
def world(account: Account, proxy: Proxy, tmp_path: Path) -> Iterator[World]:
    with World(account.env, proxy.url, tmp_path) as running:
        yield running


@dataclass(frozen=True)
class Bucket:
    store: Store
    claims: Callable[..., Claims]


@pytest.fixture
async def bucket(account: Account) -> AsyncIterator[Bucket]:
    options = {
        "region_name": account.region,
        "aws_access_key_id": account.id,
        "aws_secret_access_key": "local",
    }
    async with SESSION.create_client("s3", endpoint_url=account.endpoint, config=AWS, **options) as s3:
        name = f"claims-{account.id}"
        await s3.create_bucket(Bucket=name)
        store = Store(s3, name, 5, lambda call, code: None)
        yield Bucket(store, lambda owner, seconds=60: Claims(store, owner, seconds))


async def claimed(bucket: Bucket, owner: str, seconds: float = 60) -> Lease:
    lease = await bucket.claims(owner, seconds).acquire(TASK, "message")
    assert isinstance(lease, Lease)
    return lease
