"""How long tasks have waited for their run lately, as far as this instance of the function has seen."""

import time
from collections import OrderedDict, defaultdict

from api.state import TaskView

# So many tasks count, if they ended at most so many seconds ago.
_TASKS, _RECENT_SECONDS = 20, 900.0


class Waits:
    """The waits of the last tasks of each runtime, in seconds."""

    def __init__(self) -> None:
        self._waits: dict[str, OrderedDict[str, tuple[float, float]]] = defaultdict(OrderedDict)

    def note(self, runtime: str, task_id: str, task: TaskView) -> None:
        """Remember how long a task that has ended had waited."""
        if task.created is None or task.started is None or task.finished is None:
            return
        waits = self._waits[runtime]
        waits[task_id] = (task.finished, max(0.0, task.started - task.created))
        while len(waits) > _TASKS:
            waits.popitem(last=False)

    def expected(self, runtime: str, waited: float) -> float | None:
        """How much longer a task is expected to wait that has waited so long; None when nothing is known."""
        now = time.time()
        recent = [wait for ended, wait in self._waits[runtime].values() if now - ended < _RECENT_SECONDS]
        return max(0.0, sum(recent) / len(recent) - waited) if recent else None
