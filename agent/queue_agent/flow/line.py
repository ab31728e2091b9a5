"""The tasks that are here and the one place on the GPU: who waits, who gets ready, who runs. Does no I/O."""

import asyncio

from queue_agent.flow import lookahead
from queue_agent.flow.job import Job, Stage
from queue_agent.flow.lookahead import Pace, View
from queue_agent.ops.metrics import Metrics

# Tasks whose outputs are in memory because S3 does not take them; with more, the GPU waits.
MAX_FINISHING = 16


class Line:
    """The waiting line of one runtime. `open` is cleared while nothing may start."""

    def __init__(self, metrics: Metrics, grouping_seconds: float) -> None:
        self._metrics = metrics
        self._grouping = grouping_seconds
        self._pace = Pace()
        self._loaded: str | None = None
        self._last_end = 0.0
        self._clock = asyncio.get_running_loop().time
        self.jobs: set[Job] = set()
        self.kept: list[Job] = []  # received, in order of arrival
        self.ahead: list[Job] = []  # begun, in order of their turns
        self.running: Job | None = None
        self.open = False
        self.changed = asyncio.Event()

    @property
    def waiting(self) -> list[Job]:
        """Everybody who has not started."""
        return [*self.kept, *self.ahead]

    @property
    def view(self) -> View:
        """What the decision to take more is made from."""
        job = self.running
        running_for = None if job is None else self._clock() - job.started
        heard = 0.0 if job is None else self._clock() - job.heard
        return View(self._pace, running_for, job.progress if job else 0.0, len(self.ahead), heard)

    def add(self, job: Job) -> None:
        """A task came in."""
        self.jobs.add(job)
        self.kept.append(job)

    def begin_one(self, *, whichever: bool = False) -> bool:
        """Have one of the kept tasks get ready; False when none should yet."""
        now = self._clock()
        models, waited = [job.model for job in self.kept], [now - job.taken for job in self.kept]
        limit = 0.0 if whichever else self._grouping
        chosen = lookahead.choose(models, waited, self._model_to_come(), limit)
        if chosen is None:
            return False
        job = self.kept.pop(chosen)
        self.ahead.append(job)
        job.begin.set()
        return True

    def ready(self, job: Job, seconds: float) -> None:
        """A task can run; getting it here took so long."""
        job.stage = Stage.READY
        self._pace = self._pace.prepared(seconds)
        self.pass_on()

    def ran(self, job: Job) -> float:
        """The running task is done with the GPU: how long it took."""
        seconds = self._clock() - job.started
        self._pace = self._pace.ran(seconds)
        self._metrics.run.observe(seconds)
        job.stage = Stage.FINISHING
        return seconds

    def progressed(self, job: Job, progress: float) -> None:
        """The runtime says how far it is."""
        job.progress, job.heard = min(max(progress, job.progress), 1.0), self._clock()
        self.changed.set()

    def leave(self, job: Job) -> None:
        """The task does not need the GPU any more, or never will."""
        if self.running is job:
            self.running, self._last_end = None, self._clock()
        self.pass_on()
        self.changed.set()

    def forget(self, job: Job) -> None:
        """The task is nothing to us any more."""
        self.jobs.discard(job)
        for waiting in (self.kept, self.ahead):
            if job in waiting:
                waiting.remove(job)
        self.leave(job)

    def pass_on(self) -> None:
        """Give the GPU to the first task that is ready."""
        finishing = sum(job.stage is Stage.FINISHING for job in self.jobs)
        if self.open and self.running is None and finishing < MAX_FINISHING:
            job = next((job for job in self.ahead if job.stage is Stage.READY), None)
            if job is not None:
                self._start(job)
        self._metrics.finishing.set(finishing)
        self._metrics.ahead.set(len(self.ahead) + len(self.kept))
        self._metrics.running.set(int(self.running is not None))

    def _start(self, job: Job) -> None:
        self.ahead.remove(job)
        self.running, self._loaded, job.started = job, job.model or self._loaded, self._clock()
        if self._last_end:
            self._metrics.idle_gap.observe(job.started - max(self._last_end, job.taken))
        job.turn.set()
        self.changed.set()

    def overheld(self, max_attempts: int) -> list[Job]:
        """Tasks that should go back, since nobody knows when their turn comes."""
        now, view = self._clock(), self.view
        return [
            job
            for job in self.waiting
            if lookahead.overheld(view, now - job.taken, job.message.attempt, max_attempts, self._grouping)
        ]

    def _model_to_come(self) -> str | None:
        """The checkpoint that will be loaded when the next task begins."""
        return next((job.model for job in reversed(self.ahead) if job.model), self._loaded)
