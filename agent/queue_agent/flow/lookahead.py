"""Decides when to take how many tasks ahead, and which runs next. Pure: values in, decisions out.

Two wishes pull: the GPU must find its next task ready, and a task that waits here cannot be taken by an idle
pod. So a task is taken when the work at hand is about to last less long than taking one does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

# Prepared or being prepared; SQS gives at most ten at once.
MAX_AHEAD = 10
# Tasks kept to group them by checkpoint.
WINDOW = 20
# A task that was taken ahead of one that takes far longer than expected goes back after this time.
HOLD_SECONDS = 10.0
# How soon a new length of run counts; and that of getting a task ready.
WEIGHT = 0.3
# Progress below this says too little of when the run will end.
FIRST_PROGRESS = 0.05


@dataclass(frozen=True)
class Pace:
    """How long things take here, in seconds, as moving averages."""

    run: float | None = None
    lead: float = 0.3  # from asking the queue to a task that is ready to run

    def ran(self, seconds: float) -> "Pace":
        """After one more run."""
        return replace(self, run=seconds if self.run is None else _moved(self.run, seconds))

    def prepared(self, seconds: float) -> "Pace":
        """After one more task got ready. A slow download does not make the agent greedy."""
        return replace(self, lead=_moved(self.lead, min(seconds, 5.0)))

    @property
    def margin(self) -> float:
        """The work that should be at hand: half as much again as needed, or a tenth of a long run."""
        return max(1.5 * self.lead, 0.1 * (self.run or 0.0))


@dataclass(frozen=True)
class View:
    """What the agent has at hand."""

    pace: Pace
    running_for: float | None  # None: nothing runs
    progress: float  # 0 … 1, 0 when unknown
    ahead: int
    heard_ago: float = 0.0  # how old the progress is


@dataclass(frozen=True)
class Plan:
    """Take so many now; or look again in so many seconds (None: when something happens)."""

    take: int
    look_again: float | None = None


def plan(view: View) -> Plan:
    """How many tasks to take now."""
    left, run = remaining(view), view.pace.run
    if run is None:
        # The first task: nobody knows how long one takes here. A pod is started for several waiting tasks,
        # so that a second one is hardly missed elsewhere; and it goes back when the first takes long.
        early = view.running_for is None or view.running_for < HOLD_SECONDS
        return Plan(1) if early and view.ahead == 0 else Plan(0, 0.5)
    if left is None:
        return Plan(0, 0.5)
    missing = view.pace.margin - left - view.ahead * run
    if missing > 0 or (view.running_for is None and view.ahead == 0):
        take = min(max(1, math.ceil(missing / max(run, 0.001))), MAX_AHEAD - view.ahead)
        return Plan(take) if take > 0 else Plan(0)
    return Plan(0, max(0.005, -missing))


def remaining(view: View) -> float | None:
    """How long the running task will still take; None when nobody can say."""
    if view.running_for is None:
        return 0.0
    if view.progress >= FIRST_PROGRESS:
        whole = (view.running_for - view.heard_ago) / view.progress
    elif view.pace.run is not None:
        whole = view.pace.run
    else:
        return None
    late = view.running_for - whole
    if late < 0:
        return -late
    return 0.0 if late < max(HOLD_SECONDS, whole) else None


def overheld(view: View, waited: float, attempt: int, max_attempts: int, grouping: float) -> bool:
    """Whether a task that was taken ahead should go back, since nobody knows when its turn comes.

    Each time costs one attempt, so that a task that has used up half of them stays.
    """
    left = remaining(view)
    long = left is None or left > HOLD_SECONDS + view.pace.margin
    return long and waited > HOLD_SECONDS + grouping and attempt * 2 <= max_attempts


def choose(
    models: Sequence[str | None], waited: Sequence[float], loaded: str | None, limit: float
) -> int | None:
    """Which of the kept tasks runs next, the oldest being first; None: none of them should yet.

    One that has waited for `limit` goes first, then those for the loaded checkpoint.
    """
    if waited and waited[0] >= limit:
        return 0
    fitting = (n for n, model in enumerate(models) if model is None or loaded is None or model == loaded)
    return next(fitting, None)


def _moved(average: float, value: float) -> float:
    return average + WEIGHT * (value - average)
