"""A SIMULATION of a container of one's own: a program that takes a task by POST and answers with pictures.

It reads the queue agent's body (`id`, `tasktype`, `context`, `content`) and answers in the way that
`content.answer` asks for, so that each of the ways can be tried: `json` (base64), `bytes`, or `url`.
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
class Said:
    """An answer that may be given to more than one request."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200


class Custom:
    """The routes, and what they share."""

    def __init__(self, simulation: Simulation) -> None:
        self.sim = simulation
        self._files: dict[str, bytes] = {}
        self._going: dict[str, asyncio.Task[Said]] = {}

    def routes(self) -> list[web.RouteDef]:
        """The two paths that the config names, and the pictures that an answer may point to."""
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
            wanted = _wanted(content)
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": f"this is no task: {error}"}, status=422)
        name = request.headers.get("Idempotency-Key") or uuid.uuid4().hex
        if self.sim.faults.take("refuse", name):
            return web.json_response({"error": "a simulated refusal"}, status=500)
        # The same key again joins the work that goes on.
        if name not in self._going:
            self._going[name] = self.sim.spawn(self._work(name, wanted, str(content.get("answer", "json"))))
            self._going[name].add_done_callback(lambda _: self._going.pop(name, None))
        said = await asyncio.shield(self._going[name])
        return web.Response(status=said.status, body=said.body, content_type=said.content_type)

    async def _work(self, name: str, wanted: Request, how: str) -> Said:
        try:
            await self.sim.gpu.run(Job(name, MODEL, prompt=wanted.prompt))
        except OutOfMemoryError as error:
            return _json({"error": "OutOfMemoryError", "message": str(error)}, 500)
        except NodeFailedError as error:
            return _json({"error": str(error)}, 500)
        data = await asyncio.to_thread(self.sim.artist.draw, wanted)
        if self.sim.faults.take("broken-output", name):
            data = b"broken"
        if self.sim.faults.take("no-output", name):
            return _json({"images": []})
        if how == "bytes":
            return Said(data, "image/png")
        image: Any = base64.b64encode(data).decode()
        if how == "url":
            file = f"{uuid.uuid4().hex}.png"
            self._files[file] = data
            image = {"url": f"/files/{file}"}
        metadata = {"prompt": wanted.prompt, "size": f"{wanted.width}x{wanted.height}"}
        return _json({"images": [image], "seed": wanted.seed, "model": MODEL, "metadata": metadata})

    async def _file(self, request: web.Request) -> web.Response:
        data = self._files.get(request.match_info["name"])
        return web.Response(status=404) if data is None else web.Response(body=data, content_type="image/png")


def _json(value: object, status: int = 200) -> Said:
    return Said(json.dumps(value).encode(), status=status)


def _wanted(content: Mapping[str, Any]) -> Request:
    width, height = int(content.get("width", 512)), int(content.get("height", 512))
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise ValueError(f"width and height go from 1 to {LARGEST_SIDE}")
    source = None
    if image := content.get("image"):
        try:
            source = base64.b64decode(str(image).rpartition(",")[2], validate=True)
        except binascii.Error:
            raise ValueError("image is no base64") from None
    return Request(
        str(content["prompt"]), int(content.get("seed", 0)), width, height, source=source, strength=0.5
    )


async def run() -> None:
    """Serve until the process ends."""
    parser = serve.parser("custom")
    parser.add_argument("--task-path", default="/tasks")
    parser.add_argument("--ready-path", default="/health")
    simulation = serve.build("custom", parser.parse_args(), loaded=MODEL)
    await serve.serve(simulation, serve.application(simulation, Custom(simulation).routes()))
