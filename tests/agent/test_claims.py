"""Who may work on a task, with the emulator's S3 as the referee."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
from aiobotocore.session import get_session
from queue_agent.__main__ import AWS
from queue_agent.aws.claims import AlreadyEnded, Busy, CancelledBySender, Claims, Lease, LeaseLost
from queue_agent.aws.store import Store
from queue_agent.contract import Task, TaskError
from queue_agent.task.attempts import Attempts
from queue_agent.task.protocol import CANCEL_FIELD, MAX_DELIVERIES, ClaimState, claim_key, result_key
from queue_agent.task.record import TaskRecord, to_json

from testing.account import Account

TASK = Task("cat", "painter", "text-to-image", "", {}, {}, "ab", 10, 1)
DONE = TaskRecord("painter", "cat", "completed", "s3://b/cat/result.json", {}, 1)

# One for all tests: it keeps the API models of AWS that each client needs.
SESSION = get_session()


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


async def next_attempts(bucket: Bucket, message: str = "message") -> Attempts:
    """What the agent knows of earlier attempts that claims the task next, and is killed at once."""
    lease = await bucket.claims("next", 0).acquire(TASK, message)
    assert isinstance(lease, Lease)
    return lease.attempts


async def test_an_attempt_counts_once_it_has_begun_even_if_its_agent_is_killed(bucket: Bucket):
    for counted in range(3):
        lease = await claimed(bucket, f"killed {counted}", 0)
        assert lease.attempts == Attempts(counted)
        await lease.begin_attempt()

    assert await next_attempts(bucket) == Attempts(3)


async def test_a_task_whose_agents_are_killed_while_it_waits_uses_up_no_attempt(bucket: Bucket):
    for killed in range(3):
        assert (await claimed(bucket, f"killed {killed}", 0)).attempts == Attempts(0, killed)


async def test_a_task_that_goes_back_before_it_ran_uses_up_nothing(bucket: Bucket):
    for number in range(3):
        await (await claimed(bucket, f"has no runtime {number}")).release(ClaimState.RELEASED)

    assert await next_attempts(bucket) == Attempts()


async def test_a_failure_before_the_run_counts(bucket: Bucket):
    await (await claimed(bucket, "cannot fetch its inputs")).release(ClaimState.RELEASED, failed=True)

    assert await next_attempts(bucket) == Attempts(1)


async def test_a_failure_in_the_run_counts_once(bucket: Bucket):
    lease = await claimed(bucket, "fails")
    await lease.begin_attempt()
    await lease.release(ClaimState.RELEASED, failed=True)

    assert await next_attempts(bucket) == Attempts(1)


@pytest.mark.parametrize("killed", [True, False])
async def test_a_run_that_ends_with_its_pod_does_not_count_as_an_attempt(bucket: Bucket, killed: bool):
    lease = await claimed(bucket, "on a spot node")
    await lease.begin_attempt()
    lease.expect_end(0)
    if killed:
        await lease.renew()
    else:
        await lease.release(ClaimState.RELEASED)

    assert await next_attempts(bucket) == Attempts(0, interrupted=1)


async def test_a_task_that_waits_on_a_pod_that_ends_is_not_even_interrupted(bucket: Bucket):
    lease = await claimed(bucket, "on a spot node")
    lease.expect_end(0)
    await lease.renew()

    assert await next_attempts(bucket) == Attempts()


async def test_a_task_that_is_sent_again_from_the_dead_letter_queue_has_all_its_attempts(bucket: Bucket):
    lease = await claimed(bucket, "the last one")
    await lease.begin_attempt()
    await bucket.store.create(result_key(TASK.prefix, TASK.id), to_json(replace(DONE, message_id="message")))
    await lease.release(ClaimState.RELEASED, failed=True)
    again = await bucket.claims("second").acquire(TASK, "new message")
    assert isinstance(again, Lease) and again.attempts == Attempts()
    await again.release(ClaimState.RELEASED, failed=True)

    assert await next_attempts(bucket, "new message") == Attempts(1)


@pytest.mark.parametrize("attempts", [None, {"counted": 1, "unknown": 2}, [1], "3"])
async def test_a_claim_of_another_form_says_nothing_of_attempts(bucket: Bucket, attempts: object):
    claim = {"state": "released", "owner": "older", "attempt": 4, "attempts": attempts}
    await bucket.store.create(claim_key(TASK.id), json.dumps(claim).encode())

    assert await next_attempts(bucket) == Attempts()


@pytest.mark.parametrize(
    ("attempts", "delivery", "exhausted"),
    [
        (Attempts(4), 1, False),
        (Attempts(5), 1, True),
        (Attempts(0), MAX_DELIVERIES - 1, False),
        (Attempts(0), MAX_DELIVERIES, True),
        (Attempts(0, interrupted=15), 1, False),
        (Attempts(0, interrupted=16), 1, True),
    ],
)
def test_attempts_are_exhausted_when_they_failed_or_ended_pods_or_sqs_is_about_to_give_up(
    attempts: Attempts, delivery: int, exhausted: bool
):
    assert attempts.exhausted(5, delivery) is exhausted


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
