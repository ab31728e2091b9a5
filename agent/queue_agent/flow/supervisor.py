"""Watches whether the runtime can run tasks: at start, after a failure, and while nothing runs."""

import asyncio
from collections.abc import Callable

from queue_agent.contract import Adapter, RuntimeUnavailable
from queue_agent.ops.logs import log
from queue_agent.ops.metrics import Metrics

IDLE_PROBE_SECONDS = 2.0
MIN_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 2.0
# A single unanswered probe of an idle runtime is not a failure yet.
PROBE_ATTEMPTS = 2


class Supervisor:
    """Watches one runtime. `available` is set while tasks can run; `on_change` is called at each change."""

    def __init__(
        self,
        adapter: Adapter,
        metrics: Metrics,
        running: Callable[[], bool],
        on_change: Callable[[bool], None],
    ) -> None:
        self._adapter = adapter
        self._metrics = metrics
        self._running = running
        self._on_change = on_change
        self._failure_reported = asyncio.Event()
        self.available = asyncio.Event()

    def report_failure(self) -> None:
        """The runtime could not do what a task needed: no task runs until it is ready again."""
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
                if self.available.is_set() and not self._running() and not await self._responds():
                    log.warning("the runtime does not respond")
                    self._set_available(False)

    async def _wait_until_ready(self) -> None:
        pause = MIN_PAUSE_SECONDS
        logged = ""
        while (problem := await self._problem()) is not None:
            if problem != logged:
                log.info("waiting for the runtime", extra={"problem": problem})
                logged = problem
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, MAX_PAUSE_SECONDS)
        self._set_available(True)
        log.info("the runtime is ready")

    async def _problem(self) -> str | None:
        """Why the runtime cannot run tasks; None when it can."""
        if not await self._adapter.ready():
            return "it does not respond"
        try:
            if not await self._adapter.idle():
                if not self._running():
                    await self._adapter.clear()
                return "it is busy"
            await self._adapter.warm_up()
        except RuntimeUnavailable as error:
            return str(error)
        return None

    async def _responds(self) -> bool:
        for _ in range(PROBE_ATTEMPTS):
            if await self._adapter.ready():
                return True
        return False

    def _set_available(self, available: bool) -> None:
        self._metrics.ready.set(int(available))
        if available:
            self.available.set()
        else:
            self.available.clear()
        self._on_change(available)
