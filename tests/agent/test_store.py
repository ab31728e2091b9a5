"""Outputs on their way to S3: they arrive as they were read, and do not hold up the event loop."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from queue_agent.__main__ import S3
from queue_agent.aws.retry import AwsUnavailable
from queue_agent.aws.store import Store, sha256
from queue_agent.blobs import Blob, Scratch
from queue_agent.task.protocol import claim_key

from testing.account import Account
from testing.proxy import Proxy
from testing.world import World, wait_for

LARGE = b"\x5a" * (64 * 2**20)


@pytest.fixture
async def store(account: Account) -> AsyncIterator[Store]:
    secret = {"aws_access_key_id": account.id, "aws_secret_access_key": "local"}
    session = get_session()
    async with session.create_client(
        "s3", region_name=account.region, endpoint_url=account.endpoint, config=S3, **secret
    ) as s3:
        await s3.create_bucket(Bucket=f"outputs-{account.id}")
        yield Store(s3, f"outputs-{account.id}", 0.5, lambda call, code: None)


async def test_s3_refuses_an_output_that_has_changed_on_the_way(store: Store):
    with pytest.raises((AwsUnavailable, ClientError), match="BadDigest"):
        await store.put("cat/cat-1.png", Blob(b"other bytes"), "image/png", hashlib.sha256(b"bytes").digest())

    assert await store.read("cat/cat-1.png") is None


async def test_the_event_loop_goes_on_while_a_large_output_is_hashed_and_sent(store: Store):
    writer = Scratch(memory_bytes=0).writer()
    await asyncio.to_thread(writer.write, LARGE)
    output = await writer.close()
    begun = time.thread_time()
    digest = hashlib.sha256(LARGE).digest()
    hashing = time.thread_time() - begun

    async def store_it() -> None:
        assert await sha256(output) == digest
        await store.put("cat/cat-1.png", output, "image/png", digest)

    storing, longest = asyncio.ensure_future(store_it()), 0.0
    while not storing.done():
        begun = time.thread_time()  # of this thread only: the machine may be busy
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - begun)
    await storing

    assert longest < hashing / 2


def test_s3_has_the_checksum_of_each_output(world: World):
    world.agent(world.runtime("--service-time", "0.1").url)
    world.send(["cat"])
    world.callbacks_for(["cat"])

    [output] = world.object("cat/result.json")["outputs"]
    head = world.s3.head_object(Bucket=world.bucket, Key=output["key"], ChecksumMode="ENABLED")
    assert base64.b64decode(head["ChecksumSHA256"]).hex() == output["sha256"]


@pytest.mark.parametrize(("seconds", "writes"), [(0.1, 4), (1.0, 5)])
def test_the_claim_of_a_short_task_is_not_written_while_it_runs(
    world: World, proxy: Proxy, seconds: float, writes: int
):
    """Claim, picture, record, end of the claim; a longer run is noted in the claim when it has begun."""
    world.agent(world.runtime("--service-time", str(seconds)).url)
    world.send(["cat"])
    world.callbacks_for(["cat"])

    wait_for(lambda: world.object(claim_key("cat"))["state"] == "done")
    assert proxy.calls.count("PutObject") == writes
