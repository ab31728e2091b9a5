"""A SIMULATION of a custom runtime: a server that takes a task by POST and responds with pictures.

It reads the queue agent's body (`id`, `tasktype`, `context`, `content`). `content.answer` selects the form of
the response: `json` (base64), `bytes`, or `url`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.runtimes.shared import serve
from local.runtimes.shared.gpu import Job, NodeFailedError, OutOfMemoryError
from local.runtimes.shared.picture import Request
from local.runtimes.shared.serve import Simulation

MODEL = "simulated-painter"
LARGEST_SIDE = 4096


@dataclass(frozen=True)
class Response:
    """A response that several requests can share."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


class Custom:
    """The routes and their shared state."""

    def __init__(self, simulation: Simulation) -> None:
        self.sim = simulation
        self._files: dict[str, bytes] = {}
        self._running: dict[str, asyncio.Task[Response]] = {}

    def routes(self) -> list[web.RouteDef]:
        """The two paths of the config, and the pictures to which a response can refer."""
        options = self.sim.options
        return [
            web.get(options.ready_path, self._ready),
            web.post(options.task_path, self._task),
            web.get("/files/{name}", self._file),
        ]

    async def _ready(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _task(self, request: web.Request) -> web.Response:
        try:
            content = dict((await request.json())["content"])
            picture = _picture(content)
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": f"invalid task: {error}"}, status=422)
        name = request.headers.get("Idempotency-Key") or uuid.uuid4().hex
        if self.sim.faults.take("refuse", name):
            return web.Response(text="Internal Server Error", status=500)
        # A request with the same key waits for the work that is in progress.
        if name not in self._running:
            self._running[name] = self.sim.spawn(
                self._work(name, picture, str(content.get("answer", "json")))
            )
            self._running[name].add_done_callback(lambda _: self._running.pop(name, None))
        response = await asyncio.shield(self._running[name])
        return web.Response(status=response.status, body=response.body, content_type=response.content_type)

    async def _work(self, name: str, picture: Request, form: str) -> Response:
        try:
            await self.sim.gpu.run(Job(name, MODEL, prompt=picture.prompt))
        except OutOfMemoryError as error:
            return _json({"error": "OutOfMemoryError", "message": str(error)}, 500)
        except NodeFailedError as error:
            return _json({"error": str(error)}, 500)
        data = await asyncio.to_thread(self.sim.artist.draw, picture)
        if self.sim.faults.take("broken-output", name):
            data = b"broken"
        if self.sim.faults.take("no-output", name):
            return _json({"images": []})
        if form == "bytes":
            return Response(data, "image/png")
        image: Any = base64.b64encode(data).decode()
        if form == "url":
            file = f"{uuid.uuid4().hex}.png"
            self._files[file] = data
            image = {"url": f"/files/{file}"}
        metadata = {"prompt": picture.prompt, "size": f"{picture.width}x{picture.height}"}
        return _json({"images": [image], "seed": picture.seed, "model": MODEL, "metadata": metadata})

    async def _file(self, request: web.Request) -> web.Response:
        data = self._files.get(request.match_info["name"])
        return web.Response(status=404) if data is None else web.Response(body=data, content_type="image/png")


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value).encode(), status=status)


def _picture(content: Mapping[str, Any]) -> Request:
    width, height = int(content.get("width", 512)), int(content.get("height", 512))
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise ValueError(f"width and height must be between 1 and {LARGEST_SIDE}")
    source = None
    if image := content.get("image"):
        try:
            source = base64.b64decode(str(image).rpartition(",")[2], validate=True)
        except binascii.Error:
            raise ValueError("image is not valid base64") from None
    return Request(
        str(content["prompt"]), int(content.get("seed", 0)), width, height, source=source, strength=0.5
    )


async def run() -> None:
    """Serve until the process is stopped."""
    parser = serve.parser("custom")
    parser.add_argument("--task-path", default="/tasks")
    parser.add_argument("--ready-path", default="/health")
    simulation = serve.build("custom", parser.parse_args(), loaded=MODEL)
    await serve.serve(simulation, serve.application(simulation, Custom(simulation).routes()))
