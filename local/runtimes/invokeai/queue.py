"""The queue of the InvokeAI simulation: items, their states, and their work for the GPU."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from PIL import Image

from local.runtimes.invokeai.events import Events
from local.runtimes.invokeai.graph import Graph, ItemFailedError, names_of
from local.runtimes.invokeai.images import Images, Videos
from local.runtimes.invokeai.nodes import known
from local.runtimes.invokeai.validation import Session
from local.runtimes.shared.gpu import Job, NodeFailedError, OutOfMemoryError
from local.runtimes.shared.picture import Request, encoded, scaled
from local.runtimes.shared.serve import Simulation

PROGRESS_SECONDS = 0.2
# Exceptions that a value of a wrong type causes while its node runs.
INPUT_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
STATES = ("pending", "in_progress", "waiting", "completed", "failed", "canceled")


def now() -> str:
    """The current time in the format of InvokeAI's database."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


@dataclass
class Item:
    """One item of the queue."""

    id: int
    batch_id: str
    origin: str | None
    destination: str | None
    graph: Mapping[str, Any]
    field_values: list[dict[str, Any]]
    status: str = "pending"
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    prepared: dict[str, str] = field(default_factory=dict)  # node of the graph -> node that ran
    results: dict[str, Any] = field(default_factory=dict)
    error: ItemFailedError | None = None
    created: str = field(default_factory=now)
    ended: str | None = None
    job: Job | None = None

    def event(self) -> dict[str, Any]:
        """The fields of every event of the item."""
        names = {"item_id": self.id, "batch_id": self.batch_id, "session_id": self.session_id}
        return {**names, "origin": self.origin, "destination": self.destination, "status": self.status}

    def to_json(self) -> dict[str, Any]:
        """The item in the API, with all fields."""
        executed = list(self.prepared.values())
        session = {
            "id": self.session_id,
            "graph": self.graph,
            "execution_graph": {"id": str(uuid.uuid4()), "nodes": {}, "edges": []},
            "executed": executed + list(self.prepared),
            "executed_history": list(self.prepared),
            "results": self.results,
            "errors": {executed[-1]: str(self.error)} if self.error and executed else {},
            "workflow_call_stack": [],
            "workflow_call_history": [],
            "prepared_source_mapping": {ran: node for node, ran in self.prepared.items()},
            "source_prepared_mapping": {node: [ran] for node, ran in self.prepared.items()},
        }
        return {
            "item_id": self.id,
            "status": self.status,
            "priority": 0,
            "batch_id": self.batch_id,
            "origin": self.origin,
            "destination": self.destination,
            "session_id": self.session_id,
            "error_type": self.error.kind if self.error else None,
            "error_message": str(self.error) if self.error else None,
            "error_traceback": f"Traceback (simulated)\n{self.error}" if self.error else None,
            "created_at": self.created,
            "updated_at": self.ended or self.created,
            "started_at": self.created if self.status != "pending" else None,
            "completed_at": self.ended,
            "queue_id": "default",
            "field_values": self.field_values,
            "retried_from_item_id": None,
            "session": session,
            "workflow": None,
        }


