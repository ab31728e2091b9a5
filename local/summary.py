"""What a demo run came to, in numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from local.progress import Outcome


@dataclass(frozen=True)
class Gpu:
    """How a simulated GPU spent the time in which tasks waited for it."""

    worked: float
    gaps: tuple[float, ...]


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
    gap_median: float | None
    gap_longest: float | None
    busy: float | None

    @property
    def per_minute(self) -> float:
        """Pictures a minute, all runtimes together."""
        return 60 * self.pictures / self.seconds if self.seconds else 0.0


def gpu(report: Mapping[str, Any], sent: Sequence[float], now: float) -> Gpu:
    """What a simulated runtime's record says of one run of the demo.

    `sent` are the Unix times at which its tasks were sent. A pause between two occupations counts as a gap
    only when a task had been sent and not begun: the GPU is not to blame for an empty queue.
    """
    offset = now - float(report["now"])  # its clock counts from the start of the machine
    runs = sorted((float(run["began"]) + offset, float(run["ended"]) + offset) for run in report["runs"])
    waiting = sorted(sent)
    gaps = []
    worked = 0.0
    for number, (before, after) in enumerate(pairwise(runs), start=1):
        if number < len(waiting) and waiting[number] <= before[1]:
            gaps.append(after[0] - before[1])
            worked += after[1] - after[0]
    return Gpu(worked, tuple(gaps))


def summary(outcomes: Sequence[Outcome], gpus: Iterable[Gpu], seconds: float) -> Summary:
    """The whole of one run that took `seconds`."""
    gpus = tuple(gpus)
    gaps = [gap for each in gpus for gap in each.gaps]
    times = [each.times for each in outcomes if each.times]
    worked = sum(each.worked for each in gpus)
    return Summary(
        tasks=len(outcomes),
        failed=sum(not each.good for each in outcomes),
        pictures=sum(len(each.pictures) for each in outcomes),
        seconds=seconds,
        queue_median=median(each.queue for each in times) if times else None,
        queue_longest=max((each.queue for each in times), default=None),
        upload_median=median(each.upload for each in times) if times else None,
        gap_median=median(gaps) if gaps else None,
        gap_longest=max(gaps, default=None),
        busy=worked / (worked + sum(gaps)) if gaps else None,
    )
