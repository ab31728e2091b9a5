"""A SIMULATION of InvokeAI's HTTP API (6.14, single user): its responses and pitfalls, without a GPU.

As on the real server: an unknown path gives 200 and a web page; a graph that fails at run time is accepted
with 200, and the error is in the queue item; a full queue gives 200 with nothing queued; the keys of models
are random; a canceled item has its new state at once, although its step ends later.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from local.runtimes.invokeai.events import Events
from local.runtimes.invokeai.images import Images, Videos
from local.runtimes.invokeai.nodes import known
from local.runtimes.invokeai.queue import Item, Queue
from local.runtimes.invokeai.validation import problems, sessions
from local.runtimes.shared import serve
from local.runtimes.shared.serve import Simulation

VERSION = "6.14.2"
DEFAULT_MODELS = ["dreamshaper_8", "juggernaut_xl"]
PAGE = "<!doctype html><html><head><title>Invoke (simulated)</title></head><body></body></html>"


class InvokeAi:
    """The routes and their shared state."""

    def __init__(self, simulation: Simulation) -> None:
        self.sim = simulation
        self.keys = {_stem(name): str(uuid.uuid4()) for name in simulation.models}
        self.images, self.videos, self.events = Images(), Videos(), Events()
        self.queue = Queue(simulation, self.images, self.videos, self.events, self.keys)

    def routes(self) -> list[web.RouteDef]:
        """The routes that the queue agent and the public client call; any other path is the web page."""
        queue, models = "/api/v1/queue/{queue}", "/api/v2/models"
        return [
            web.get("/api/v1/app/version", self._version),
            web.get(f"{queue}/status", self._status),
            web.post(f"{queue}/enqueue_batch", self._enqueue),
            web.get(f"{queue}/list_all", self._list),
            web.get(f"{queue}/current", self._current),
            web.get(f"{queue}/b/{{batch}}/status", self._batch),
            web.get(f"{queue}/i/{{item}}", self._item),
            web.delete(f"{queue}/i/{{item}}", self._delete),
            web.put(f"{queue}/i/{{item}}/cancel", self._cancel),
            web.put(f"{queue}/cancel_by_batch_ids", self._cancel_batches),
            web.put(f"{queue}/clear", self._clear),
            web.put(f"{queue}/prune", self._prune),
            web.get(f"{models}/", self._models),
            web.get(f"{models}/get_by_attrs", self._model),
            web.post(f"{models}/empty_model_cache", self._empty),
            *self.images.routes(),
            *self.videos.routes(),
            *self.events.routes(),
            web.get("/{path:(?!_simulation).*}", self._page),
        ]

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": VERSION})

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def _status(self, _: web.Request) -> web.Response:
        running = next((item for item in self.queue.items.values() if item.status == "in_progress"), None)
        queue = {
            "queue_id": "default",
            "item_id": running.id if running else None,
            "batch_id": running.batch_id if running else None,
            "session_id": running.session_id if running else None,
            **self.queue.counts(list(self.queue.items.values())),
        }
        processor = {"is_started": True, "is_processing": self.queue.processing}
        return web.json_response({"queue": queue, "processor": processor})

    async def _enqueue(self, request: web.Request) -> web.Response:
        body = await request.json()
        requested = body.get("batch") if isinstance(body, Mapping) else None
        batch: dict[str, Any] = dict(requested) if isinstance(requested, Mapping) else {}
        if invalid := problems(batch):
            return web.json_response({"detail": invalid}, status=422)
        batch["batch_id"] = batch.get("batch_id") or str(uuid.uuid4())
        label = batch.get("destination") or batch["batch_id"]
        if self.sim.faults.take("refuse", label):
            return web.Response(text="Internal Server Error", status=500)
        full = self.sim.faults.take("queue-full", label)
        graph = _completed(batch["graph"])
        requested_runs = list(sessions(batch, graph))
        items = [self.queue.add(batch, session) for session in ([] if full else requested_runs)]
        # Newest first, and all items of that batch id, as on the real server.
        ids = sorted(
            (i.id for i in self.queue.items.values() if i.batch_id == batch["batch_id"]), reverse=True
        )
        empty = {"origin": None, "destination": None, "data": None, "workflow": None}
        response = {
            "queue_id": "default",
            "enqueued": len(items),
            "requested": len(requested_runs),
            "batch": {**empty, **batch, "graph": graph},
            "priority": 0,
        }
        return web.json_response({**response, "item_ids": ids})

    async def _list(self, request: web.Request) -> web.Response:
        if not self.queue.readable:
            text = "Unexpected error while listing all queue items: 1 validation error (simulated)"
            return web.json_response({"detail": text}, status=500)
        destination = request.query.get("destination")
        items = [item for item in self.queue.items.values() if destination in (None, item.destination)]
        return web.json_response([item.to_json() for item in items])

    async def _current(self, _: web.Request) -> web.Response:
        running = next((item for item in self.queue.items.values() if item.status == "in_progress"), None)
        return web.json_response(running.to_json() if running else None)

    async def _batch(self, request: web.Request) -> web.Response:
        name = request.match_info["batch"]
        items = [item for item in self.queue.items.values() if item.batch_id == name]
        origin, destination = (items[0].origin, items[0].destination) if items else (None, None)
        batch = {"queue_id": "default", "batch_id": name, "origin": origin, "destination": destination}
        return web.json_response({**batch, **self.queue.counts(items)})

    def _requested_item(self, request: web.Request) -> Item | None:
        return self.queue.items.get(int(request.match_info["item"]))

    async def _item(self, request: web.Request) -> web.Response:
        item = self._requested_item(request)
        if item is None:
            return _not_found(request)
        # Unlike the list, this route leaves out fields that are null.
        return web.json_response(_without_nulls(item.to_json()))

    async def _delete(self, request: web.Request) -> web.Response:
        item = self._requested_item(request)
        if item is None:
            return _not_found(request)
        self.queue.cancel(item)
        del self.queue.items[item.id]
        return web.json_response(None)

    async def _cancel(self, request: web.Request) -> web.Response:
        item = self._requested_item(request)
        if item is None:
            return _not_found(request)
        self.queue.cancel(item)
        return web.json_response(item.to_json())

    async def _cancel_batches(self, request: web.Request) -> web.Response:
        batches = (await request.json())["batch_ids"]
        items = [item for item in self.queue.items.values() if item.batch_id in batches]
        active = [item for item in items if item.status in ("pending", "in_progress")]
        for item in active:
            self.queue.cancel(item)
        return web.json_response({"canceled": len(active)})

    async def _clear(self, _: web.Request) -> web.Response:
        return web.json_response({"deleted": self._drop(list(self.queue.items.values()))})

    async def _prune(self, _: web.Request) -> web.Response:
        done = ("completed", "failed", "canceled")
        return web.json_response(
            {"deleted": self._drop([item for item in self.queue.items.values() if item.status in done])}
        )

    def _drop(self, items: list[Item]) -> int:
        for item in items:
            self.queue.cancel(item)
            self.queue.items.pop(item.id, None)
        return len(items)

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"models": self._matching(request, "model_name", "model_type", "base_models")}
        )

    async def _model(self, request: web.Request) -> web.Response:
        models = self._matching(request, "name", "type", "base")
        if not models:
            return web.json_response({"detail": "No model found with these attributes"}, status=404)
        return web.json_response(models[0])

    def _matching(self, request: web.Request, *names: str) -> list[dict[str, Any]]:
        for file in self.sim.models:  # models can be added at run time
            self.keys.setdefault(_stem(file), str(uuid.uuid4()))
        values = [request.query.get(name) for name in names]
        records = [_record(name, key) for name, key in self.keys.items()]
        return [
            record
            for record in records
            if all(
                value in (None, record[field])
                for value, field in zip(values, ("name", "type", "base"), strict=True)
            )
        ]

    async def _empty(self, _: web.Request) -> web.Response:
        self.sim.gpu.loaded = None
        return web.json_response(None)


def _record(name: str, key: str) -> dict[str, Any]:
    return {
        "key": key,
        "hash": f"random:{key.replace('-', '')}",
        "path": f"/opt/ml/code/models/Stable-diffusion/{name}.safetensors",
        "file_size": 2_132_696_762,
        "name": name,
        "description": None,
        "source": f"/opt/ml/code/models/Stable-diffusion/{name}.safetensors",
        "source_type": "path",
        "source_api_response": None,
        "source_url": None,
        "cover_image": None,
        "submodels": None,
        "type": "lora" if "lora" in name.lower() else "main",
        "trigger_phrases": None,
        "default_settings": None,
        "variant": "normal",
        "format": "checkpoint",
        "base": "sdxl" if "xl" in name.lower() else "sd-1",
    }


def _completed(graph: Mapping[str, Any]) -> dict[str, Any]:
    """A graph as InvokeAI reads it: with all fields of its nodes, and without others."""
    nodes = {}
    for node_id, node in graph.get("nodes", {}).items():
        fields = {name: field.get("default") for name, field in known()[node["type"]].fields.items()}
        nodes[node_id] = fields | {
            name: value for name, value in node.items() if name in fields or name in ("id", "type")
        }
    return {"id": str(uuid.uuid4()), "edges": [], **graph, "nodes": nodes}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _stem(name: str) -> str:
    return name.removesuffix(".safetensors").removesuffix(".ckpt")


def _not_found(request: web.Request) -> web.Response:
    text = f"Queue item with id {request.match_info['item']} not found in queue default"
    return web.json_response({"detail": text}, status=404)


async def run() -> None:
    """Serve until the process is stopped."""
    options = serve.parser("invokeai").parse_args()
    options.model = options.model or list(DEFAULT_MODELS)
    simulation = serve.build("invokeai", options)
    server = InvokeAi(simulation)
    await serve.serve(simulation, serve.application(simulation, server.routes()), server.queue.work())
