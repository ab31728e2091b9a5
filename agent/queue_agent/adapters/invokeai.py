"""InvokeAI 6: https://github.com/invoke-ai/InvokeAI, checked against the OpenAPI document of 6.14.2.

A graph is queued in SQLite and run later; success or failure stands in the queue item. Every unknown path is
answered 200 with a web page, so an answer counts only when it is JSON of the expected shape. The task's id is
the item's `destination`, by which an agent that was restarted finds the work it had queued.
"""

import asyncio
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aiohttp import FormData

from queue_agent.adapters import sniff
from queue_agent.adapters.http import Http, out_of_memory
from queue_agent.runtime import (
    Cancelled,
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
UNDER_WAY = ("pending", "in_progress", "waiting")
SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 0.5
POLL_SHARE = 0.05
# What comes again with the same graph; anything else may be the machine's fault.
TASK_ERRORS = (
    "MissingInputException",
    "ImageRecordNotFoundException",
    "ValidationError",
    "ValueError",
    "TypeError",
)


class InvokeAi:
    """One InvokeAI in single-user mode."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def model(self, task: Task) -> str | None:
        """The first model that the graph names."""
        return next((str(model["name"]) for _, _, model in _models(_graph(task.content))), None)

    def image_fields(self, task: Task) -> Sequence[Path]:
        """`image.image_name` of every node that takes an image."""
        head: Path = ("graph",) if isinstance(task.content.get("graph"), Mapping) else ()
        return [
            (*head, "nodes", node_id, name, "image_name")
            for node_id, node in _nodes(_graph(task.content)).items()
            for name, value in node.items()
            if isinstance(value, Mapping) and isinstance(value.get("image_name"), str)
        ]

    async def ready(self) -> bool:
        """The queue answers, so database and processor are up."""
        answer = await self._http.probe(f"{QUEUE}/status")
        return answer is not None and answer.ok and answer.content_type == "application/json"

    async def warm_up(self) -> None:
        """Nothing to prove: the graph chooses the model."""

    async def prepare(self, task: Task, images: Mapping[Path, InputImage]) -> Prepared:
        """Check the graph's shape, send its images ahead, put the keys of models in place of their names."""
        if task.tasktype not in TASKTYPES:
            raise TaskError("unknown_tasktype", f"{task.tasktype!r} is none of {', '.join(TASKTYPES)}")
        graph: dict[str, Any] = copy.deepcopy(dict(_graph(task.content)))
        if not _nodes(graph) or not all(
            isinstance(n, Mapping) and n.get("type") for n in graph["nodes"].values()
        ):
            raise TaskError("bad_graph", "content is no graph: {nodes: {id: {type, id, …}}, edges: […]}")
        for path, image in images.items():
            graph["nodes"][path[-3]][path[-2]] = {"image_name": await self._upload(task.id, image)}
        for node_id, name, model in list(_models(graph)):
            if "key" not in model:
                graph["nodes"][node_id][name] = await self._resolved(model)
        for node in graph["nodes"].values():
            # A cached node would point to the picture of an earlier task, which is deleted by then.
            if node.get("is_intermediate") is False:
                node["use_cache"] = False
        graph.setdefault("edges", [])
        names = {"batch_id": f"{task.id}.{task.attempt}", "origin": "queue-agent", "destination": task.id}
        return Prepared(task, {"batch": {"graph": graph, "runs": 1, **names}, "prepend": False})

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

    async def _resolved(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """A model by its name: keys are made anew at each start of a runtime."""
        asked = {
            "model_name": wanted.get("name"),
            "model_type": wanted.get("type"),
            "base_models": wanted.get("base"),
        }
        params = {key: str(value) for key, value in asked.items() if value}
        found = (await self._http.call("GET", "/api/v2/models/", params=params)).json().get("models") or []
        if not found:
            raise TaskError("model_unknown", f"no model is called {wanted.get('name')}")
        return {key: found[0][key] for key in ("key", "hash", "name", "base", "type")}

    async def run(self, prepared: Prepared, on_progress: Progress) -> Ran:
        """Queue it unless an item of this task is there, then follow its batch to the end."""
        task = prepared.task
        item = await self._item_of(task) or await self._enqueue(prepared.payload)
        began = asyncio.get_running_loop().time()
        while True:
            counts = await self._get(f"{QUEUE}/b/{item['batch_id']}/status")
            if not counts.get("total"):
                raise RuntimeUnavailable("lost", "the runtime has lost the task: it was restarted")
            if not any(counts.get(state) for state in UNDER_WAY):
                break
            waited = asyncio.get_running_loop().time() - began
            await asyncio.sleep(min(max(SHORTEST_POLL_SECONDS, waited * POLL_SHARE), LONGEST_POLL_SECONDS))
        on_progress(1.0)
        done = await self._get(f"{QUEUE}/i/{item['item_id']}")
        if done.get("status") != "completed":
            await self._http.call("DELETE", f"{QUEUE}/i/{item['item_id']}")
            raise _failure(done)
        return Ran(task, done)

    async def _item_of(self, task: Task) -> Mapping[str, Any] | None:
        """The item that an earlier attempt left: under way or completed."""
        answer = await self._http.call("GET", f"{QUEUE}/list_all", params={"destination": task.id})
        items = answer.json() if answer.ok else []
        usable = [item for item in items if item.get("status") in (*UNDER_WAY, "completed")]
        return max(usable, key=lambda item: int(item["item_id"]), default=None)

    async def _enqueue(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self._http.call("POST", f"{QUEUE}/enqueue_batch", payload=body)
        if answer.status in {400, 413, 422}:
            raise TaskError("bad_graph", answer.reason())
        if not answer.ok or answer.content_type != "application/json":
            raise RuntimeUnavailable("runtime_error", f"{answer.status}: {answer.reason()}")
        said = answer.json()
        if not said.get("enqueued"):
            raise RuntimeUnavailable(
                "queue_full", "InvokeAI answered 200 and queued nothing: its queue is full"
            )
        return {"item_id": max(said["item_ids"]), "batch_id": said["batch"]["batch_id"]}

    async def _get(self, path: str) -> Mapping[str, Any]:
        answer = await self._http.call("GET", path)
        if not answer.ok or answer.content_type != "application/json":
            raise RuntimeUnavailable("runtime_error", f"{answer.status} for {path}")
        said = answer.json()
        return said if isinstance(said, Mapping) else {}

    async def collect(self, ran: Ran) -> RunResult:
        """Fetch the pictures of the nodes that are no intermediates; then leave nothing behind."""
        item: Mapping[str, Any] = ran.payload
        names = list(_image_names(item["session"]))
        if not names:
            raise TaskError("no_output", "the graph ended well and made no picture that is not intermediate")
        outputs = [await self._fetch(node, name) for node, name in names]
        for _, name in names:
            await self._http.call("DELETE", f"{IMAGES}/i/{name}")
        await self._http.call("DELETE", f"{QUEUE}/i/{item['item_id']}")
        graph = item["session"]["graph"]
        seeds = (node.get("seed") for node in _nodes(graph).values())
        seed = next((seed for seed in seeds if isinstance(seed, int)), None)
        model = next((str(model["name"]) for _, _, model in _models(graph)), None)
        return RunResult(outputs, seed, model, {"graph": graph})

    async def _fetch(self, node: str, name: str) -> Output:
        answer = await self._http.call("GET", f"{IMAGES}/i/{name}/full")
        if not answer.ok:
            raise RuntimeUnavailable("broken_output", f"{answer.status} for the picture {name}")
        metadata = await self._http.call("GET", f"{IMAGES}/i/{name}/metadata")
        said = metadata.json() if metadata.ok and metadata.content_type == "application/json" else None
        return sniff.image(answer.body, {"node": node, **({"metadata": said} if said else {})}, name)

    async def cancel(self, task: Task) -> None:
        """Every item of the task that waits or runs; a step that runs ends within a second."""
        answer = await self._http.call("GET", f"{QUEUE}/list_all", params={"destination": task.id})
        for item in answer.json() if answer.ok else ():
            if item.get("status") in UNDER_WAY:
                await self._http.call("PUT", f"{QUEUE}/i/{item['item_id']}/cancel")

    async def idle(self) -> bool:
        """Whether the processor rests and nothing waits."""
        said = await self._get(f"{QUEUE}/status")
        queue, processor = said.get("queue") or {}, said.get("processor") or {}
        return not processor.get("is_processing") and not any(queue.get(state) for state in UNDER_WAY)

    async def aclose(self) -> None:
        """Nothing is held."""


def _graph(content: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = content.get("graph")
    return inner if isinstance(inner, Mapping) else content


def _nodes(graph: Mapping[str, Any]) -> Mapping[str, Any]:
    nodes = graph.get("nodes")
    return (
        {key: node for key, node in nodes.items() if isinstance(node, Mapping)}
        if isinstance(nodes, Mapping)
        else {}
    )


def _models(graph: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every field that names a model: (node, field, {name, base?, type?, key?})."""
    for node_id, node in _nodes(graph).items():
        for name, value in node.items():
            if name.endswith("model") and isinstance(value, Mapping) and isinstance(value.get("name"), str):
                yield node_id, name, value


def _image_names(session: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(node, image) of each output that is kept, in the order of the graph."""
    for node_id, node in _nodes(session["graph"]).items():
        if node.get("is_intermediate"):
            continue
        for prepared in (session.get("source_prepared_mapping") or {}).get(node_id, ()):
            result = (session.get("results") or {}).get(prepared) or {}
            pictures = (
                result.get("collection")
                if result.get("type") == "image_collection_output"
                else [result.get("image")]
            )
            for picture in pictures or ():
                if isinstance(picture, Mapping) and "image_name" in picture:
                    yield node_id, str(picture["image_name"])


def _failure(item: Mapping[str, Any]) -> Exception:
    if item.get("status") == "canceled":
        return Cancelled()
    kind, message = str(item.get("error_type") or ""), str(item.get("error_message") or "unknown")
    reason = f"{kind}: {message}"[:2000]
    if out_of_memory(kind) or out_of_memory(message):
        return RuntimeUnavailable("out_of_memory", reason)
    if kind in TASK_ERRORS or "Unknown model" in message:
        return TaskError("execution_error", reason)
    return RuntimeUnavailable("execution_error", reason)
