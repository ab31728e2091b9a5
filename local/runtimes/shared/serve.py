"""The command line and the server of every simulated runtime."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web

from local.runtimes.shared import faults
from local.runtimes.shared.gpu import RUNS_KEPT, Gpu
from local.runtimes.shared.picture import Artist

MAX_BODY_BYTES = 256 * 2**20
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Exchange:
    """A POST and its response. Times are seconds of the system-wide monotonic clock."""

    asked: float  # its head was read
    answered: float  # the response begins to be sent


@dataclass(frozen=True)
class Simulation:
    """The parts of one simulated runtime."""

    name: str
    gpu: Gpu
    faults: faults.Faults
    artist: Artist
    models: list[str]
    options: argparse.Namespace
    exchanges: deque[Exchange] = field(default_factory=lambda: deque(maxlen=RUNS_KEPT))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start work that continues when the client disconnects, as on a real runtime."""
        task = asyncio.create_task(work)
        _running.add(task)
        task.add_done_callback(_running.discard)
        return task


_running: set[asyncio.Task[Any]] = set()


def parser(name: str) -> argparse.ArgumentParser:
    """A parser with the options of every simulated runtime."""
    parser = argparse.ArgumentParser(
        prog=f"python -m local.runtimes.{name}",
        description=f"A SIMULATION of {name}: its HTTP API without a GPU and models; it draws pictures.",
        epilog="Faults: " + "; ".join(f"{kind}: {text}" for kind, text in faults.KINDS.items()),
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port; it is printed as JSON")
    parser.add_argument("--service-time", type=float, default=0.3, help="seconds of GPU time per image")
    parser.add_argument("--load-time", type=float, default=0.0, help="seconds to load a model")
    parser.add_argument("--start-delay", type=float, default=0.0, help="seconds until the server listens")
    parser.add_argument("--model", action="append", default=[], help="a model file; may be repeated")
    parser.add_argument(
        "--plain", action="store_true", help="plain pictures, which take no time to draw; for benchmarks"
    )
    parser.add_argument("--picture-bytes", type=int, default=0, help="the least size of a plain picture")
    parser.add_argument("--fault", action="append", default=[], help="kind, kind:times or kind@probability")
    parser.add_argument("--fault-seed", type=int, default=0)
    return parser


def build(name: str, options: argparse.Namespace, loaded: str | None = None) -> Simulation:
    """The parts of one simulated runtime, from its options."""
    active = faults.Faults([faults.parse(text) for text in options.fault], options.fault_seed)
    gpu = Gpu(active, options.service_time, options.load_time, loaded)
    return Simulation(
        name,
        gpu,
        active,
        Artist(plain=options.plain, size=options.picture_bytes),
        list(options.model),
        options,
    )


def application(simulation: Simulation, routes: list[web.RouteDef]) -> web.Application:
    """The web application: the runtime's own routes, and `/_simulation/…` to control and observe it."""

    async def report(_: web.Request) -> web.Response:
        exchanges = [asdict(exchange) for exchange in simulation.exchanges]
        document = {"simulation": simulation.name, "exchanges": exchanges, **simulation.gpu.report()}
        return web.json_response(document)

    async def add_model(request: web.Request) -> web.Response:
        simulation.models.append(str((await request.json())["name"]))
        return web.json_response({"models": simulation.models})

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = time.monotonic()
        response = await handler(request)
        if request.method == "POST":
            simulation.exchanges.append(Exchange(asked, time.monotonic()))
        return response

    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[note])
    app.add_routes(routes)
    app.add_routes(faults.routes(simulation.faults))
    app.add_routes([web.get("/_simulation/gpu", report), web.post("/_simulation/models", add_model)])
    return app


async def serve(
    simulation: Simulation, app: web.Application, *background: Awaitable[None], handlers: bool = True
) -> None:
    """Listen until SIGTERM or SIGINT; the URL is printed as one line of JSON.

    `handlers`: whether the real program has handlers of these signals.
    """
    options = simulation.options
    await asyncio.sleep(options.start_delay)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port)
    await site.start()
    port = runner.addresses[0][1]
    line = {
        "simulation": simulation.name,
        "port": port,
        "url": f"http://{options.host}:{port}",
        "pid": os.getpid(),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    tasks = [asyncio.ensure_future(work) for work in background]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT) if handlers else ():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    for task in tasks:
        task.cancel()
    await runner.cleanup()


def main(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run one simulated runtime until it is stopped."""
    asyncio.run(run())
