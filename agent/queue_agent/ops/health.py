"""The agent's endpoints for the kubelet, for Prometheus and for the preStop hook of the runtime."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from queue_agent.ops.metrics import Metrics


class Health:
    """The HTTP server. `ready` tells whether tasks can run, `drained` that nothing runs after SIGTERM.

    `restart_reason` tells why the runtime must be restarted; "" when it need not be.
    """

    def __init__(
        self,
        metrics: Metrics,
        ready: Callable[[], bool],
        restart_reason: Callable[[], str],
        drained: asyncio.Event,
    ) -> None:
        self._metrics = metrics
        self._ready = ready
        self._restart_reason = restart_reason
        self._drained = drained
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Start to listen; returns the port, which is a free one for 0."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/runtime/healthz", self._runtime_healthz),
                web.get("/metrics", self._metrics_text),
                web.get("/drained", self._drained_response),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Answer open requests, then stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._ready()
        return web.Response(status=200 if ready else 503, text="ready\n" if ready else "not ready\n")

    async def _runtime_healthz(self, _: web.Request) -> web.Response:
        reason = self._restart_reason()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    async def _metrics_text(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _drained_response(self, _: web.Request) -> web.Response:
        # A runtime that must be restarted has nothing to finish: its container stops at once.
        if not self._restart_reason():
            await self._drained.wait()
        return web.Response(text="drained\n")
