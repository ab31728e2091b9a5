"""Send tasks through the front door, hear their callbacks, fetch their pictures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from generator import client
from generator.client import ApiClient
from local.cloud import Cloud
from local.examples import Planned
from local.progress import COMPLETED, Heard, Outcome, Progress, times

POLL_SECONDS = 1


@dataclass(frozen=True)
class Client:
    """An application that uses the service: it sends through the API and is called back through a queue."""

    cloud: Cloud
    door: ApiClient
    callbacks: str

    def run(self, progress: Progress, seconds: float, show: Callable[[], None]) -> None:
        """Send every task and listen until each has ended or the time is up.

        `show` is called whenever `progress` may look different.
        """
        end = time.monotonic() + seconds
        for planned in progress.planned:
            self._send(planned, progress)
            self._hear(progress, 0)
            show()
        while not progress.over and time.monotonic() < end:
            progress.depths = {each.name: self.cloud.depth(each) for each in progress.runtimes}
            show()
            self._hear(progress, POLL_SECONDS)
        show()

    def outcomes(self, progress: Progress, folder: Path) -> list[Outcome]:
        """What came of every task, with its pictures in `folder`/{runtime}."""
        return [self._outcome(planned, progress, folder / planned.runtime) for planned in progress.planned]

    def _send(self, planned: Planned, progress: Progress) -> None:
        before = time.time()
        try:
            self.door.submit(planned.request.body)
            progress.sent[planned.id] = before
        except client.TaskRefusedError as refusal:
            progress.refused[planned.id] = str(refusal)

    def _hear(self, progress: Progress, seconds: int) -> None:
        known = {each.id for each in progress.planned}
        for callback in self.cloud.callbacks(self.callbacks, seconds):
            if callback["status"] in client.ENDED and callback["id"] in known:
                progress.heard.setdefault(callback["id"], Heard(callback["status"], time.time()))

    def _outcome(self, planned: Planned, progress: Progress, folder: Path) -> Outcome:
        if planned.id in progress.refused:
            return Outcome(planned, None, problem=progress.refused[planned.id])
        status = self.door.status(planned.runtime, planned.id)
        heard = progress.heard.get(planned.id)
        if heard is None:
            return Outcome(planned, status, problem=f"{status.status}: no callback came in time")
        if COMPLETED not in (heard.status, status.status) or not status.images:
            return Outcome(planned, status, problem=status.error or f"{status.status}, without pictures")
        spent = times(status, progress.sent[planned.id], heard.at)
        return Outcome(planned, status, client.save(status, folder), times=spent)