class Queue:
    """The items, and the processor that runs them one by one. `keys` are model keys by model name."""

    def __init__(
        self,
        simulation: Simulation,
        images: Images,
        videos: Videos,
        events: Events,
        keys: Mapping[str, str],
    ) -> None:
        self.sim, self.images, self.videos, self.events, self.keys = simulation, images, videos, events, keys
        self.items: dict[int, Item] = {}
        self.processing = False
        self.readable = True  # see `Session`
        self._last = 0
        self._wake = asyncio.Event()

    def add(self, batch: Mapping[str, Any], session: Session) -> Item:
        """Add one run of a batch to the queue."""
        self._last += 1
        self.readable = self.readable and session.readable
        item = Item(
            self._last,
            batch["batch_id"],
            batch.get("origin"),
            batch.get("destination"),
            session.graph,
            session.values,
        )
        self.items[item.id] = item
        self._wake.set()
        return item

    def cancel(self, item: Item) -> None:
        """Cancel an item: its state changes at once, its current step ends a little later."""
        if item.status in ("pending", "in_progress"):
            item.status, item.ended = "canceled", now()
            if item.job is not None:
                item.job.interrupted.set()

    def counts(self, items: list[Item]) -> dict[str, int]:
        """How many items there are in each state, and in total."""
        counts = {state: sum(item.status == state for item in items) for state in STATES}
        return {**counts, "total": len(items)}

    async def work(self) -> None:
        """Run the items of the queue until the task is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.readable and (pending := self._pending()):
                self.processing = True
                await self._process(pending[0])
                self.processing = False

    def _pending(self) -> list[Item]:
        return [item for item in self.items.values() if item.status == "pending"]

    async def _process(self, item: Item) -> None:
        item.status = "in_progress"
        await self.events.send("queue_item_status_changed", item.event())
        graph = Graph(item.graph)
        try:
            await self._run(item, graph)
            status = "completed"
        except (OutOfMemoryError, NodeFailedError, ItemFailedError, *INPUT_ERRORS) as error:
            kind = "RuntimeError" if isinstance(error, NodeFailedError) else type(error).__name__
            item.error = error if isinstance(error, ItemFailedError) else ItemFailedError(kind, str(error))
            status = "failed"
        # A canceled item stays canceled, however its last step ended.
        if item.status == "in_progress":
            item.status, item.ended = status, now()
        await self.events.send("queue_item_status_changed", item.event())
        if self.sim.faults.take("forget", item.destination or ""):
            self.items.clear()

    async def _run(self, item: Item, graph: Graph) -> None:
        order = graph.order()
        for node_id in order:
            graph.check(node_id, set(self.keys.values()))
        decoders = [node_id for node_id in order if graph.nodes[node_id]["type"] == "l2i"]
        prompt = " ".join(graph.drawing(node_id).prompt for node_id in decoders)
        name = item.destination or item.batch_id
        item.job = Job(
            name, next(iter(graph.models()), None), max(graph.steps, 1), max(len(decoders), 1), prompt
        )
        progress = asyncio.ensure_future(self._send_progress(item, graph))
        try:
            done = await self.sim.gpu.run(item.job)
        finally:
            progress.cancel()
        if not done:
            return
        if self.sim.faults.take("no-output", name):
            return
        images: dict[str, str] = {}
        for node_id in order:
            item.prepared[node_id] = str(uuid.uuid4())
            item.results[item.prepared[node_id]] = await self._result(item, graph, node_id, images)

    async def _send_progress(self, item: Item, graph: Graph) -> None:
        """Send progress events, as if the first sampler took all the time."""
        sampler = next(
            (name for name, node in graph.nodes.items() if node["type"] == "denoise_latents"), None
        )
        while sampler is not None and item.job is not None:
            await asyncio.sleep(PROGRESS_SECONDS)
            done = {"message": "Denoising", "percentage": item.job.progress, "image": None}
            data = {**item.event(), "invocation_source_id": sampler, **done}
            await self.events.send("invocation_progress", data)

    async def _result(self, item: Item, graph: Graph, node_id: str, images: dict[str, str]) -> dict[str, Any]:
        """The output of one node. `images` are the names of pictures by node, to which this one is added."""
        node = graph.nodes[node_id]
        output = known()[node["type"]].output
        if output in ("image_collection_output", "collect_output"):
            collected = [*names_of(node, "image"), *self._made(graph, node_id, images)]
            names = [{"image_name": name} for name in collected]
            return {"output_meta": None, "collection": names, "type": output}
        if output == "video_output":
            return self._video(node)
        if output != "image_output":
            return {"output_meta": None, "type": output}
        data = await asyncio.to_thread(self._picture, graph, node_id, images)
        if self.sim.faults.take("broken-output", item.destination or ""):
            data = b"broken"
        metadata = node.get("metadata")
        stored = self.images.add(data, intermediate=bool(node.get("is_intermediate")), metadata=metadata)
        images[node_id] = stored.name
        return {
            "output_meta": None,
            "image": {"image_name": stored.name},
            "width": stored.width,
            "height": stored.height,
            "type": "image_output",
        }

    @staticmethod
    def _made(graph: Graph, node_id: str, images: Mapping[str, str]) -> list[str]:
        """The pictures of the nodes before this one."""
        return [images[source] for source in graph.sources(node_id) if source in images]

    def _video(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """The output of a node that makes a video: the one that it was given, or a new one."""
        given = names_of(node, "video")
        for name in given:
            if name not in self.videos:
                raise ItemFailedError("VideoRecordNotFoundException", "Video record not found")
        name = given[0] if len(given) == 1 else self.videos.add().name
        size = {"width": 64, "height": 64, "num_frames": 16, "fps": 16.0, "duration": 1.0}
        return {"output_meta": None, "video": {"video_name": name}, **size, "type": "video_output"}

    def _picture(self, graph: Graph, node_id: str, images: Mapping[str, str]) -> bytes:
        node = graph.nodes[node_id]
        if node["type"] == "l2i":
            return self._decoded(graph, node_id, images)
        if node["type"] == "blank_image":
            color = node.get("color") or {"r": 0, "g": 0, "b": 0}
            size = (int(node.get("width", 512)), int(node.get("height", 512)))
            return encoded(Image.new("RGB", size, (color["r"], color["g"], color["b"])))
        source = self._input(graph, node_id, images)
        width, height = self.images.size(source)
        if node["type"] == "img_resize":
            return scaled(source, int(node.get("width", 512)), int(node.get("height", 512)))
        if node["type"] == "img_scale":
            factor = float(node.get("scale_factor", 2.0))
            return scaled(source, max(1, int(width * factor)), max(1, int(height * factor)))
        return source

    def _decoded(self, graph: Graph, node_id: str, images: Mapping[str, str]) -> bytes:
        drawing = graph.drawing(node_id)
        encoder = graph.source(node_id, "latents") or ""
        return self.sim.artist.draw(
            Request(
                drawing.prompt,
                drawing.seed,
                drawing.width,
                drawing.height,
                source=self._input(graph, encoder, images) if drawing.source else None,
                strength=drawing.strength,
            )
        )

    def _input(self, graph: Graph, node_id: str, images: Mapping[str, str]) -> bytes:
        """The input picture of a node: from another node, from a field, or through an encoder."""
        source = graph.source(node_id, "image")
        if source is not None and source in images:
            return self.images.data(images[source])
        encoder = graph.source(node_id, "latents")
        if encoder is not None:
            return self._input(graph, encoder, images)
        names = names_of(graph.nodes[node_id], "image") or self._made(graph, node_id, images)
        if not all(name in self.images for name in names):
            raise ItemFailedError("ImageRecordNotFoundException", "Image record not found")
        return self.images.data(names[0]) if names else encoded(Image.new("RGB", (512, 512)))
