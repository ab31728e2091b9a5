"""Which agent runs a task: a lease in the bucket. Conditional writes to S3 decide races."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queue_agent.aws.store import Store
from queue_agent.contract import Task, TaskError
from queue_agent.task import protocol, record
from queue_agent.task.attempts import Attempts, of_claim, to_claim
from queue_agent.task.protocol import ClaimState
from queue_agent.task.record import TaskRecord

RELEASE_RETRY_SECONDS = 10.0
MAX_RACES = 20


class LeaseLost(Exception):  # noqa: N818 (the outcome of a race)
    """Another agent has claimed the task, or its sender has cancelled it: this agent must stop."""


@dataclass(frozen=True)
class Busy:
    """Another agent runs the task, until this Unix time at least."""

    until: float
    same_message: bool


@dataclass(frozen=True)
class AlreadyEnded:
    """The task has a result. `announced`: this very message's callback was published."""

    record: TaskRecord
    announced: bool = False


@dataclass(frozen=True)
class CancelledBySender:
    """The sender cancelled the task while it was queued, or while an agent ran it that was lost."""


class Lease:
    """The right to run one task, for `seconds` from each renewal.

    `replaceable_result` is the ETag of a result that may be replaced, because the task was sent again from
    the dead-letter queue. `attempts` are those before this lease.
    """

    def __init__(self, store: Store, key: str, claim: dict[str, Any], seconds: float) -> None:
        self._store = store
        self._key = key
        self._claim = claim
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._clock = asyncio.get_running_loop().time
        self._valid_until = 0.0  # by the clock of the event loop, which nobody sets
        self._running = self._ending = False
        self.etag = ""
        self.attempts = Attempts()
        self.replaceable_result: str | None = None

    async def acquire(self, etag: str | None) -> bool:
        """Write the claim: a new one, or over the version `etag`. False when another agent was faster."""
        sent = self._clock()
        self._claim |= self._term() | to_claim(self.attempts)
        data = json.dumps(self._claim).encode()
        if etag is None:
            written = await self._store.create(self._key, data)
        else:
            written = await self._store.replace(self._key, data, etag)
        if written is None:
            return False
        self.take_over(written, sent)
        return True

    def take_over(self, etag: str, sent: float | None = None) -> None:
        """The claim is ours in the version `etag`, which was sent at this time of the loop's clock."""
        self.etag = etag
        self._valid_until = self._seconds + (self._clock() if sent is None else sent)

    def expect_end(self, seconds: float) -> None:
        """The pod is about to end: from the next renewal on, the lease lasts for at most so many seconds, and
        the attempt does not count if the agent is killed.
        """
        self._seconds = min(self._seconds, seconds)
        self._ending = True

    def begin_run(self) -> None:
        """The task runs now: from the next renewal on, the claim says so."""
        self._running = True

    async def begin_attempt(self) -> None:
        """Note in the claim that the task runs now. Raises `LeaseLost`."""
        self.begin_run()
        await self._extend({}, RELEASE_RETRY_SECONDS)

    async def renew(self, retry_seconds: float | None = None) -> None:
        """Extend the lease by its full duration from now. Raises `LeaseLost`."""
        await self._extend({}, retry_seconds)

    async def report(self, progress: Mapping[str, Any], retry_seconds: float) -> None:
        """Write how far the task is, which extends the lease as well. Raises `LeaseLost`."""
        await self._extend({"progress": progress}, retry_seconds)

    async def look(self) -> None:
        """Read the claim, for a request to cancel. Raises `LeaseLost`."""
        async with self._lock:
            if self._claim["state"] == ClaimState.RUNNING:
                self.etag = await self._own_version()

    @property
    def cancel_requested(self) -> bool:
        """Whether the sender had asked to cancel the task when the claim was last read."""
        return protocol.CANCEL_FIELD in self._claim

    async def ensure_valid(self) -> None:
        """Make sure that the lease lasts for at least half its duration from now. Raises `LeaseLost`."""
        if self._valid_until - self._clock() < self._seconds / 2:
            await self.renew()

    async def release(self, state: ClaimState, *, failed: bool = False) -> None:
        """End the lease, with RELEASED, or with DONE or CANCELLED, which stay. Raises `LeaseLost`.

        `failed`: the attempt has failed; otherwise it does not count.
        """
        async with self._lock:
            if self._claim["state"] in (ClaimState.DONE, ClaimState.CANCELLED):
                return
            attempts = self.attempts.failed() if failed else self.attempts.given_up(running=self._running)
            changes = {"state": state, "expires": time.time(), **to_claim(attempts)}
            await self._update(changes, RELEASE_RETRY_SECONDS)

    def _now(self) -> Attempts:
        """The attempts, if the agent is killed now."""
        if self._ending:
            return self.attempts.given_up(running=self._running)
        return self.attempts.begun() if self._running else self.attempts

    def _term(self) -> dict[str, Any]:
        """How long the lease lasts: `expires` is by this machine's clock, for people and for the API."""
        return {"seconds": self._seconds, "expires": time.time() + self._seconds}

    async def _extend(self, changes: Mapping[str, Any], retry_seconds: float | None) -> None:
        async with self._lock:
            if self._claim["state"] == ClaimState.RUNNING:
                sent = self._clock()
                await self._update({**self._term(), **to_claim(self._now()), **changes}, retry_seconds)
                self._valid_until = sent + self._seconds

    async def _update(self, changes: Mapping[str, Any], retry_seconds: float | None) -> None:
        if await self._write(changes, self.etag, retry_seconds):
            return
        if not await self._write(changes, await self._own_version(), retry_seconds):
            raise LeaseLost(self._key)

    async def _write(self, changes: Mapping[str, Any], etag: str, retry_seconds: float | None) -> bool:
        """Replace the version `etag`; False when it has changed."""
        claim = {**self._claim, **changes}
        written = await self._store.replace(self._key, json.dumps(claim).encode(), etag, retry_seconds)
        if written is not None:
            self.etag, self._claim = written, claim
        return written is not None

    async def _own_version(self) -> str:
        """The current ETag, if the claim is ours: its sender may have asked to cancel the task, or the
        response to an earlier write may have been lost.
        """
        stored = await self._store.read(self._key)
        claim = _parsed(stored.data) if stored else {}
        ours = claim.get("owner") == self._claim["owner"] and claim.get("state") == ClaimState.RUNNING
        if stored is None or not ours:
            raise LeaseLost(self._key)
        if protocol.CANCEL_FIELD in claim:
            self._claim[protocol.CANCEL_FIELD] = claim[protocol.CANCEL_FIELD]
        return stored.etag


