"""Decides which task of this agent is prepared next and which runs: one at a time. Does no I/O."""

import asyncio
import math
from collections.abc import Sequence

from queue_agent.contract import Progress
from queue_agent.flow import budget, lookahead
from queue_agent.flow.job import Job, Stage
from queue_agent.flow.lookahead import Pace, Snapshot
from queue_agent.ops.metrics import Metrics

# With so many tasks whose outputs S3 does not accept, no further one starts.
MAX_FINISHING = 32
# Callbacks that SNS does not accept wait for it; with so many of them, a further task returns to the queue
# soon, from where its callback is sent later without another run.
MAX_ANNOUNCING = 200
FULL_ANNOUNCING_SECONDS = 5.0


class Scheduler:
    """The jobs of one runtime. While `open` is false, none starts; `changed` is set after each change."""

    def __init__(self, metrics: Metrics, grouping_seconds: float, max_output_bytes: int) -> None:
        self._metrics = metrics
        self._run_bytes = budget.run_bytes(max_output_bytes)
        self._grouping = grouping_seconds
        self._pace = Pace()
        self._loaded_model: str | None = None
        self._last_end = 0.0
        self._clock = asyncio.get_running_loop().time
        self.jobs: set[Job] = set()
        self.received: list[Job] = []  # not prepared yet, in order of arrival
        self.ahead: list[Job] = []  # being prepared or ready, in the order in which they will run
        self.running: Job | None = None
        self.open = False
        self.changed = asyncio.Event()

    @property
    def waiting(self) -> list[Job]:
        """Every job that has not started to run."""
        return [*self.received, *self.ahead]

    @property
    def snapshot(self) -> Snapshot:
        """What the decision to receive more tasks depends on."""
        job = self.running
        running_for = None if job is None else self._clock() - job.started
        progress_age = 0.0 if job is None else self._clock() - job.progress_at
        left = [left for job in self.ahead if (left := self._until_late(job)) > 0]
        preparing = [seconds for seconds in left if math.isfinite(seconds)]
        late_in = min(preparing, default=None)
        progress = job.progress if job else 0.0
        return Snapshot(self._pace, running_for, progress, len(left), progress_age, late_in)

    def add(self, job: Job) -> None:
        """Add a job that was received."""
        self.jobs.add(job)
        self.received.append(job)

    def prepare_next(self, *, any_model: bool = False) -> bool:
        """Let one of the received jobs be prepared; False when none should be yet.

        `any_model`: without waiting for further tasks that use the loaded model.
        """
        now = self._clock()
        models = [job.model for job in self.received]
        waited = [now - job.received_at for job in self.received]
        limit = 0.0 if any_model else self._grouping
        high = [job.task.high for job in self.received]
        chosen = lookahead.choose(models, waited, self._next_loaded_model(), limit, high)
        if chosen is None:
            return False
        job = self.received.pop(chosen)
        # Those of high priority are in front.
        place = sum(other.task.high for other in self.ahead) if job.task.high else len(self.ahead)
        self.ahead.insert(place, job)
        job.prepared_since = self._clock()
        job.may_prepare.set()
        return True

    def mark_ready(self, job: Job, seconds: float) -> None:
        """The job can run; receiving and preparing it took this long."""
        job.stage = Stage.READY
        self._pace = self._pace.after_preparation(seconds)
        self.start_next()

    def mark_ran(self, job: Job) -> float:
        """The runtime has finished the running job: the seconds that it took."""
        seconds = self._clock() - job.started
        self._pace = self._pace.after_run(seconds, with_load=job.loads_model)
        self._metrics.run.observe(seconds)
        job.stage, job.output_bytes = Stage.FINISHING, self._run_bytes
        return seconds

    def mark_collected(self, job: Job, output_bytes: int) -> None:
        """The outputs of the job are here, and have this size."""
        job.output_bytes = output_bytes
        job.collected.set()
        self.start_next()

    @property
    def message_room(self) -> int:
        """How many more messages may be received."""
        largest = max((job.message_bytes for job in self.jobs), default=0)
        waiting = sum(job.message_bytes for job in self.waiting)
        left = max(0, budget.WAITING_MESSAGE_BYTES - waiting)
        return left // max(budget.LEAST_MESSAGE_BYTES, largest)

    def announcing_seconds(self, seconds: float) -> float:
        """How long the callback of one more task may be tried: `seconds`, or less while many wait."""
        waiting = [job.message_bytes for job in self.jobs if job.stage is Stage.ANNOUNCING]
        many = len(waiting) >= MAX_ANNOUNCING or sum(waiting) >= budget.ANNOUNCING_MESSAGE_BYTES
        return min(seconds, FULL_ANNOUNCING_SECONDS) if many else seconds

    def mark_stored(self, job: Job) -> None:
        """The result of the job is stored: only its callback is left."""
        job.stage = Stage.ANNOUNCING
        self.start_next()

    def update_progress(self, job: Job, progress: Progress) -> None:
        """The runtime reports the progress of the running job."""
        job.progress, job.progress_at = min(max(progress.value, job.progress), 1.0), self._clock()
        job.place = progress
        self.changed.set()

    def release_runtime(self, job: Job) -> None:
        """The job does not need the runtime any more, or never will."""
        if self.running is job:
            self.running, self._last_end = None, self._clock()
        self.start_next()
        self.changed.set()

    def remove(self, job: Job) -> None:
        """The job has ended."""
        self.jobs.discard(job)
        for jobs in (self.received, self.ahead):
            if job in jobs:
                jobs.remove(job)
        self.release_runtime(job)

    def start_next(self) -> None:
        """Start the first job that is ready, if the runtime is free."""
        finishing = [job for job in self.jobs if job.stage is Stage.FINISHING]
        if self.open and self.running is None and self._has_room_after(finishing):
            job = next((job for job in self.ahead if job.stage is Stage.READY), None)
            if job is not None:
                self._start(job)
        self._metrics.finishing.set(len(finishing))
        self._metrics.ahead.set(len(self.ahead) + len(self.received))
        self._metrics.running.set(int(self.running is not None))

    def _has_room_after(self, finishing: Sequence[Job]) -> bool:
        """Whether the outputs of one more task have room next to those that are being stored."""
        return (
            len(finishing) < MAX_FINISHING
            and sum(job.output_bytes for job in finishing) + self._run_bytes <= budget.OUTPUT_BYTES
            and sum(job.message_bytes for job in finishing) < budget.FINISHING_MESSAGE_BYTES
        )

    def _start(self, job: Job) -> None:
        self.ahead.remove(job)
        job.loads_model = job.model not in (None, self._loaded_model)
        self.running, self._loaded_model, job.started = job, job.model or self._loaded_model, self._clock()
        if self._last_end:
            self._metrics.idle_gap.observe(job.started - max(self._last_end, job.received_at))
        job.may_run.set()
        self.changed.set()

    def overdue(self) -> list[Job]:
        """Jobs whose inputs take too long, beyond the number that may be prepared late: the oldest first."""
        late = [job for job in self.ahead if self._until_late(job) <= 0]
        return late[: max(0, len(late) - lookahead.MAX_LATE)]

    def _until_late(self, job: Job) -> float:
        """Seconds until the preparation of the job is late; infinite when it is ready."""
        if job.stage is Stage.READY:
            return math.inf
        return job.prepared_since + self._pace.late_after - self._clock()

    def held_too_long(self, max_attempts: int) -> list[Job]:
        """Jobs that should be returned to the queue, because nobody knows when they will run."""
        now, snapshot = self._clock(), self.snapshot
        return [
            job
            for job in self.waiting
            if lookahead.held_too_long(
                snapshot, now - job.received_at, job.message.delivery, max_attempts, self._grouping
            )
        ]

    def _next_loaded_model(self) -> str | None:
        """The model that will be loaded when a job that is prepared now starts."""
        return next((job.model for job in reversed(self.ahead) if job.model), self._loaded_model)
