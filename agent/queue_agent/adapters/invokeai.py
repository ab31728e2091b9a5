"""InvokeAI 6: https://github.com/invoke-ai/InvokeAI, checked against the OpenAPI document of 6.14.2.

A graph is queued in SQLite and run later; success or failure stands in the queue item. Every unknown path is
answered 200 with a web page, so an answer counts only when it is JSON of the expected shape. The task's id is
the item's `destination`, by which an agent that was restarted finds the work it had queued; `batch_id` is one
attempt at it, for InvokeAI takes the same one twice and then mixes their items.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiohttp import FormData

from queue_agent.adapters import inline, sniff, socketio
from queue_agent.adapters import invokeai_graph as graphs
from queue_agent.adapters.beside import beside, heard
from queue_agent.adapters.http import Http
from queue_agent.runtime import (
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

TASKTYPES = ("graph", "pipeline")
QUEUE = "/api/v1/queue/default"
IMAGES = "/api/v1/images"
JSON = "application/json"
UNDER_WAY = ("pending", "in_progress", "waiting")
SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 0.5
POLL_SHARE = 0.05


class InvokeAi:
    """One InvokeAI in single-user mode."""

    def __init__(self, http: Http) -> None:
        self._http = http

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
        if task.tasktype not in TASKTYPES:
            raise TaskError("unknown_tasktype", f"{task.tasktype!r} is none of {', '.join(TASKTYPES)}")
        graph = graphs.checked(task)
        uploaded: list[str] = []
        for path in graphs.image_fields(task.content):
            node, field = str(path[-3]), str(path[-2])
            name = graph["nodes"][node][field]["image_name"]
            image = images.get(path) or inline.input_image(name, f"the image of node {node}")
            if image is not None:
                uploaded.append(await self._upload(task.id, image))
                graph["nodes"][node][field]["image_name"] = uploaded[-1]
        for node, field, model in list(graphs.models(graph)):
            graph["nodes"][node][field] = await self._resolved(model)
        names = {"batch_id": f"{task.id}.{task.attempt}", "origin": "queue-agent", "destination": task.id}
        body = {"batch": {"graph": graph, "runs": 1, **names}, "prepend": False}
        return Prepared(task, (body, uploaded))

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
        return str(answer.json()["image_name"])

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
        body, uploaded = prepared.payload
        item = await self._earlier(prepared.task) or await self._enqueue(body)
        samplers, hint = graphs.samplers(body["batch"]["graph"]), asyncio.Event()
        async with beside(self._listen(int(item["item_id"]), samplers, on_progress, hint)):
            await self._end(str(item["batch_id"]), hint)
        done = await self._get(f"{QUEUE}/i/{item['item_id']}")
        if done.get("status") != "completed":
            await self._clean(done, uploaded)
            raise graphs.failure(done)
        on_progress(1.0)
        return Ran(prepared.task, (done, uploaded))

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
            waited = clock() - began
            await heard(hint, min(max(SHORTEST_POLL_SECONDS, waited * POLL_SHARE), LONGEST_POLL_SECONDS))

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

    async def _earlier(self, task: Task) -> Mapping[str, Any] | None:
        """The item that an earlier attempt left: under way or completed."""
        items = await self._items(task)
        usable = [item for item in items if item.get("status") in (*UNDER_WAY, "completed")]
        return max(usable, key=lambda item: int(item["item_id"]), default=None)

    async def _items(self, task: Task) -> list[Mapping[str, Any]]:
        answer = await self._http.call("GET", f"{QUEUE}/list_all", params={"destination": task.id})
        said = answer.json() if answer.ok and answer.content_type == JSON else []
        return [item for item in said if item.get("destination") == task.id]

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
        return {"item_id": max(said["item_ids"]), "batch_id": said["batch"]["batch_id"]}

    async def _get(self, path: str) -> Mapping[str, Any]:
        answer = await self._http.call("GET", path)
        if not answer.ok or answer.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"{answer.status} for {path}")
        said = answer.json()
        return said if isinstance(said, Mapping) else {}

    async def collect(self, ran: Ran) -> RunResult:
        """Fetch the pictures of the nodes that are no intermediates; then leave nothing behind."""
        item, uploaded = ran.payload
        session: Mapping[str, Any] = item["session"]
        outputs = [await self._fetch(node, name) for node, name in graphs.kept_images(session)]
        await self._clean(item, uploaded)
        if not outputs:
            text = "the graph ended well and made no picture that is not intermediate"
            raise TaskError("no_output", text)
        graph = session["graph"]
        return RunResult(outputs, graphs.seed(graph), graphs.model(graph), {"graph": graph})

    async def _clean(self, item: Mapping[str, Any], uploaded: Iterable[str]) -> None:
        """Delete the images of a task, intermediate ones and inputs too, and its item."""
        names = [*graphs.left_images(item.get("session") or {}), *uploaded]
        if names:
            await self._http.call("POST", f"{IMAGES}/delete", payload={"image_names": names})
        await self._http.call("DELETE", f"{QUEUE}/i/{item['item_id']}")

    async def _fetch(self, node: str, name: str) -> Output:
        answer = await self._http.call("GET", f"{IMAGES}/i/{name}/full")
        if not answer.ok:
            raise RuntimeUnavailable("broken_output", f"{answer.status} for the picture {name}")
        metadata = await self._http.call("GET", f"{IMAGES}/i/{name}/metadata")
        said = metadata.json() if metadata.ok and metadata.content_type == JSON else None
        return sniff.image(answer.body, {"node": node, **({"metadata": said} if said else {})}, name)

    async def cancel(self, task: Task) -> None:
        """Every item of the task that waits or runs; a step that runs ends within a second."""
        for item in await self._items(task):
            if item.get("status") in UNDER_WAY:
                await self._http.call("PUT", f"{QUEUE}/i/{item['item_id']}/cancel")

    async def idle(self) -> bool:
        """Whether the processor rests and nothing waits."""
        said = await self._get(f"{QUEUE}/status")
        queue, processor = said.get("queue") or {}, said.get("processor") or {}
        return not processor.get("is_processing") and not any(queue.get(state) for state in UNDER_WAY)

    async def aclose(self) -> None:
        """Nothing is held."""