class Claims:
    """The claims of one agent, each of which lasts for `seconds`."""

    def __init__(self, store: Store, owner: str, seconds: float) -> None:
        self._store = store
        self._owner = owner
        self._seconds = seconds
        self._number = 0

    async def acquire(self, task: Task, message_id: str) -> Lease | Busy | AlreadyEnded | CancelledBySender:
        """The lease of the task, or why there is none."""
        self._number += 1
        owner = f"{self._owner}/{self._number}"
        claim = {
            "owner": owner,
            "started": time.time(),
            "state": ClaimState.RUNNING,
            "message_id": message_id,
            "prefix": task.prefix,
            "sender": task.sender,
        }
        lease = Lease(self._store, protocol.claim_key(task.id), claim, self._seconds)
        if await lease.acquire(None):
            return lease
        for _ in range(MAX_RACES):
            outcome = await self._contest(task, lease, owner, message_id)
            if outcome is not None:
                return outcome
        return Busy(time.time() + self._seconds, same_message=False)

    async def result(self, task: Task) -> tuple[TaskRecord | None, str | None]:
        """The record in the task's result.json and its ETag."""
        stored = await self._store.read(protocol.result_key(task.prefix, task.id))
        return (record.from_json(stored.data), stored.etag) if stored else (None, None)

    async def _contest(
        self, task: Task, lease: Lease, owner: str, message_id: str
    ) -> Lease | Busy | AlreadyEnded | CancelledBySender | None:
        """The same when there is a claim already. None: it has changed meanwhile, try again."""
        stored = await self._store.read(protocol.claim_key(task.id))
        if stored is None:
            return await _acquired(lease, None)
        claim = _parsed(stored.data)
        if claim.get("owner") == owner:  # our own first write, whose response was lost
            lease.take_over(stored.etag)
            return lease
        state, same_message = claim.get("state"), claim.get("message_id") == message_id
        if state == ClaimState.CANCELLED:
            return CancelledBySender()
        if any(
            claim.get(name, own) != own for name, own in (("prefix", task.prefix), ("sender", task.sender))
        ):
            raise id_in_use()
        left = _seconds_left(claim, stored.age)
        if state == ClaimState.RUNNING and left > 0:
            return Busy(time.time() + left, same_message)
        lease.attempts = of_claim(claim, lost=state == ClaimState.RUNNING)
        existing, lease.replaceable_result = await self.result(task)
        if existing is not None and existing.message_id in (None, message_id):
            return AlreadyEnded(existing, announced=state == ClaimState.DONE and same_message)
        if existing is not None and not same_message:  # sent again from the dead-letter queue
            lease.attempts = Attempts()
        cancelled = protocol.CANCEL_FIELD in claim
        return CancelledBySender() if cancelled else await _acquired(lease, stored.etag)


async def _acquired(lease: Lease, etag: str | None) -> Lease | None:
    """The lease, unless another agent was faster."""
    return lease if await lease.acquire(etag) else None


def id_in_use() -> TaskError:
    """The error of a task whose id belongs to another one."""
    return TaskError("id_in_use", "another task has this id: choose a different one")


def _seconds_left(claim: Mapping[str, Any], age: float) -> float:
    """Seconds until a claim that was written `age` seconds ago ends, by S3's clock.

    Agents before 1.0 wrote only `expires`, by their own clock.
    """
    seconds, expires = claim.get("seconds"), claim.get("expires")
    if isinstance(seconds, int | float):
        return seconds - age
    return expires - time.time() if isinstance(expires, int | float) else 0.0


def _parsed(data: bytes) -> dict[str, Any]:
    """The claim as JSON; {} when it cannot be read, which leaves the task free."""
    try:
        claim = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return claim if isinstance(claim, dict) else {}
