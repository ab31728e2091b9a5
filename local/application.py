"""An application that uses the service: sends tasks, receives their callbacks, downloads their pictures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from queue_agent.task.protocol import TaskState

from local.cloud import Cloud
from local.examples import PlannedTask
from local.progress import Callback, Progress, TaskOutcome, task_times
from sd_on_eks import ENDED, Client, TaskRefusedError

POLL_SECONDS = 1


@dataclass(frozen=True)
class Application:
    """Sends tasks through the HTTP API and receives callbacks from the queue with the URL `callbacks`."""

    cloud: Cloud
    api: Client
    callbacks: str

    def run(self, progress: Progress, seconds: float, show: Callable[[], None]) -> None:
        """Send every task and receive callbacks until each has ended or `seconds` have passed.

        `show` is called whenever `progress` may have changed.
        """
        end = time.monotonic() + seconds
        for task in progress.planned:
            self._send(task, progress)
            self._receive(progress, 0)
            show()
        while not progress.finished and time.monotonic() < end:
            progress.depths = {runtime.name: self.cloud.depth(runtime) for runtime in progress.runtimes}
            show()
            self._receive(progress, POLL_SECONDS)
        show()

    def outcomes(self, progress: Progress, folder: Path) -> list[TaskOutcome]:
        """The outcome of every task, with its pictures in `folder`/{runtime}."""
        return [self._outcome(task, progress, folder / task.runtime) for task in progress.planned]

    def _send(self, task: PlannedTask, progress: Progress) -> None:
        before = time.time()
        try:
            self.api.send(task.request.body)
            progress.sent[task.id] = before
        except TaskRefusedError as refusal:
            progress.refused[task.id] = str(refusal)

    def _receive(self, progress: Progress, seconds: int) -> None:
        ids = {task.id for task in progress.planned}
        for callback in self.cloud.receive_callbacks(self.callbacks, seconds):
            if callback["status"] in ENDED and callback["id"] in ids:
                progress.callbacks.setdefault(callback["id"], Callback(callback["status"], time.time()))

    def _outcome(self, task: PlannedTask, progress: Progress, folder: Path) -> TaskOutcome:
        if task.id in progress.refused:
            return TaskOutcome(task, None, problem=progress.refused[task.id])
        status = self.api.status(task.runtime, task.id)
        callback = progress.callbacks.get(task.id)
        if callback is None:
            return TaskOutcome(task, status, problem=f"{status.status}: no callback arrived in time")
        if TaskState.COMPLETED not in (callback.status, status.status) or not status.images:
            return TaskOutcome(task, status, problem=status.error or f"{status.status}, without pictures")
        times = task_times(status, progress.sent[task.id], callback.received)
        return TaskOutcome(task, status, self.api.save(status, folder), times=times)
