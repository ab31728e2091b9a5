"""Who may work on a task, with the emulator's S3 as the referee."""

import asyncio
import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from queue_agent.aws.claims import AlreadyEnded, Busy, CancelledBySender, Lease, LeaseLost
from queue_agent.contract import TaskError
from queue_agent.task.protocol import CANCEL_FIELD, ClaimState, claim_key, result_key
from queue_agent.task.record import to_json

from tests.agent.conftest import DONE, TASK, Bucket, claimed


async def test_of_ten_agents_that_claim_at_once_one_gets_the_task(bucket: Bucket):
    answers = await asyncio.gather(*[bucket.claims(f"agent{n}").acquire(TASK, "m") for n in range(10)])

    assert sum(isinstance(answer, Lease) for answer in answers) == 1
    assert sum(isinstance(answer, Busy) for answer in answers) == 9


async def test_a_lease_that_ran_out_may_be_taken_and_its_first_owner_knows_that(bucket: Bucket):
    first = await claimed(bucket, "first", 0)

    await claimed(bucket, "second")

    with pytest.raises(LeaseLost):
        await first.renew()
    with pytest.raises(LeaseLost):
        await first.ensure_valid()


async def test_a_lease_that_was_renewed_may_not_be_taken(bucket: Bucket):
    first = await claimed(bucket, "first", 0.3)
    for _ in range(3):
        await asyncio.sleep(0.2)
        await first.renew()

    assert isinstance(await bucket.claims("second").acquire(TASK, "m"), Busy)


async def test_a_released_task_is_free_at_once(bucket: Bucket):
    await (await claimed(bucket, "first")).release(ClaimState.RELEASED)

    await claimed(bucket, "second")


async def test_a_lease_that_was_let_go_is_not_renewed_by_a_late_heartbeat(bucket: Bucket):
    first = await claimed(bucket, "first")
    await first.release(ClaimState.RELEASED)
    second = await claimed(bucket, "second")

    await first.renew()

    await second.renew()


async def test_a_finished_task_is_over_whether_or_not_the_claim_says_so(bucket: Bucket):
    await claimed(bucket, "killed before it could say so", 0)
    await bucket.store.create(result_key(TASK.prefix, TASK.id), to_json(DONE))

    assert await bucket.claims("next").acquire(TASK, "m") == AlreadyEnded(DONE)


async def test_a_dead_lettered_task_has_ended_for_its_message_and_is_free_for_a_new_one(bucket: Bucket):
    await (await claimed(bucket, "first")).release(ClaimState.RELEASED)
    dead_lettered = replace(DONE, status="failed", message_id="message")
    await bucket.store.create(result_key(TASK.prefix, TASK.id), to_json(dead_lettered))

    assert await bucket.claims("next").acquire(TASK, "message") == AlreadyEnded(dead_lettered)
    assert isinstance(await bucket.claims("next").acquire(TASK, "new message"), Lease)


async def test_a_cancelled_task_is_not_claimed(bucket: Bucket):
    await bucket.store.create(claim_key(TASK.id), b'{"state": "cancelled", "owner": "api", "expires": 0}')

    assert isinstance(await bucket.claims("agent").acquire(TASK, "m"), CancelledBySender)


async def request_to_cancel(bucket: Bucket) -> None:
    """As the API does it: the claim with one more field."""
    stored = await bucket.store.read(claim_key(TASK.id))
    assert stored is not None
    claim = {**json.loads(stored.data), CANCEL_FIELD: time.time()}
    assert await bucket.store.replace(claim_key(TASK.id), json.dumps(claim).encode(), stored.etag)


@pytest.mark.parametrize("call", ["look", "report", "renew"])
async def test_a_request_to_cancel_reaches_the_agent_that_has_the_task(bucket: Bucket, call: str):
    lease = await claimed(bucket, "first")
    await request_to_cancel(bucket)
    assert not lease.cancel_requested

    await {"look": lease.look, "renew": lease.renew, "report": lambda: lease.report({"value": 0.5}, 5)}[
        call
    ]()

    assert lease.cancel_requested
    await lease.renew()


async def test_the_progress_is_in_the_claim_and_stays_there(bucket: Bucket):
    lease = await claimed(bucket, "first")
    await lease.report({"value": 0.5, "node": "3"}, 5)
    await lease.renew()

    stored = await bucket.store.read(claim_key(TASK.id))

    assert stored is not None
    assert json.loads(stored.data)["progress"] == {"value": 0.5, "node": "3"}


