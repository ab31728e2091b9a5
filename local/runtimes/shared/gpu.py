"""The simulated GPU of a runtime: a lock, a service time, a loaded model, and a record of its runs."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from local.runtimes.shared.faults import Faults

# The exit code of a process that the kernel's OOM killer ended.
CRASH_CODE = 137
RUNS_KEPT = 100_000


class OutOfMemoryError(Exception):
    """The GPU has too little memory; the runtimes report it under this name."""


class NodeFailedError(Exception):
    """Any other exception in the middle of the work."""


@dataclass
class Job:
    """One piece of work for the GPU: what it is, how many seconds it takes, how far it has come."""

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
        """The progress of the job, 0 to 1."""
        if self.started is None or self.seconds <= 0:
            return 0.0
        return min((time.monotonic() - self.started) / self.seconds, 0.99)

    @property
    def step(self) -> int:
        """The current sampling step."""
        return int(self.progress * self.steps)


@dataclass(frozen=True)
class Run:
    """One finished run on the GPU. Times are seconds of the system-wide monotonic clock."""

    id: str
    model: str | None
    loaded: bool
    started: float
    ended: float
    outcome: str


class Gpu:
    """Runs one job at a time. Times are in seconds; `loaded` is the model in memory."""

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
        self.broken = False  # after an error of CUDA

    async def load(self, model: str | None) -> bool:
        """Load a model; whether it had to be loaded."""
        if model is None or model == self.loaded:
            return False
        self.loaded = None
        await asyncio.sleep(self.load_time)
        self.loaded = model
        return True

    async def run(self, job: Job) -> bool:
        """Run the job after those that came before; False if it was interrupted.

        Raises OutOfMemoryError or NodeFailedError.
        """
        async with self.lock:
            job.interrupted.clear()  # as in A1111: an interrupt that comes while waiting is lost
            self.current = job
            started, outcome, loaded = time.monotonic(), "failed", False
            try:
                loaded = await self.load(job.model)
                done = await self._work(job)
                outcome = "done" if done else "interrupted"
                return done
            finally:
                self.current = None
                self.runs.append(Run(job.id, job.model, loaded, started, time.monotonic(), outcome))

    async def _work(self, job: Job) -> bool:
        label = f"{job.id} {job.prompt}"
        job.seconds = self.service_time * job.images * self.faults.slowness(label)
        job.started = time.monotonic()
        if self.faults.take("hang", label):
            await self.faults.cleared.wait()
        for kind in ("crash", "oom", "error", "device", "mount", "disk"):
            if self.faults.take(kind, label) or (kind == "device" and self.broken):
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
        if kind == "device":
            self.broken = True
            raise NodeFailedError("CUDA error: an illegal memory access was encountered (simulated)")
        if kind == "disk":
            raise NodeFailedError("[Errno 28] No space left on device: '/tmp/output/a.png' (simulated)")
        if kind == "mount":
            raise NodeFailedError("[Errno 107] Transport endpoint is not connected (simulated)")
        raise NodeFailedError("a simulated exception in the middle of the work")

    def report(self) -> dict[str, Any]:
        """The record for benchmarks and tests: every run with its times."""
        return {
            "now": time.monotonic(),
            "loaded": self.loaded,
            "running": self.current.id if self.current else None,
            "runs": [asdict(run) for run in self.runs],
        }
