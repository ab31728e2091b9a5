"""InvokeAI 6: https://github.com/invoke-ai/InvokeAI, checked against the OpenAPI document of 6.14.2.

A graph is queued in SQLite and run later; success or failure stands in the queue item. Every unknown path is
answered 200 with a web page, so an answer counts only when it is JSON of the expected shape. The task's id is
the item's `destination`, by which an agent that was restarted finds the work it had queued; `batch_id` is one
attempt at it, for InvokeAI takes the same one twice and then mixes their items.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import FormData

from queue_agent.adapters.invokeai import graph as graphs
from queue_agent.adapters.invokeai import socketio
from queue_agent.adapters.shared import inline, sniff
from queue_agent.adapters.shared.beside import beside, heard
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import (
    InputImage,
    Output,
    Path,
    Prepared,
    Progress,
    Ran,
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
UNDER_WAY = ("pending", "in_progress", "waiting")


class InvokeAi:
    """One InvokeAI in single-user mode."""

    def __init__(self, http: Http) -> None:
        self._http = http
        # The pictures sent ahead for each task, until they are deleted.
        self._uploads: dict[str, list[str]] = {}

    def model(self, task: Task) -> str | None:
        """The first model that the graph names."""
        return graphs.model(graphs.graph_of(task.content))

    def image_fields(self, task: Task) -> Sequence[Path]:
        """`image_name` of every field that takes an image: it may be a URL or a data URI."""
        return graphs.image_fields(task.content)

    async def ready(self) -> bool:
        """The queue answers, so database and processor are up."""
        answer = await self._http.probe(f"{QUEUE}/status")
        return answer is not None and answer.ok and answer.content_type == JSON

    async def warm_up(self) -> None:
        """Nothing to prove: the graph chooses the model."""

    async def prepare(self, task: Task, images: Mapping[Path, InputImage]) -> Prepared:
        """Check the graph's shape, send its images ahead, put the keys of models in place of their names."""
        if task.tasktype not in ACCEPTED_TASK_TYPES:
            raise TaskError(
                "unknown_tasktype", f"{task.tasktype!r} is not one of {', '.join(ACCEPTED_TASK_TYPES)}"
            )
        graph = graphs.checked(task)
        for path in graphs.image_fields(task.content):
            node, field = str(path[-3]), str(path[-2])
            name = graph["nodes"][node][field]["image_name"]
            image = images.get(path) or inline.input_image(name, f"the image of node {node}")
            if image is not None:
                graph["nodes"][node][field]["image_name"] = await self._upload(task.id, image)
        for node, field, model in list(graphs.models(graph)):
            graph["nodes"][node][field] = await self._resolved(model)
        names = {"batch_id": f"{task.id}.{task.attempt}", "origin": ORIGIN, "destination": task.id}
        body = {"batch": {"graph": graph, "runs": 1, **names}, "prepend": False}
        return Prepared(task, body)

    async def _upload(self, name: str, image: InputImage) -> str:
        form = FormData()
        form.add_field(
            "file", image.data, filename=f"{name}.{image.extension}", content_type=image.content_type
        )
        params = {"image_category": "user", "is_intermediate": "true"}
        answer = await self._http.call("POST", f"{IMAGES}/upload", form=form, params=params)
        if answer.status == 415:
            raise TaskError("bad_image", answer.reason())
        if not answer.ok:
            raise RuntimeUnavailable("upload_failed", answer.reason())
        made = str(answer.json()["image_name"])
        self._uploads.setdefault(name, []).append(made)
        return made

    async def _resolved(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """A model by its name: keys are made anew at each start of a runtime, so a given one says little."""
        asked = {
            "model_name": wanted["name"],
            "model_type": wanted.get("type"),
            "base_models": wanted.get("base"),
        }
        params = {key: str(value) for key, value in asked.items() if value}
        answer = await self._http.call("GET", "/api/v2/models/", params=params)
        if answer.status == 422:
            raise TaskError("model_unknown", graphs.refusal(answer.json()))
        found = answer.json().get("models") or []
        if not found:
            raise TaskError("model_unknown", f"no model fits {', '.join(params.values())}")
        if len(found) > 1 and wanted.get("key") not in (each["key"] for each in found):
            fits = ", ".join(f"{each['base']} {each['type']}" for each in found)
            raise TaskError("model_ambiguous", f"{wanted['name']} is {fits}: give base and type")
        chosen = next((each for each in found if each["key"] == wanted.get("key")), found[0])
        return {**wanted, **{field: chosen[field] for field in graphs.MODEL_FIELDS}}

    async def run(self, prepared: Prepared, on_progress: Progress) -> Ran:
        """Queue it unless an item of this task is there, then follow its batch to the end."""
        body = prepared.payload
        items = await self._items()
        for left in items:
            if left.get("status") in ("failed", "canceled"):
                await self._clean(left)
        item = _usable(items, prepared.task) or await self._enqueue(body)
        samplers, hint = graphs.samplers(body["batch"]["graph"]), asyncio.Event()
        async with beside(self._listen(int(item["item_id"]), samplers, on_progress, hint)):
            await self._end(str(item["batch_id"]), hint)
        done = await self._get(f"{QUEUE}/i/{item['item_id']}")
        if done.get("status") == "failed":
            await self._clean(done)
        if done.get("status") != "completed":
            # A canceled item's last step is still at work, and makes its picture: the next run deletes it.
            raise graphs.failure(done)
        on_progress(1.0)
        return Ran(prepared.task, done)

    async def _end(self, batch_id: str, hint: asyncio.Event) -> None:
        """Wait until nothing of the batch is under way."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            counts = await self._get(f"{QUEUE}/b/{batch_id}/status")
            if not counts.get("total"):
                raise RuntimeUnavailable("lost", "the runtime has lost the task: it was restarted")
            if not any(counts.get(state) for state in UNDER_WAY):
                return
            await heard(hint, clock() - began)

    async def _listen(
        self, item_id: int, samplers: Sequence[str], on_progress: Progress, hint: asyncio.Event
    ) -> None:
        """The share of all sampling that is done; then the hint that it is over, well or not."""
        done = dict.fromkeys(samplers, 0.0)
        async with self._http.socket("/ws/socket.io/", socketio.QUERY) as socket:
            async for name, said in socketio.events(socket, "subscribe_queue", {"queue_id": "default"}):
                if said.get("item_id") != item_id:
                    continue
                node, share = said.get("invocation_source_id"), said.get("percentage")
                if name == "queue_item_status_changed" and said.get("status") not in UNDER_WAY:
                    hint.set()
                elif name == "invocation_progress" and node in done and share is not None:
                    done[node] = max(done[node], float(share))
                    on_progress(sum(done.values()) / len(done))

    async def _items(self) -> list[Mapping[str, Any]]:
        """What the agent has in the queue: few, for each is deleted when its pictures are fetched."""
        answer = await self._http.call("GET", f"{QUEUE}/list_all")
        if not answer.ok or answer.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"{answer.status} for the queue")
        return [item for item in answer.json() if item.get("origin") == ORIGIN]

    async def _enqueue(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self._http.call("POST", f"{QUEUE}/enqueue_batch", payload=body)
        if answer.status in {400, 413, 422}:
            raise TaskError("bad_graph", graphs.refusal(answer.json()))
        if not answer.ok or answer.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"{answer.status}: {answer.reason()}")
        said = answer.json()
        if not said.get("enqueued"):
            text = "InvokeAI answered 200 and queued nothing: its queue is full"
            raise RuntimeUnavailable("queue_full", text)
        if not said.get("item_ids"):
            raise RuntimeUnavailable("runtime_too_old", "the agent needs InvokeAI 6.0 or later")
        return {"item_id": max(said["item_ids"]), "batch_id": said["batch"]["batch_id"]}

    async def _get(self, path: str) -> Mapping[str, Any]:
        answer = await self._http.call("GET", path)
        if not answer.ok or answer.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"{answer.status} for {path}")
        said = answer.json()
        return said if isinstance(said, Mapping) else {}

    async def collect(self, ran: Ran) -> RunResult:
        """Fetch the pictures of the nodes that are no intermediates; then leave nothing behind."""
        item = ran.payload
        session: Mapping[str, Any] = item["session"]
        try:
            outputs = [await self._fetch(node, name) for node, name in graphs.kept_images(session)]
        except sniff.BrokenOutput:
            await self._clean(item)  # or the next attempt would find the same
            raise
        await self._clean(item)
        if not outputs:
            text = "the graph ended well and made no picture that is not intermediate"
            raise TaskError("no_output", text)
        graph = session["graph"]
        return RunResult(outputs, graphs.seed(graph), graphs.model(graph), {"graph": graph})

    async def _clean(self, item: Mapping[str, Any]) -> None:
        """Delete the images of a task, intermediate ones and inputs too, and its item."""
        uploads = self._uploads.pop(str(item.get("destination")), [])
        names = [*graphs.left_images(item.get("session") or {}), *uploads]
        if names:
            await self._http.call("POST", f"{IMAGES}/delete", payload={"image_names": names})
        await self._http.call("DELETE", f"{QUEUE}/i/{item['item_id']}")

    async def _fetch(self, node: str, name: str) -> Output:
        answer = await self._http.call("GET", f"{IMAGES}/i/{name}/full")
        if not answer.ok:
            raise sniff.BrokenOutput(f"{answer.status} for the picture {name}")
        metadata = await self._http.call("GET", f"{IMAGES}/i/{name}/metadata")
        said = metadata.json() if metadata.ok and metadata.content_type == JSON else None
        return sniff.image(answer.body, {"node": node, **({"metadata": said} if said else {})}, name)

    async def cancel(self, task: Task) -> None:
        """Every item of the task that waits or runs; a step that runs ends within a second."""
        for item in await self._items():
            if item.get("destination") == task.id and item.get("status") in UNDER_WAY:
                await self._http.call("PUT", f"{QUEUE}/i/{item['item_id']}/cancel")

    async def clear(self) -> None:
        """Nothing: `run` joins what it finds."""

    async def idle(self) -> bool:
        """Whether the processor rests and nothing waits."""
        said = await self._get(f"{QUEUE}/status")
        queue, processor = said.get("queue") or {}, said.get("processor") or {}
        return not processor.get("is_processing") and not any(queue.get(state) for state in UNDER_WAY)


def _usable(items: Sequence[Mapping[str, Any]], task: Task) -> Mapping[str, Any] | None:
    """The item that an earlier attempt at the task left: under way or completed."""
    found = [item for item in items if item.get("destination") == task.id]
    usable = [item for item in found if item.get("status") in (*UNDER_WAY, "completed")]
    return max(usable, key=lambda item: int(item["item_id"]), default=None)
