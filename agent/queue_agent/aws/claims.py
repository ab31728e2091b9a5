"""Who works on a task: a lease in the bucket, of which S3 is the referee."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queue_agent.aws.store import Lost, Store
from queue_agent.contract import Task
from queue_agent.task import protocol, record
from queue_agent.task.record import TaskRecord

RELEASE_SECONDS = 10.0
RACES = 20


class LeaseLost(Exception):  # noqa: N818 (the outcome of a race)
    """Another agent has the task now, or its sender cancelled it: nothing more may be done for it here."""


@dataclass(frozen=True)
class Busy:
    """Another agent works on it until this unix time at least."""

    until: float
    same_message: bool


@dataclass(frozen=True)
class Over:
    """It has been done."""

    record: TaskRecord


@dataclass(frozen=True)
class CancelledBySender:
    """Its sender cancelled it while it waited."""


class Lease:
    """The right to work on one task, for a time. `former` is the version of a result that may be replaced."""

    def __init__(self, store: Store, key: str, claim: dict[str, Any], seconds: float) -> None:
        self._store = store
        self._key = key
        self._claim = claim
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self.etag = ""
        self.former: str | None = None

    @property
    def expires(self) -> float:
        """Unix time at which others may take the task."""
        return float(self._claim["expires"])

    async def take(self, etag: str | None) -> bool:
        """Write the claim where there is none, or over the version `etag`. False: somebody was faster."""
        self._claim |= {"expires": time.time() + self._seconds}
        data = json.dumps(self._claim).encode()
        try:
            if etag is None:
                self.etag = await self._store.create(self._key, data)
            else:
                self.etag = await self._store.replace(self._key, data, etag)
        except Lost:
            return False
        return True

    async def renew(self, patience: float | None = None) -> None:
        """Hold it for another full time. Raises `LeaseLost`."""
        async with self._lock:
            if self._claim["state"] == "running":
                await self._write({"expires": time.time() + self._seconds}, patience)

    async def ensure(self) -> None:
        """Make sure that it holds for at least half its time from now. Raises `LeaseLost`."""
        if self.expires - time.time() < self._seconds / 2:
            await self.renew()

    async def end(self, state: str) -> None:
        """Let it go, as "done" or "released". Raises `LeaseLost`."""
        async with self._lock:
            await self._write({"state": state, "expires": time.time()}, RELEASE_SECONDS)

    async def _write(self, change: Mapping[str, Any], patience: float | None) -> None:
        claim = {**self._claim, **change}
        try:
            self.etag = await self._store.replace(self._key, json.dumps(claim).encode(), self.etag, patience)
        except Lost:
            await self._adopt()
            self.etag = await self._again(claim, patience)
        self._claim = claim

    async def _again(self, claim: dict[str, Any], patience: float | None) -> str:
        try:
            return await self._store.replace(self._key, json.dumps(claim).encode(), self.etag, patience)
        except Lost as lost:
            raise LeaseLost(self._key) from lost

    async def _adopt(self) -> None:
        """The version that is there, if it is ours: a write may have succeeded and its answer been lost."""
        found = await self._store.read(self._key)
        claim = _parsed(found.data) if found else {}
        if found is None or claim.get("owner") != self._claim["owner"] or claim.get("state") != "running":
            raise LeaseLost(self._key)
        self.etag = found.etag


class Claims:
    """Every claim that one agent makes."""

    def __init__(self, store: Store, owner: str, seconds: float) -> None:
        self._store = store
        self._owner = owner
        self._seconds = seconds
        self._number = 0

    async def claim(self, task: Task, message_id: str) -> Lease | Busy | Over | CancelledBySender:
        """The lease of the task, or why there is none."""
        self._number += 1
        owner = f"{self._owner}/{self._number}"
        claim = {
            "owner": owner,
            "attempt": task.attempt,
            "started": time.time(),
            "state": "running",
            "message_id": message_id,
        }
        lease = Lease(self._store, protocol.claim_key(task.id), claim, self._seconds)
        if await lease.take(None):
            return lease
        for _ in range(RACES):
            answer = await self._contested(task, lease, owner, message_id)
            if answer is not None:
                return answer
        return Busy(time.time() + self._seconds, same_message=False)

    async def result(self, task: Task) -> tuple[TaskRecord | None, str | None]:
        """The record of the task and its ETag."""
        found = await self._store.read(protocol.result_key(task.prefix, task.id))
        return (record.from_json(found.data), found.etag) if found else (None, None)

    async def _contested(
        self, task: Task, lease: Lease, owner: str, message_id: str
    ) -> Lease | Busy | Over | CancelledBySender | None:
        """The same, when there has been a claim. None: ask again."""
        found = await self._store.read(protocol.claim_key(task.id))
        if found is None:
            return lease if await lease.take(None) else None
        theirs = _parsed(found.data)
        if theirs.get("owner") == owner:  # our own first try, of which the answer was lost
            lease.etag = found.etag
            return lease
        if theirs.get("state") == "cancelled":
            return CancelledBySender()
        expires = theirs.get("expires")
        if theirs.get("state") == "running" and isinstance(expires, int | float) and expires > time.time():
            return Busy(expires, theirs.get("message_id") == message_id)
        known, lease.former = await self.result(task)
        if known is not None and known.message_id in (None, message_id):
            return Over(known)
        return lease if await lease.take(found.etag) else None


def _parsed(data: bytes) -> dict[str, Any]:
    """A claim as its writer meant it; one that nobody can read binds nobody."""
    try:
        claim = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return claim if isinstance(claim, dict) else {}