async def test_a_request_to_cancel_outlives_the_agent_that_had_the_task(bucket: Bucket):
    await claimed(bucket, "first", 0)
    await request_to_cancel(bucket)

    assert isinstance(await bucket.claims("second").acquire(TASK, "message"), CancelledBySender)


async def test_a_request_to_cancel_outlives_the_return_of_the_task_to_the_queue(bucket: Bucket):
    lease = await claimed(bucket, "first")
    await request_to_cancel(bucket)
    await lease.release(ClaimState.RELEASED)

    assert isinstance(await bucket.claims("second").acquire(TASK, "message"), CancelledBySender)


async def test_a_request_to_cancel_that_came_too_late_changes_nothing(bucket: Bucket):
    lease = await claimed(bucket, "first")
    await bucket.store.create(result_key(TASK.prefix, TASK.id), to_json(DONE))
    await request_to_cancel(bucket)
    await lease.release(ClaimState.DONE)

    assert await bucket.claims("second").acquire(TASK, "message") == AlreadyEnded(DONE, announced=True)


async def test_a_cancelled_claim_stays_cancelled(bucket: Bucket):
    lease = await claimed(bucket, "first")
    await lease.release(ClaimState.CANCELLED)
    await lease.release(ClaimState.DONE)

    assert isinstance(await bucket.claims("second").acquire(TASK, "message"), CancelledBySender)


async def test_an_unreadable_claim_is_replaced(bucket: Bucket):
    await bucket.store.create(claim_key(TASK.id), b"\xff")

    await claimed(bucket, "agent")


async def test_a_busy_task_says_until_when_and_whether_by_the_same_message(bucket: Bucket):
    await claimed(bucket, "first")

    second = bucket.claims("second")
    same_message, other_message = [await second.acquire(TASK, message) for message in ("message", "other")]

    assert isinstance(same_message, Busy) and isinstance(other_message, Busy)
    assert (same_message.same_message, other_message.same_message) == (True, False)
    assert abs(same_message.until - (time.time() + 60)) < 3


@pytest.mark.parametrize("ahead", [600, -600])
async def test_a_clock_that_is_minutes_wrong_ends_no_lease_of_another_agent_and_extends_none(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, ahead: float
):
    with monkeypatch.context() as wrong:
        wrong.setattr("queue_agent.aws.claims.time", SimpleNamespace(time=lambda: time.time() + ahead))
        running = await claimed(bucket, "wrong clock")
    assert isinstance(await bucket.claims("second").acquire(TASK, "message"), Busy)
    await running.ensure_valid()
    await running.release(ClaimState.RELEASED)
    with monkeypatch.context() as wrong:
        wrong.setattr("queue_agent.aws.claims.time", SimpleNamespace(time=lambda: time.time() + ahead))
        await claimed(bucket, "wrong clock, killed", 0)

    await claimed(bucket, "second")


async def test_a_task_that_was_announced_says_so_to_its_own_message_only(bucket: Bucket):
    await bucket.store.create(result_key(TASK.prefix, TASK.id), to_json(DONE))
    await (await claimed(bucket, "first")).release(ClaimState.DONE)

    assert await bucket.claims("next").acquire(TASK, "message") == AlreadyEnded(DONE, announced=True)
    assert await bucket.claims("next").acquire(TASK, "sent again") == AlreadyEnded(DONE, announced=False)


async def test_an_announced_task_stays_so_when_its_message_could_not_be_deleted(bucket: Bucket):
    await bucket.store.create(result_key(TASK.prefix, TASK.id), to_json(DONE))
    lease = await claimed(bucket, "first")
    await lease.release(ClaimState.DONE)
    await lease.release(ClaimState.RELEASED)

    assert await bucket.claims("next").acquire(TASK, "message") == AlreadyEnded(DONE, announced=True)


@pytest.mark.parametrize("state", [ClaimState.RUNNING, ClaimState.RELEASED, ClaimState.DONE])
async def test_an_id_under_another_prefix_is_in_use_as_in_the_api(bucket: Bucket, state: ClaimState):
    lease = await claimed(bucket, "first", 0 if state is ClaimState.RUNNING else 60)
    if state is not ClaimState.RUNNING:
        await lease.release(state)

    with pytest.raises(TaskError, match="id_in_use"):
        await bucket.claims("second").acquire(replace(TASK, prefix="elsewhere"), "m")
