"""The result of a demo in numbers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from local.progress import TaskOutcome, TaskTimes


@dataclass(frozen=True)
class Summary:
    """The numbers of one run. Times are seconds; None where there is nothing to measure."""

    tasks: int
    failed: int
    pictures: int
    seconds: float
    queue_median: float | None
    queue_longest: float | None
    upload_median: float | None
    idle_median: float | None
    # The share of the time with tasks waiting in which the runtimes worked.
    busy: float | None

    @property
    def per_minute(self) -> float:
        """Pictures per minute of all runtimes."""
        return 60 * self.pictures / self.seconds if self.seconds else 0.0


def summarize(outcomes: Sequence[TaskOutcome], seconds: float) -> Summary:
    """The numbers of a run that took `seconds`."""
    by_runtime: dict[str, list[TaskTimes]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.times:
            by_runtime[outcome.planned.runtime].append(outcome.times)
    times = [task for tasks in by_runtime.values() for task in tasks]
    pauses = [pause for tasks in by_runtime.values() for pause in idle_times(tasks)]
    worked = sum(run for _, run in pauses)
    idled = sum(gap for gap, _ in pauses)
    return Summary(
        tasks=len(outcomes),
        failed=sum(not outcome.succeeded for outcome in outcomes),
        pictures=sum(len(outcome.pictures) for outcome in outcomes),
        seconds=seconds,
        queue_median=median(task.queue for task in times) if times else None,
        queue_longest=max((task.queue for task in times), default=None),
        upload_median=median(task.upload for task in times) if times else None,
        idle_median=median(gap for gap, _ in pauses) if pauses else None,
        busy=worked / (worked + idled) if pauses else None,
    )


def idle_times(times: Iterable[TaskTimes]) -> list[tuple[float, float]]:
    """For the tasks of one runtime: seconds it was idle before each task, and seconds the task then ran.

    Only tasks count that had been sent when the one before them ended: an empty queue is not idle time.
    """
    ordered = sorted(times, key=lambda task: task.started)
    return [
        (max(0.0, after.started - before.ended), after.run)
        for before, after in pairwise(ordered)
        if after.sent <= before.ended
    ]
