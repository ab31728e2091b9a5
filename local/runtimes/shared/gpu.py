"""The one simulated GPU of a runtime: a lock, a service time, a model in memory, and a record of what ran."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from local.runtimes.shared.faults import Faults

# What a process killed by the kernel's OOM killer returns.
CRASH_CODE = 137
RUNS_KEPT = 100_000


class OutOfMemoryError(Exception):
    """The GPU has too little memory; the runtimes report it under this very name."""


class NodeFailedError(Exception):
    """Any other exception in the middle of the work."""


@dataclass
class Job:
    """One piece of work on the GPU: how long it takes and how far it is."""

    id: str
    model: str | None = None
    steps: int = 20
    images: int = 1
    prompt: str = ""
    seconds: float = 0.0
    started: float | None = None
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def progress(self) -> float:
        """How far the job is, 0 to 1."""
        if self.started is None or self.seconds <= 0:
            return 0.0
        return min((time.monotonic() - self.started) / self.seconds, 0.99)

    @property
    def step(self) -> int:
        """The sampling step that is being made."""
        return int(self.progress * self.steps)


@dataclass(frozen=True)
class Run:
    """One finished occupation of the GPU. Times are seconds of the system-wide monotonic clock."""

    id: str
    model: str | None
    loaded: bool
    started: float
    ended: float
    outcome: str


class Gpu:
    """Runs one job at a time, as a GPU does."""

    def __init__(
        self, faults: Faults, service_time: float, load_time: float, loaded: str | None = None
    ) -> None:
        self.faults = faults
        self.service_time = service_time
        self.load_time = load_time
        self.loaded = loaded
        self.current: Job | None = None
        self.runs: deque[Run] = deque(maxlen=RUNS_KEPT)
        self.lock = asyncio.Lock()

    async def load(self, model: str | None) -> bool:
        """Bring a model into memory; True when that took a load."""
        if model is None or model == self.loaded:
            return False
        self.loaded = None
        await asyncio.sleep(self.load_time)
        self.loaded = model
        return True

    async def run(self, job: Job) -> bool:
        """Do the job after those before it; False when it was interrupted. Raises what the job fails with."""
        async with self.lock:
            job.interrupted.clear()  # as in A1111: an interrupt that comes while waiting is lost
            self.current = job
            began, outcome, loaded = time.monotonic(), "failed", False
            try:
                loaded = await self.load(job.model)
                done = await self._work(job)
                outcome = "done" if done else "interrupted"
                return done
            finally:
                self.current = None
                self.runs.append(Run(job.id, job.model, loaded, began, time.monotonic(), outcome))

    async def _work(self, job: Job) -> bool:
        label = f"{job.id} {job.prompt}"
        job.seconds = self.service_time * job.images * self.faults.slowness(label)
        job.started = time.monotonic()
        if self.faults.take("hang", label):
            await self.faults.cleared.wait()
        for kind in ("crash", "oom", "error"):
            if self.faults.take(kind, label):
                await asyncio.sleep(job.seconds / 2)
                self._fail(kind)
        try:
            async with asyncio.timeout(job.seconds):
                await job.interrupted.wait()
        except TimeoutError:
            return True
        return False

    def _fail(self, kind: str) -> None:
        if kind == "crash":
            os._exit(CRASH_CODE)
        if kind == "oom":
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB (simulated)")
        raise NodeFailedError("a simulated exception in the middle of the work")

    def report(self) -> dict[str, Any]:
        """The record that benches and tests read: every occupation, with its times."""
        return {
            "now": time.monotonic(),
            "loaded": self.loaded,
            "running": self.current.id if self.current else None,
            "runs": [asdict(run) for run in self.runs],
        }
