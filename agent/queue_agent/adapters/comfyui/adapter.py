"""ComfyUI: https://github.com/comfyanonymous/ComfyUI (server.py, execution.py).

A submission is answered at once; success or failure stands only in `/history/{id}`. Queue and history are in
memory: a prompt that is in neither is lost. The task's id is the prompt's id, so an agent that was restarted
finds the work it had submitted. The websocket tells progress, and when to look into the history.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import FormData, WSMsgType

from queue_agent.adapters.comfyui import graph as graphs
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

ACCEPTED_TASK_TYPES = TASK_TYPES["comfyui"]
# Events go only to the client that a prompt names.
CLIENT = "queue-agent"
# So long a prompt without an entry in the history counts as queued, and the queue is not asked.
QUEUE_LOOK_SECONDS = 0.5


class ComfyUi:
    """One ComfyUI."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def model(self, task: Task) -> str | None:
        """The first checkpoint that the workflow loads."""
        return graphs.model(graphs.graph_of(task.content))

    def image_fields(self, task: Task) -> Sequence[Path]:
        """`inputs.image` of every node that loads an image."""
        return graphs.image_fields(task.content)

    async def ready(self) -> bool:
        """It answers only once its nodes are loaded, and can queue from then on."""
        answer = await self._http.probe("/prompt")
        return answer is not None and answer.ok and b"queue_remaining" in answer.body

    async def warm_up(self) -> None:
        """Nothing to prove: the workflow chooses the model."""

    async def prepare(self, task: Task, images: Mapping[Path, InputImage]) -> Prepared:
        """Check the workflow's shape, send its images ahead, give its files a name of the task's own."""
        if task.tasktype not in ACCEPTED_TASK_TYPES:
            raise TaskError(
                "unknown_tasktype", f"{task.tasktype!r} is not one of {', '.join(ACCEPTED_TASK_TYPES)}"
            )
        graph = graphs.checked(task)
        for n, path in enumerate(graphs.image_fields(task.content)):
            inputs = graph[str(path[-3])]["inputs"]
            image = images.get(path) or inline.input_image(inputs["image"], f"the image of node {path[-3]}")
            if image is not None:
                inputs["image"] = await self._upload(f"{task.id}-{n}.{image.extension}", image)
        graphs.name_files(graph, task)
        extra = task.content.get("extra_data")
        extra = dict(extra) if isinstance(extra, Mapping) and "class_type" not in extra else {}
        return Prepared(
            task, {"prompt": graph, "prompt_id": task.id, "client_id": CLIENT, "extra_data": extra}
        )

    async def _upload(self, name: str, image: InputImage) -> str:
        form = FormData()
        form.add_field("image", image.data, filename=name, content_type=image.content_type)
        form.add_field("overwrite", "true")
        answer = await self._http.call("POST", "/upload/image", form=form)
        if not answer.ok:
            raise RuntimeUnavailable("upload_failed", answer.reason())
        said = answer.json()
        return "/".join(part for part in (said.get("subfolder"), said["name"]) if part)

    async def run(self, prepared: Prepared, on_progress: Progress) -> Ran:
        """Submit unless it is there already, then follow the history until it has the end."""
        task, graph = prepared.task, prepared.payload["prompt"]
        # Asked for in this order: what leaves the queue in between is in the history by then.
        queued, entry = await self._queued(task.id), await self._history(task.id)
        if entry is not None and graphs.failure(entry) is not None:
            await self._forget(task.id)  # an earlier attempt's: this one is its own
            entry = None
        if entry is None:
            hint = asyncio.Event()
            async with beside(self._listen(task.id, graph, on_progress, hint)):
                if not queued:
                    await self._submit(prepared.payload)
                entry = await self._end(task.id, hint)
        failure = graphs.failure(entry)
        if failure is not None:
            await self._forget(task.id)
            raise failure
        on_progress(1.0)
        return Ran(task, (graph, entry))

    async def _submit(self, body: Mapping[str, Any]) -> None:
        answer = await self._http.call("POST", "/prompt", payload=body)
        if answer.status in {400, 413}:
            raise TaskError(
                "bad_workflow", graphs.refusal(answer.json()) if answer.status == 400 else "it is too large"
            )
        if not answer.ok:
            raise RuntimeUnavailable("runtime_error", f"{answer.status}: {answer.reason()}")
        said = answer.json()
        if said.get("node_errors"):
            # The rest of the workflow was queued, without the outputs that are wrong.
            await self._give_up(str(body["prompt_id"]))
            raise TaskError("bad_workflow", graphs.refusal(said))
        if said.get("prompt_id") != body["prompt_id"]:
            await self._give_up(str(said.get("prompt_id")))
            text = "ComfyUI gave the task an id of its own: the agent needs version 0.3.45 or later"
            raise RuntimeUnavailable("runtime_too_old", text)

    async def _give_up(self, prompt_id: str) -> None:
        """Leave neither work nor history of a prompt that was queued against our will."""
        await self._stop(prompt_id)
        with contextlib.suppress(RuntimeUnavailable):  # it never began
            await self._end(prompt_id, asyncio.Event())
        await self._forget(prompt_id)

    async def _end(self, prompt_id: str, hint: asyncio.Event) -> Mapping[str, Any]:
        """The entry in the history, once it is there."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            waited = clock() - began
            await heard(hint, waited)
            queued = waited < QUEUE_LOOK_SECONDS or await self._queued(prompt_id)
            entry = await self._history(prompt_id)
            if entry is not None:
                return entry
            if not queued:
                raise RuntimeUnavailable("lost", "the runtime has neither result nor task: it was restarted")

    async def _listen(
        self, prompt_id: str, graph: Mapping[str, Any], on_progress: Progress, hint: asyncio.Event
    ) -> None:
        """The share of all sampling steps that is done; then the hint that it is over, well or not."""
        steps = graphs.steps(graph)
        done = dict.fromkeys(steps, 0.0)
        async with self._http.socket("/ws", {"clientId": CLIENT}) as socket:
            async for frame in socket:
                event = frame.json() if frame.type is WSMsgType.TEXT else {}  # others are previews
                data = event.get("data") or {}
                if data.get("prompt_id") != prompt_id:
                    continue
                node = data.get("node")
                if event["type"] == "executing" and node is None:
                    hint.set()
                elif event["type"] == "progress" and str(node) in done:
                    done[str(node)] = min(data["value"] / data["max"], 1.0) * steps[str(node)]
                    on_progress(sum(done.values()) / sum(steps.values()))

    async def collect(self, ran: Ran) -> RunResult:
        """Fetch every file and text that the workflow made."""
        graph, entry = ran.payload
        made = entry.get("outputs") or {}
        try:
            outputs = [await self._fetch(node, file) for node, file in graphs.files(made)]
        except sniff.BrokenOutput:
            await self._forget(ran.task.id)  # or the next attempt would find the same
            raise
        outputs += graphs.texts(made)
        await self._forget(ran.task.id)
        if not outputs:
            text = "the workflow ended well and left no file: it needs a node that saves, such as SaveImage"
            raise TaskError("no_output", text)
        return RunResult(outputs, graphs.seed(graph), graphs.model(graph), {"prompt": graph})

    async def _fetch(self, node: str, file: Mapping[str, Any]) -> Output:
        params = {key: str(file.get(key, "")) for key in ("filename", "subfolder", "type")}
        answer = await self._http.call("GET", "/view", params=params)
        if not answer.ok:
            text = f"/view answers {answer.status} for {params['filename']}"
            raise sniff.BrokenOutput(text)
        return sniff.output(answer.body, {"node": node}, params["filename"])

    async def cancel(self, task: Task) -> None:
        """Out of the queue first: an interrupt that comes before the start is lost."""
        await self._stop(task.id)

    async def _stop(self, prompt_id: str) -> None:
        await self._http.call("POST", "/queue", payload={"delete": [prompt_id]})
        # Versions before September 2025 interrupt whatever runs; only the core's own task can.
        await self._http.call("POST", "/interrupt", payload={"prompt_id": prompt_id})

    async def clear(self) -> None:
        """Nothing: `run` joins what it finds."""

    async def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        answer = await self._http.call("GET", "/prompt", seconds=5)
        return bool(answer.ok and answer.json()["exec_info"]["queue_remaining"] == 0)

    async def _history(self, prompt_id: str) -> Mapping[str, Any] | None:
        answer = await self._http.call("GET", f"/history/{prompt_id}")
        found = answer.json().get(prompt_id) if answer.ok else None
        return found if isinstance(found, Mapping) else None

    async def _queued(self, prompt_id: str) -> bool:
        said = (await self._http.call("GET", "/queue")).json()
        rows = [row for key in ("queue_running", "queue_pending") for row in said.get(key) or ()]
        return any(row[1] == prompt_id for row in rows)

    async def _forget(self, prompt_id: str) -> None:
        """Out of the history, which would hold the whole workflow until ten thousand others came."""
        await self._http.call("POST", "/history", payload={"delete": [prompt_id]})
