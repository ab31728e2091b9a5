"""Decides when to receive how many tasks ahead, and which runs next. Pure: values in, decisions out.

Two aims conflict: the GPU must find its next task ready, and a task that waits here cannot run on an idle
pod. So a task is received when the work at hand will end before another task could be ready.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

# Tasks that are ready or being prepared; one call to SQS returns at most ten.
MAX_AHEAD = 10
# Tasks at hand, the running one included, as long as it is unknown how long a run takes. A pod is started for
# several waiting tasks, so a second one can be held; it is returned when the first takes long.
MAX_BEFORE_FIRST_RUN = 2
# Tasks that are held to group them by model.
GROUPING_WINDOW = 20
# A task that waits for one that takes far longer than expected is returned to the queue after this time.
HOLD_SECONDS = 10.0
# A task whose inputs take much longer than those of others does not count as work at hand, so that others are
# received meanwhile. With more such tasks than MAX_LATE the oldest returns to the queue.
LATE_FACTOR = 3.0
MIN_LATE_SECONDS = 1.0
MAX_LATE = 10
# The weight of a new value in a moving average.
WEIGHT = 0.3
# Lower progress does not predict the end of the run.
MIN_PROGRESS = 0.05


@dataclass(frozen=True)
class Pace:
    """How long a run and a preparation take, in seconds, as moving averages."""

    run: float | None = None
    preparation: float = 0.3  # from the call to the queue until the task is ready to run
    run_with_load: bool = False  # `run` is that of a run that had to load its model: there was no other yet

    def after_run(self, seconds: float, *, with_load: bool = False) -> "Pace":
        """The averages after one more run. One that had to load its model says little about the next."""
        if self.run is None or (self.run_with_load and not with_load):
            return replace(self, run=seconds, run_with_load=with_load)
        return self if with_load else replace(self, run=_moving_average(self.run, seconds))

    def after_preparation(self, seconds: float) -> "Pace":
        """The averages after one more preparation. A slow download counts as at most 5 s."""
        return replace(self, preparation=_moving_average(self.preparation, min(seconds, 5.0)))

    @property
    def late_after(self) -> float:
        """Seconds after which a preparation is late."""
        return max(MIN_LATE_SECONDS, LATE_FACTOR * self.preparation)

    @property
    def margin(self) -> float:
        """Seconds of work that should be at hand: 1.5 preparations, or a tenth of a long run."""
        return max(1.5 * self.preparation, 0.1 * (self.run or 0.0))


@dataclass(frozen=True)
class Snapshot:
    """The work that the agent has at hand."""

    pace: Pace
    running_for: float | None  # None: nothing runs
    progress: float  # 0 … 1, 0 when unknown
    ahead: int  # ready, or being prepared and not late
    progress_age: float = 0.0  # seconds since the progress was reported
    late_in: float | None = None  # seconds until the next of those that are being prepared is late


@dataclass(frozen=True)
class Plan:
    """How many tasks to receive now; when that is 0, after how many seconds to decide again.

    None: after the next change.
    """

    receive: int
    check_after: float | None = None


def plan(now: Snapshot) -> Plan:
    """How many tasks to receive now."""
    decided = _plan(now)
    if decided.receive or now.late_in is None:
        return decided
    soonest = now.late_in if decided.check_after is None else min(now.late_in, decided.check_after)
    return Plan(0, max(0.005, soonest))


def _plan(now: Snapshot) -> Plan:
    left, run = remaining(now), now.pace.run
    if run is None:
        early = now.running_for is None or now.running_for < HOLD_SECONDS
        count = MAX_BEFORE_FIRST_RUN - now.ahead - (now.running_for is not None)
        return Plan(count) if early and count > 0 else Plan(0, 0.5)
    if left is None:
        return Plan(0, 0.5)
    missing = now.pace.margin - left - now.ahead * run
    if missing > 0 or (now.running_for is None and now.ahead == 0):
        wanted = missing + now.pace.preparation  # so that not every one of many short runs costs a call
        count = min(max(1, math.ceil(wanted / max(run, 0.001))), MAX_AHEAD - now.ahead)
        return Plan(count) if count > 0 else Plan(0)
    return Plan(0, max(0.005, -missing))


def remaining(now: Snapshot) -> float | None:
    """Seconds until the running task ends; None when that cannot be predicted."""
    if now.running_for is None:
        return 0.0
    if now.progress >= MIN_PROGRESS:
        total = (now.running_for - now.progress_age) / now.progress
    elif now.pace.run is not None:
        total = now.pace.run
    else:
        return None
    late = now.running_for - total
    if late < 0:
        return -late
    return 0.0 if late < max(HOLD_SECONDS, total) else None


def held_too_long(now: Snapshot, waited: float, delivery: int, max_attempts: int, grouping: float) -> bool:
    """Whether a task that has waited here for `waited` seconds should be returned to the queue.

    A task that came so often as half of the attempts at one does not go from pod to pod any longer.
    """
    left = remaining(now)
    long = left is None or left > HOLD_SECONDS + now.pace.margin
    return long and waited > HOLD_SECONDS + grouping and delivery * 2 <= max_attempts


def choose(
    models: Sequence[str | None],
    waited: Sequence[float],
    loaded: str | None,
    limit: float,
    high: Sequence[bool] = (),
) -> int | None:
    """The index of the received task that is prepared next; None: none of them yet. The first is the oldest.

    A task of high priority goes first, then one that has waited for `limit` seconds, then those for the
    loaded model.
    """
    if True in high:
        return high.index(True)
    if waited and waited[0] >= limit:
        return 0
    matching = (n for n, model in enumerate(models) if model is None or loaded is None or model == loaded)
    return next(matching, None)


def _moving_average(average: float, value: float) -> float:
    return average + WEIGHT * (value - average)
