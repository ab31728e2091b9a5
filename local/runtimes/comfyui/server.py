"""A SIMULATION of ComfyUI's HTTP and WebSocket API: its responses and pitfalls, without a GPU.

As on the real server: a workflow that fails at run time is accepted with 200, and the error is only in the
history; queue and history are in memory; the same workflow again gives the files of the first run; the event
`executing` without a node is the last one after success, error and interrupt.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from local.runtimes.comfyui import graph as graphs
from local.runtimes.comfyui import validation
from local.runtimes.comfyui.files import OTHER_FILES, Files
from local.runtimes.comfyui.nodes import described, known
from local.runtimes.shared import serve
from local.runtimes.shared.gpu import Job, NodeFailedError, OutOfMemoryError
from local.runtimes.shared.picture import Request
from local.runtimes.shared.serve import Simulation

DEFAULT_MODEL = "sd_xl_turbo_1.0.safetensors"
DEFAULT_VERSION = "0.28.1"
# The first versions that keep the id of a submitted prompt, and that interrupt only the prompt that is named.
KEEPS_IDS, INTERRUPTS_BY_ID = (0, 3, 45), (0, 3, 57)


@dataclass
class Item:
    """One prompt in the queue."""

    number: int
    id: str
    prompt: dict[str, Any]
    extra: dict[str, Any]
    client: str
    outputs: list[str]
    job: Job | None = None

    def row(self) -> list[Any]:
        """The prompt as `/queue` and the history show it."""
        return [self.number, self.id, self.prompt, self.extra, self.outputs]


@dataclass
class ComfyUi:
    """Queue, history, files and WebSockets of one server."""

    sim: Simulation
    version: tuple[int, ...]
    pending: list[Item] = field(default_factory=list)
    running: Item | None = None
    history: dict[str, Any] = field(default_factory=dict)
    files: Files = field(default_factory=Files)
    cache: dict[str, dict[str, Any]] = field(default_factory=dict)
    sockets: dict[str, web.WebSocketResponse] = field(default_factory=dict)
    counter: int = 0
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> list[web.RouteDef]:
        """Every route with and without the prefix /api."""
        routes = [
            ("GET", "/prompt", self._exec_info), ("POST", "/prompt", self._submit),
            ("GET", "/queue", self._queue), ("POST", "/queue", self._unqueue),
            ("GET", "/history", self._all_history), ("GET", "/history/{id}", self._one_history),
            ("POST", "/history", self._forget), ("POST", "/interrupt", self._interrupt),
            ("POST", "/upload/image", self.files.upload_file), ("GET", "/view", self.files.view),
            ("GET", "/models/{folder}", self._models), ("GET", "/object_info", self._all_nodes),
            ("GET", "/object_info/{node}", self._one_node), ("GET", "/ws", self._socket),
            ("GET", "/embeddings", self._models), ("GET", "/system_stats", _stats),
            ("POST", "/free", self._free), ("DELETE", "/_simulation/files", self.files.sweep),
        ]  # fmt: skip
        return [
            web.route(method, prefix + path, act) for method, path, act in routes for prefix in ("", "/api")
        ]

    async def work(self) -> None:
        """Execute the prompts of the queue until the task is cancelled."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.pending:
                self.running = self.pending.pop(0)
                await self._execute(self.running)
                self.running = None
                await self._status()

    async def _execute(self, item: Item) -> None:
        await self._send(item, "execution_start", {"prompt_id": item.id})
        key = json.dumps(item.prompt, sort_keys=True)
        cached = self.cache.get(key)
        await self._send(
            item, "execution_cached", {"nodes": list(item.prompt) if cached else [], "prompt_id": item.id}
        )
        messages: list[Any] = [["execution_start", {"prompt_id": item.id}]]
        try:
            outputs = cached if cached is not None else await self._generate(item)
            self.cache[key] = outputs
            kind, last = "success", ("execution_success", {"prompt_id": item.id})
        except (OutOfMemoryError, NodeFailedError) as error:
            oom = isinstance(error, OutOfMemoryError)
            name = "torch.OutOfMemoryError" if oom else "builtins.RuntimeError"
            details = {"exception_message": str(error), "exception_type": name, "node_type": "KSampler"}
            outputs, kind, last = {}, "error", ("execution_error", {"prompt_id": item.id, **details})
        except InterruptedError:
            outputs, kind, last = {}, "error", ("execution_interrupted", {"prompt_id": item.id})
        messages.append(list(last))
        await self._send(item, *last)
        status = {"status_str": kind, "completed": kind == "success", "messages": messages}
        if not self.sim.faults.take("forget", item.id):
            self.history[item.id] = {"prompt": item.row(), "outputs": outputs, "status": status, "meta": {}}
        await self._send(item, "executing", {"node": None, "prompt_id": item.id})

    async def _generate(self, item: Item) -> dict[str, Any]:
        if validation.lost_links(item.prompt, item.outputs):
            await asyncio.Event().wait()  # the thread that works has ended
        work = graphs.work(item.prompt)
        item.job = Job(item.id, work.model, work.steps, work.batch, work.prompt)
        before, after = graphs.around_sampling(item.prompt)
        await self._send_executing(item, before)
        progress = asyncio.ensure_future(self._send_progress(item, before[-1]))
        try:
            if not await self.sim.gpu.run(item.job):
                raise InterruptedError
        finally:
            progress.cancel()
        await self._send_executing(item, after)
        if self.sim.faults.take("no-output", item.id):
            return {}
        outputs: dict[str, Any] = graphs.shown(item.prompt, item.outputs)
        for node, made in graphs.outputs(item.prompt, item.outputs).items():
            count = work.batch if made.extension == "png" else 1
            outputs[node] = {made.key: [self._save(item, work, made, n) for n in range(count)]}
            await self._send(item, "executed", {"node": node, "output": outputs[node], "prompt_id": item.id})
        return outputs

    async def _send_executing(self, item: Item, nodes: list[str]) -> None:
        for node in nodes:
            await self._send(item, "executing", {"node": node, "display_node": node, "prompt_id": item.id})

    async def _send_progress(self, item: Item, node: str) -> None:
        while item.job is not None:
            await asyncio.sleep(0.1)
            data = {"value": item.job.step, "max": item.job.steps, "prompt_id": item.id, "node": node}
            await self._send(item, "progress", data)

    def _save(self, item: Item, work: graphs.Work, made: graphs.SavedFiles, n: int) -> dict[str, str]:
        source = self.files.upload(work.source or "")
        texts = {"prompt": json.dumps(item.prompt)}
        self.counter += 1
        folder, _, stem = made.prefix.rpartition("/")
        name = f"{stem}_{self.counter:05}_.{made.extension}"
        picture = Request(work.prompt, work.seed + n, work.width, work.height, texts, source)
        data = OTHER_FILES.get(made.extension) or self.sim.artist.draw(picture)
        self.files.content[name, folder, made.type] = (
            b"" if self.sim.faults.take("broken-output", item.id) else data
        )
        return {"filename": name, "subfolder": folder, "type": made.type}

    async def _submit(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            prompt = body.get("prompt")
            if prompt is not None and not isinstance(prompt, Mapping):
                raise TypeError("not an object")
        except (ValueError, TypeError, AttributeError):
            return web.Response(status=500, text="500 Internal Server Error\n\nServer got itself in trouble")
        if self.sim.faults.take("refuse", str(body.get("prompt_id"))):
            return web.Response(status=500, text="a simulated refusal")
        name = body.get("prompt_id") if self.version >= KEEPS_IDS else None
        models, uploads = self.sim.models, self.files.uploads()
        verdict = validation.id_error(name, self.version) or validation.validate(prompt, models, uploads)
        if verdict.error is not None or prompt is None:
            return web.json_response(verdict.body(), status=400)
        self.counter += 1
        name = str(name or uuid.uuid4())
        client = str(body.get("client_id", ""))
        item = Item(
            self.counter, name, dict(prompt), {**(body.get("extra_data") or {}), "client_id": client}, client,
            list(verdict.outputs),
        )  # fmt: skip
        self.pending.append(item)
        self.wake.set()
        await self._status()
        dropped = (
            {"9": {"errors": [], "class_type": "SaveImage"}}
            if self.sim.faults.take("node-errors", name)
            else verdict.node_errors
        )
        return web.json_response({"prompt_id": name, "number": item.number, "node_errors": dropped})

    async def _exec_info(self, _: web.Request) -> web.Response:
        return web.json_response({"exec_info": {"queue_remaining": self._remaining()}})

    async def _queue(self, _: web.Request) -> web.Response:
        running = [self.running.row()] if self.running else []
        pending = [item.row() for item in self.pending]
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def _unqueue(self, request: web.Request) -> web.Response:
        body = await request.json()
        deleted = set(body.get("delete", ()))
        self.pending = [item for item in self.pending if item.id not in deleted and not body.get("clear")]
        return web.Response()

    async def _all_history(self, request: web.Request) -> web.Response:
        newest = list(self.history)[-int(request.query.get("max_items", len(self.history))) :]
        return web.json_response({name: self.history[name] for name in newest})

    async def _one_history(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        return web.json_response({name: self.history[name]} if name in self.history else {})

    async def _forget(self, request: web.Request) -> web.Response:
        body = await request.json()
        for name in body.get("delete", list(self.history) if body.get("clear") else ()):
            self.history.pop(name, None)
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        text = await request.text()
        name = (json.loads(text) if text else {}).get("prompt_id")
        if self.version < INTERRUPTS_BY_ID:
            name = None
        if self.running is not None and self.running.job is not None and name in (None, self.running.id):
            self.running.job.interrupted.set()
        return web.Response()

    async def _models(self, request: web.Request) -> web.Response:
        folder = request.match_info.get("folder")
        return web.json_response(self.sim.models if folder == "checkpoints" else [])

    async def _all_nodes(self, _: web.Request) -> web.Response:
        if self.sim.faults.take("no-nodes"):
            raise web.HTTPInternalServerError
        return web.json_response(
            {name: described(name, node, self.sim.models) for name, node in known().items()}
        )

    async def _one_node(self, request: web.Request) -> web.Response:
        name = request.match_info["node"]
        node = known().get(name)
        return web.json_response({} if node is None else {name: described(name, node, self.sim.models)})

    async def _free(self, request: web.Request) -> web.Response:
        if (await request.json()).get("free_memory"):
            self.cache.clear()
        return web.Response()

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query.get("clientId") or uuid.uuid4().hex
        self.sockets[client] = socket
        status = {"status": {"exec_info": {"queue_remaining": self._remaining()}}, "sid": client}
        await socket.send_json({"type": "status", "data": status})
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        self.sockets.pop(client, None)
        return socket

    def _remaining(self) -> int:
        return len(self.pending) + (self.running is not None)

    async def _status(self) -> None:
        status = {"status": {"exec_info": {"queue_remaining": self._remaining()}}}
        for socket in list(self.sockets.values()):
            with contextlib.suppress(ConnectionError):  # closed meanwhile
                await socket.send_json({"type": "status", "data": status})

    async def _send(self, item: Item, kind: str, data: Mapping[str, Any]) -> None:
        socket = self.sockets.get(item.client)
        if socket is not None:
            with contextlib.suppress(ConnectionError):
                await socket.send_json({"type": kind, "data": data})


async def _stats(_: web.Request) -> web.Response:
    system = {"os": "posix", "comfyui_version": DEFAULT_VERSION, "python_version": "3.11"}
    return web.json_response({"system": system, "devices": [{"name": "simulated", "type": "cuda"}]})


async def run() -> None:
    """Serve until the process is stopped."""
    parser = serve.parser("comfyui")
    parser.add_argument("--version", default=DEFAULT_VERSION, help="the version whose API is simulated")
    options = parser.parse_args()
    options.model = options.model or [DEFAULT_MODEL, "model.safetensors"]
    simulation = serve.build("comfyui", options)
    server = ComfyUi(simulation, tuple(int(part) for part in options.version.split(".")))
    app = serve.application(simulation, server.routes())
    await serve.serve(simulation, app, server.work(), handlers=False)
