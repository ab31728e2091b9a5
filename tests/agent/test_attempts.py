"""Which deliveries and failures count as attempts at a task."""

import json
from dataclasses import replace

import pytest
from queue_agent.aws.claims import Lease
from queue_agent.task.attempts import Attempts
from queue_agent.task.protocol import MAX_DELIVERIES, ClaimState, claim_key, result_key
from queue_agent.task.record import to_json

from tests.agent.conftest import DONE, TASK, Bucket, claimed


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
