"""Knows whether the runtime takes work: at start, after it failed, and while nothing runs."""

import asyncio
from collections.abc import Callable

from queue_agent.contract import Adapter, RuntimeUnavailable
from queue_agent.ops.logs import log
from queue_agent.ops.metrics import Metrics

IDLE_PROBE_SECONDS = 2.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
# One unanswered probe of an idle runtime is a hiccup, two are a fault.
PROBES = 2


class Supervisor:
    """Watches one runtime. `up` is set while it takes work; `changed` hears of it at once."""

    def __init__(
        self,
        adapter: Adapter,
        metrics: Metrics,
        running: Callable[[], bool],
        changed: Callable[[bool], None],
    ) -> None:
        self._adapter = adapter
        self._metrics = metrics
        self._running = running
        self._changed = changed
        self._look = asyncio.Event()
        self.up = asyncio.Event()

    def suspect(self) -> None:
        """A task found the runtime wanting: no work until it has proved itself again."""
        self._mark(up=False)
        self._look.set()

    async def watch(self) -> None:
        """Run for ever."""
        while True:
            if not self.up.is_set():
                await self._bring_up()
            self._look.clear()
            try:
                await asyncio.wait_for(self._look.wait(), IDLE_PROBE_SECONDS)
            except TimeoutError:
                if self.up.is_set() and not self._running() and not await self._answers():
                    log.warning("the runtime does not answer any more")
                    self._mark(up=False)

    async def _bring_up(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        said = ""
        while (problem := await self._problem()) is not None:
            if problem != said:
                log.info("waiting for the runtime", extra={"problem": problem})
                said = problem
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        self._mark(up=True)
        log.info("the runtime is ready")

    async def _problem(self) -> str | None:
        """Why it cannot take work; None when it can."""
        if not await self._adapter.ready():
            return "it does not answer"
        try:
            if not await self._adapter.idle():
                if not self._running():
                    await self._adapter.clear()
                return "it is at work on something"
            await self._adapter.warm_up()
        except RuntimeUnavailable as fault:
            return str(fault)
        return None

    async def _answers(self) -> bool:
        for _ in range(PROBES):
            if await self._adapter.ready():
                return True
        return False

    def _mark(self, *, up: bool) -> None:
        self._metrics.ready.set(int(up))
        if up:
            self.up.set()
        else:
            self.up.clear()
        self._changed(up)
