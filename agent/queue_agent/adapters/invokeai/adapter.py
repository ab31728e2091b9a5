"""InvokeAI 6: https://github.com/invoke-ai/InvokeAI, checked against the OpenAPI document of 6.14.2.

A graph is queued in SQLite and run later; its success or failure is in the queue item. Every unknown path
returns 200 with a web page, so a response counts only when it is JSON of the expected shape. The task's id is
the item's `destination`, by which an agent that was restarted finds the work that it had queued. Each attempt
has a `batch_id` of its own: InvokeAI would accept the same one twice and mix their items.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import FormData

from queue_agent.adapters.invokeai import graph as graphs
from queue_agent.adapters.invokeai import socketio
from queue_agent.adapters.shared import data_uris
from queue_agent.adapters.shared.http import Http
from queue_agent.adapters.shared.listener import listening, wait_for_event
from queue_agent.adapters.shared.outputs import BrokenOutput, image_output
from queue_agent.contract import (
    FieldPath,
    FinishedRun,
    InputImage,
    Output,
    Prepared,
    ProgressCallback,
    RunResult,
    RuntimeUnavailable,
    Task,
    TaskError,
)
from queue_agent.task.protocol import TASK_TYPES

ACCEPTED_TASK_TYPES = TASK_TYPES["invokeai"]
QUEUE = "/api/v1/queue/default"
IMAGES = "/api/v1/images"
JSON = "application/json"
ORIGIN = "queue-agent"
UNFINISHED = ("pending", "in_progress", "waiting")


class InvokeAi:
    """One InvokeAI in single-user mode."""

    def __init__(self, http: Http) -> None:
        self._http = http
        # The images uploaded for each task, until they are deleted.
        self._uploads: dict[str, list[str]] = {}

    def model(self, task: Task) -> str | None:
        """The first model that the graph names."""
        return graphs.model(graphs.graph_of(task.content))

    def image_fields(self, task: Task) -> Sequence[FieldPath]:
        """`image_name` of every field that takes an image; a URL or a data URI is accepted there."""
        return graphs.image_fields(task.content)

    def media_fields(self, _task: Task) -> Sequence[FieldPath]:
        """None: InvokeAI has no inputs of this kind."""
        return ()

    async def ready(self) -> bool:
        """Whether the queue responds, which means that database and processor are up."""
        response = await self._http.probe(f"{QUEUE}/status")
        return response is not None and response.ok and response.content_type == JSON

    async def warm_up(self) -> None:
        """Nothing to check: the graph chooses the model."""

    async def prepare(self, task: Task, images: Mapping[FieldPath, InputImage]) -> Prepared:
        """Validate the graph, upload its images, replace the names of models by their keys."""
        if task.tasktype not in ACCEPTED_TASK_TYPES:
            raise TaskError(
                "unknown_tasktype", f"{task.tasktype!r} is not one of {', '.join(ACCEPTED_TASK_TYPES)}"
            )
        graph = graphs.checked(task)
        for path in graphs.image_fields(task.content):
            node, field = str(path[-3]), str(path[-2])
            name = graph["nodes"][node][field]["image_name"]
            image = images.get(path) or await data_uris.input_file(name, f"the image of node {node}")
            if image is not None:
                graph["nodes"][node][field]["image_name"] = await self._upload(task.id, image)
        for node, field, model in list(graphs.models(graph)):
            graph["nodes"][node][field] = await self._resolved(model)
        names = {"batch_id": f"{task.id}.{task.attempt}", "origin": ORIGIN, "destination": task.id}
        body = {"batch": {"graph": graph, "runs": 1, **names}, "prepend": False}
        return Prepared(task, body)

    async def _upload(self, task_id: str, image: InputImage) -> str:
        form = FormData()
        form.add_field(
            "file", image.data, filename=f"{task_id}.{image.extension}", content_type=image.content_type
        )
        params = {"image_category": "user", "is_intermediate": "true"}
        response = await self._http.call("POST", f"{IMAGES}/upload", form=form, params=params)
        if response.status == 415:
            raise TaskError("bad_image", response.reason())
        if not response.ok:
            raise RuntimeUnavailable("upload_failed", response.reason())
        image_name = str(response.json()["image_name"])
        self._uploads.setdefault(task_id, []).append(image_name)
        return image_name

    async def _resolved(self, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """The model with its current key: InvokeAI assigns new keys at each start. Raises `TaskError`."""
        query = {
            "model_name": model["name"],
            "model_type": model.get("type"),
            "base_models": model.get("base"),
        }
        params = {key: str(value) for key, value in query.items() if value}
        response = await self._http.call("GET", "/api/v2/models/", params=params)
        if response.status == 422:
            raise TaskError("model_unknown", graphs.rejection(response.json()))
        matches = response.json().get("models") or []
        if not matches:
            raise TaskError("model_unknown", f"no model matches {', '.join(params.values())}")
        if len(matches) > 1 and model.get("key") not in (match["key"] for match in matches):
            kinds = ", ".join(f"{match['base']} {match['type']}" for match in matches)
            raise TaskError("model_ambiguous", f"{model['name']} matches {kinds}: set base and type")
        chosen = next((match for match in matches if match["key"] == model.get("key")), matches[0])
        return {**model, **{field: chosen[field] for field in graphs.MODEL_FIELDS}}

    async def run(self, prepared: Prepared, on_progress: ProgressCallback) -> FinishedRun:
        """Queue the graph unless an item of this task is there, then wait for the end of its batch."""
        body = prepared.payload
        items = await self._items()
        for ended in items:
            if ended.get("status") in ("failed", "canceled"):
                await self._clean(ended)
        item = _usable(items, prepared.task) or await self._enqueue(body)
        samplers, done_event = graphs.samplers(body["batch"]["graph"]), asyncio.Event()
        async with listening(self._listen(int(item["item_id"]), samplers, on_progress, done_event)):
            await self._wait_for_end(str(item["batch_id"]), done_event)
        done = await self._get(f"{QUEUE}/i/{item['item_id']}")
        if done.get("status") == "failed":
            await self._clean(done)
        if done.get("status") != "completed":
            # The last step of a canceled item still runs and makes an image: the next run deletes it.
            raise graphs.failure(done)
        on_progress(1.0)
        return FinishedRun(prepared.task, done)

    async def _wait_for_end(self, batch_id: str, done_event: asyncio.Event) -> None:
        """Wait until every item of the batch has ended. Raises `RuntimeUnavailable` when it is lost."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            counts = await self._get(f"{QUEUE}/b/{batch_id}/status")
            if not counts.get("total"):
                raise RuntimeUnavailable("lost", "the runtime has lost the task: it was restarted")
            if not any(counts.get(state) for state in UNFINISHED):
                return
            await wait_for_event(done_event, clock() - began)

    async def _listen(
        self, item_id: int, samplers: Sequence[str], on_progress: ProgressCallback, done_event: asyncio.Event
    ) -> None:
        """Report the share of all sampling that is done; set `done_event` at the end of the item."""
        done = dict.fromkeys(samplers, 0.0)
        async with self._http.socket("/ws/socket.io/", socketio.QUERY) as socket:
            async for name, event in socketio.events(socket, "subscribe_queue", {"queue_id": "default"}):
                if event.get("item_id") != item_id:
                    continue
                node, share = event.get("invocation_source_id"), event.get("percentage")
                if name == "queue_item_status_changed" and event.get("status") not in UNFINISHED:
                    done_event.set()
                elif name == "invocation_progress" and node in done and share is not None:
                    done[node] = max(done[node], float(share))
                    on_progress(sum(done.values()) / len(done))

    async def _items(self) -> list[Mapping[str, Any]]:
        """The agent's items in the queue: few, because each is deleted when its images are fetched."""
        response = await self._http.call("GET", f"{QUEUE}/list_all")
        if not response.ok or response.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"HTTP {response.status} for the queue")
        return [item for item in response.json() if item.get("origin") == ORIGIN]

    async def _enqueue(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        response = await self._http.call("POST", f"{QUEUE}/enqueue_batch", payload=body)
        if response.status in {400, 413, 422}:
            raise TaskError("bad_graph", graphs.rejection(response.json()))
        if not response.ok or response.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"{response.status}: {response.reason()}")
        receipt = response.json()
        if not receipt.get("enqueued"):
            text = "InvokeAI returned 200 and queued nothing: its queue is full"
            raise RuntimeUnavailable("queue_full", text)
        if not receipt.get("item_ids"):
            raise RuntimeUnavailable("runtime_too_old", "the agent needs InvokeAI 6.0 or later")
        return {"item_id": max(receipt["item_ids"]), "batch_id": receipt["batch"]["batch_id"]}

    async def _get(self, path: str) -> Mapping[str, Any]:
        response = await self._http.call("GET", path)
        if not response.ok or response.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"HTTP {response.status} for {path}")
        document = response.json()
        return document if isinstance(document, Mapping) else {}

    async def collect(self, run: FinishedRun) -> RunResult:
        """Fetch the images of the nodes that are not intermediate; then delete everything of the task."""
        item = run.payload
        session: Mapping[str, Any] = item["session"]
        try:
            outputs = [await self._fetch(node, name) for node, name in graphs.output_images(session)]
        except BrokenOutput:
            await self._clean(item)  # otherwise the next attempt would find the same images
            raise
        await self._clean(item)
        if not outputs:
            text = "the graph made no image but intermediate ones"
            raise TaskError("no_output", text)
        graph = session["graph"]
        return RunResult(outputs, graphs.seed(graph), graphs.model(graph), {"graph": graph})

    async def _clean(self, item: Mapping[str, Any]) -> None:
        """Delete the images of a task, also intermediate ones and inputs, and its item."""
        uploads = self._uploads.pop(str(item.get("destination")), [])
        names = [*graphs.all_images(item.get("session") or {}), *uploads]
        if names:
            await self._http.call("POST", f"{IMAGES}/delete", payload={"image_names": names})
        await self._http.call("DELETE", f"{QUEUE}/i/{item['item_id']}")

    async def _fetch(self, node: str, name: str) -> Output:
        response = await self._http.call("GET", f"{IMAGES}/i/{name}/full")
        if not response.ok:
            raise BrokenOutput(f"HTTP {response.status} for the image {name}")
        details = await self._http.call("GET", f"{IMAGES}/i/{name}/metadata")
        metadata = details.json() if details.ok and details.content_type == JSON else None
        return image_output(
            response.body, {"node": node, **({"metadata": metadata} if metadata else {})}, name
        )

    async def cancel(self, task: Task) -> None:
        """Cancel every unfinished item of the task; a running step ends within a second."""
        for item in await self._items():
            if item.get("destination") == task.id and item.get("status") in UNFINISHED:
                await self._http.call("PUT", f"{QUEUE}/i/{item['item_id']}/cancel")

    async def clear(self) -> None:
        """Nothing to stop: `run` continues with an item that it finds."""

    async def idle(self) -> bool:
        """Whether the processor is idle and nothing is queued."""
        status = await self._get(f"{QUEUE}/status")
        queue, processor = status.get("queue") or {}, status.get("processor") or {}
        return not processor.get("is_processing") and not any(queue.get(state) for state in UNFINISHED)


def _usable(items: Sequence[Mapping[str, Any]], task: Task) -> Mapping[str, Any] | None:
    """The item of an earlier attempt at the task that is unfinished or completed."""
    own = [item for item in items if item.get("destination") == task.id]
    usable = [item for item in own if item.get("status") in (*UNFINISHED, "completed")]
    return max(usable, key=lambda item: int(item["item_id"]), default=None)
