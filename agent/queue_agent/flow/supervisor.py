"""Watches whether the runtime can run tasks: at start, after a failure, and while nothing runs.

When only a restart of the runtime can help, no more tasks run, and the liveness probe of the runtime's
container gets `restart_reason`.
"""

import asyncio
from collections.abc import Callable

from queue_agent.contract import Adapter, RuntimeUnavailable, TaskError
from queue_agent.flow.breaker import Breaker
from queue_agent.ops.logs import log
from queue_agent.ops.metrics import Metrics

IDLE_PROBE_SECONDS = 2.0
MIN_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 2.0
# A single unanswered probe of an idle runtime is not a failure yet.
PROBE_ATTEMPTS = 2
# A runtime that is to be restarted is away for at least as long as this.
RESTART_POLL_SECONDS = 0.1
# A warm-up may wait for a model that is loaded from the bucket: as long as the start of the runtime may take.
WARM_UP_SECONDS = 1800.0


class Supervisor:
    """Watches one runtime. `available` is set while tasks can run; `on_change` is called at each change."""

    def __init__(
        self,
        adapter: Adapter,
        metrics: Metrics,
        running: Callable[[], bool],
        on_change: Callable[[bool], None],
        restart_after_seconds: float,
    ) -> None:
        self._adapter = adapter
        self._metrics = metrics
        self._running = running
        self._on_change = on_change
        self._restart_after = restart_after_seconds
        self._breaker = Breaker()
        self._clock = asyncio.get_running_loop().time
        self._answered = self._clock()
        self._useless_since: float | None = None  # it answers, but cannot run tasks
        self._failure_reported = asyncio.Event()
        self.available = asyncio.Event()

    @property
    def restart_reason(self) -> str:
        """Why only a restart of the runtime can help; "" as long as it need not be restarted."""
        silent = 0.0 if self._running() else self._clock() - self._answered
        if not self._breaker.restart_reason and silent >= self._restart_after:
            return f"it has not responded for {silent:.0f} s"
        return self._breaker.restart_reason

    def report_success(self) -> None:
        """The runtime has run a task to its end."""
        self._breaker = self._breaker.after_success()

    def report_failure(self, task_id: str, error: RuntimeUnavailable) -> None:
        """The runtime could not do what a task needed: no task runs until it is ready again."""
        self._set_breaker(self._breaker.after_failure(task_id, error))
        self._set_available(False)
        self._failure_reported.set()

    def report_task_error(self, task_id: str, error: TaskError) -> None:
        """A task failed on the runtime and seems to be at fault itself."""
        self._set_breaker(self._breaker.after_failure(task_id, error))
        if self._breaker.restart_reason:
            self._set_available(False)
            self._failure_reported.set()

    async def watch(self) -> None:
        """Watch until cancelled."""
        while True:
            if not self.available.is_set():
                await self._wait_until_ready()
            self._failure_reported.clear()
            try:
                await asyncio.wait_for(self._failure_reported.wait(), IDLE_PROBE_SECONDS)
            except TimeoutError:
                if self._running():
                    self._answered = self._clock()  # a run has a watchdog of its own
                elif self.available.is_set() and not await self._responds():
                    log.warning("the runtime does not respond")
                    self._set_available(False)

    async def _wait_until_ready(self) -> None:
        pause = MIN_PAUSE_SECONDS
        logged = ""
        while (problem := await self._problem()) is not None:
            if problem != logged:
                log.info("waiting for the runtime", extra={"problem": problem})
                logged = problem
            if self._breaker.restart_reason:
                await self._wait_for_restart()
                pause = MIN_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
        self._useless_since = None
        self._set_available(True)
        log.info("the runtime is ready")

    async def _wait_for_restart(self) -> None:
        while await self._ready():  # noqa: ASYNC110 (nothing announces the end of another process)
            await asyncio.sleep(RESTART_POLL_SECONDS)
        log.info("the runtime was stopped")
        self._breaker, self._useless_since = self._breaker.after_restart(), None

    async def _problem(self) -> str | None:
        """Why the runtime cannot run tasks; None when it can."""
        if not await self._ready():
            self._useless_since = None
            return "it does not respond"
        if self._breaker.restart_reason:
            return f"it must be restarted: {self._breaker.restart_reason}"
        problem = await self._work_problem()
        if problem is None or self._running():
            self._useless_since = None
        elif self._useless_since is None:
            self._useless_since = self._clock()
        elif self._clock() - self._useless_since >= self._restart_after:
            self._set_breaker(self._breaker.open(problem))
        return problem

    async def _work_problem(self) -> str | None:
        """Why a runtime that responds cannot run tasks; None when it can."""
        try:
            async with asyncio.timeout(WARM_UP_SECONDS):
                if not await self._adapter.idle():
                    if not self._running():
                        await self._adapter.clear()
                    return "it is busy"
                await self._adapter.warm_up()
        except TimeoutError:
            self._set_breaker(self._breaker.open(f"its warm-up took longer than {WARM_UP_SECONDS:g} s"))
            return self._breaker.restart_reason
        except RuntimeUnavailable as error:
            if error.needs_restart:
                self._set_breaker(self._breaker.open(str(error)))
            return str(error)
        return None

    async def _responds(self) -> bool:
        for _ in range(PROBE_ATTEMPTS):
            if await self._ready():
                return True
        return False

    async def _ready(self) -> bool:
        ready = await self._adapter.ready()
        if ready:
            self._answered = self._clock()
        return ready

    def _set_breaker(self, breaker: Breaker) -> None:
        if breaker.restart_reason and not self._breaker.restart_reason:
            log.error("the runtime must be restarted", extra={"reason": breaker.restart_reason})
        self._breaker = breaker

    def _set_available(self, available: bool) -> None:
        self._metrics.runtime_is(available)
        if available:
            self.available.set()
        else:
            self.available.clear()
        self._on_change(available)
