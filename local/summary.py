"""What a demo run came to, in numbers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from local.progress import Outcome, Times


@dataclass(frozen=True)
class Summary:
    """The whole run. Times in seconds; None where there is nothing to count."""

    tasks: int
    failed: int
    pictures: int
    seconds: float
    queue_median: float | None
    queue_longest: float | None
    upload_median: float | None
    idle_median: float | None
    # The share of the time that the runtimes worked while tasks waited for them.
    busy: float | None

    @property
    def per_minute(self) -> float:
        """Pictures a minute, all runtimes together."""
        return 60 * self.pictures / self.seconds if self.seconds else 0.0


def summary(outcomes: Sequence[Outcome], seconds: float) -> Summary:
    """The whole of one run that took `seconds`."""
    timed: dict[str, list[Times]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.times:
            timed[outcome.planned.runtime].append(outcome.times)
    times = [each for own in timed.values() for each in own]
    pauses = [pause for own in timed.values() for pause in idle(own)]
    worked = sum(run for _, run in pauses)
    idled = sum(gap for gap, _ in pauses)
    return Summary(
        tasks=len(outcomes),
        failed=sum(not each.good for each in outcomes),
        pictures=sum(len(each.pictures) for each in outcomes),
        seconds=seconds,
        queue_median=median(each.queue for each in times) if times else None,
        queue_longest=max((each.queue for each in times), default=None),
        upload_median=median(each.upload for each in times) if times else None,
        idle_median=median(gap for gap, _ in pauses) if pauses else None,
        busy=worked / (worked + idled) if pauses else None,
    )


def idle(times: Iterable[Times]) -> list[tuple[float, float]]:
    """Of one runtime: how long it had nothing to do before each task, and how long that task then ran.

    Only tasks count that had been sent when the one before them ended: an empty queue is nobody's fault.
    """
    ordered = sorted(times, key=lambda each: each.started)
    return [
        (max(0.0, after.started - before.ended), after.run)
        for before, after in pairwise(ordered)
        if after.sent <= before.ended
    ]
