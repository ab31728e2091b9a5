"""Decides from the outcomes of tasks whether the runtime must be restarted: a circuit breaker. Pure.

A broken runtime fails faster than healthy ones, so it would take most tasks of the queue and spoil them.
"""

from dataclasses import dataclass, replace

from queue_agent.contract import EXECUTION_ERROR, TIMEOUT, RuntimeUnavailable, TaskError

# So many different tasks in a row at which the runtime failed. After a restart one is enough, until a task
# succeeds.
MAX_UNAVAILABLE = 3
# So many different tasks in a row whose execution failed. Senders may have sent as many faulty tasks, so this
# restarts the runtime only once until a task succeeds.
MAX_EXECUTION_ERRORS = 5


@dataclass(frozen=True)
class Breaker:
    """The tasks that failed since the last success, and why the runtime must be restarted.

    `restart_reason` is "" as long as it need not be.
    """

    unavailable: frozenset[str] = frozenset()
    execution_errors: frozenset[str] = frozenset()
    restarted: bool = False  # and no task has succeeded since
    restart_reason: str = ""

    def after_success(self) -> "Breaker":
        """The runtime has run a task to its end."""
        return self if self.restart_reason else Breaker()

    def after_failure(self, task_id: str, error: TaskError | RuntimeUnavailable) -> "Breaker":
        """A task failed on the runtime."""
        if isinstance(error, RuntimeUnavailable):
            unavailable = self.unavailable | {task_id}
            state = replace(self, unavailable=unavailable)
            limit = 1 if self.restarted else MAX_UNAVAILABLE
            return state.open(str(error)) if error.needs_restart or len(unavailable) >= limit else state
        if error.code not in (EXECUTION_ERROR, TIMEOUT):  # it was refused before it ran
            return self
        failed = self.execution_errors | {task_id}
        state = replace(self, execution_errors=failed)
        return state.open(str(error)) if len(failed) >= MAX_EXECUTION_ERRORS and not self.restarted else state

    def after_restart(self) -> "Breaker":
        """The runtime was restarted."""
        return Breaker(restarted=True)

    def open(self, reason: str) -> "Breaker":
        """The runtime must be restarted; the first reason stays."""
        return self if self.restart_reason else replace(self, restart_reason=reason)
