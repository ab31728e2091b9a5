"""ComfyUI: https://github.com/comfyanonymous/ComfyUI (server.py, execution.py).

A submission returns at once; its success or failure is only in `/history/{id}`. The WebSocket reports
progress, and when to read the history.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import FormData, WSMsgType

from queue_agent.adapters.comfyui import files, history, nodes
from queue_agent.adapters.comfyui import graph as graphs
from queue_agent.adapters.comfyui.progress import GraphProgress
from queue_agent.adapters.comfyui.prompts import Prompt, Prompts, prompt_id
from queue_agent.adapters.shared import data_uris
from queue_agent.adapters.shared.http import Http, ResponseTooLarge
from queue_agent.adapters.shared.listener import listening, wait_for_event
from queue_agent.adapters.shared.outputs import BrokenOutput, output_of
from queue_agent.concurrency import off_loop
from queue_agent.contract import (
    FieldPath,
    FinishedRun,
    InputImage,
    Output,
    Prepared,
    Progress,
    ProgressCallback,
    RunResult,
    RuntimeUnavailable,
    Task,
    TaskError,
)
from queue_agent.task.assets import is_reference, replace_at, value_at
from queue_agent.task.protocol import TASK_TYPES
from queue_agent.task.workflow import graph_of, loaded_files

ACCEPTED_TASK_TYPES = TASK_TYPES["comfyui"]
# For this long a prompt without a history entry counts as queued, without a look at the queue.
ASSUME_QUEUED_SECONDS = 0.5
# What `/view` answers for a file that is not in its folders (view_image in server.py).
OUTSIDE_STATUSES = (400, 403)
# It lists the files of all models, which are in a bucket.
OBJECT_INFO_SECONDS = 120.0
OBJECT_INFO_MAX_BYTES = 32 * 2**20


class ComfyUi:
    """One ComfyUI."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._prompts = Prompts(http)

    def model(self, task: Task) -> str | None:
        """The first model that the workflow loads."""
        return graphs.model(graph_of(task.content))

    def image_fields(self, task: Task) -> Sequence[FieldPath]:
        """The image of every node that loads one."""
        return files.fields(task.content, media=False)

    def media_fields(self, task: Task) -> Sequence[FieldPath]:
        """The video or audio file of every node that loads one."""
        return files.fields(task.content, media=True)

    async def ready(self) -> bool:
        """Whether it responds: it does only once its nodes are loaded, and accepts prompts from then on."""
        response = await self._http.probe("/prompt")
        return response is not None and response.ok and b"queue_remaining" in response.body.read()

    async def nodes(self) -> Mapping[str, Any] | None:
        """Its classes of nodes, and those that it replaces by others (since 2026)."""
        response = await self._http.call("GET", "/object_info", seconds=OBJECT_INFO_SECONDS)
        if not response.ok:
            raise RuntimeUnavailable("runtime_error", response.reason())
        if response.body.size > OBJECT_INFO_MAX_BYTES:
            return None
        replaced = await self._http.call("GET", "/node_replacements")
        replacements = replaced.json() if replaced.ok else {}
        return await off_loop(response.body.size, lambda: nodes.described(response.json(), replacements))

    async def warm_up(self) -> None:
        """Nothing to check: the workflow chooses the model."""

    async def prepare(self, task: Task, images: Mapping[FieldPath, InputImage]) -> Prepared:
        """Validate the workflow, upload its inputs, give its files names that are unique to the task."""
        if task.tasktype not in ACCEPTED_TASK_TYPES:
            raise TaskError(
                "unknown_tasktype", f"{task.tasktype!r} is not one of {', '.join(ACCEPTED_TASK_TYPES)}"
            )
        graph = await off_loop(task.size, graphs.checked, task)
        files.check_paths(graph)
        await self._prompts.check_links(graph)
        assets = await self._upload_assets(task, graph, images)
        by_input = {path[-3:]: image for path, image in images.items() if path not in assets}
        for n, file in enumerate(loaded_files(graph)):
            image = by_input.get((file.node, "inputs", file.name))
            image = image or await data_uris.input_file(file.value, file.place, media=file.media)
            if image is not None:
                name = f"{task.id}-{n}.{image.extension}"
                files.put(graph[file.node], file.name, await self._upload(name, image))
        files.own_names(graph, task)
        extra = task.content.get("extra_data")
        extra = dict(extra) if isinstance(extra, Mapping) and "class_type" not in extra else {}
        # Events are sent only to the client that a prompt names: each task is a client of its own.
        name = prompt_id(task.id)
        return Prepared(task, {"prompt": graph, "prompt_id": name, "client_id": name, "extra_data": extra})

    async def _upload_assets(
        self, task: Task, graph: dict[str, Any], images: Mapping[FieldPath, InputImage]
    ) -> set[FieldPath]:
        """Put the names of uploaded files in the place of asset references, and return their paths."""
        assets: set[FieldPath] = set()
        for n, (path, image) in enumerate(images.items()):
            inner = path if path[0] in graph else path[1:]
            if is_reference(value_at(graph, inner)):
                name = f"{task.id}-asset-{n}.{image.extension}"
                replace_at(graph, inner, await self._upload(name, image))
                assets.add(path)
        return assets

    async def _upload(self, name: str, image: InputImage) -> str:
        form = FormData()
        form.add_field("image", image.data.reader(), filename=name, content_type=image.content_type)
        form.add_field("overwrite", "true")
        response = await self._http.call("POST", "/upload/image", form=form)
        if not response.ok:
            raise RuntimeUnavailable("upload_failed", response.reason())
        file = response.json()
        return "/".join(part for part in (file.get("subfolder"), file["name"]) if part)

    async def run(self, prepared: Prepared, on_progress: ProgressCallback) -> FinishedRun:
        """Submit the prompt unless it is there already, then wait for its history entry."""
        task, graph, client = prepared.task, prepared.payload["prompt"], prepared.payload["prompt_id"]
        prompt = await self._prompts.find(client)
        if prompt is not None and prompt.entry is not None and history.failure(prompt.entry) is not None:
            await self._prompts.forget(client)  # of an earlier attempt
            prompt = None
        entry = prompt.entry if prompt is not None else None
        if entry is None:
            done_event = asyncio.Event()
            async with listening(self._listen(client, graph, on_progress, done_event)):
                prompt = prompt or await self._submit(prepared.payload)
                entry = await self._wait_for_end(prompt.id, done_event)
        failure = history.failure(entry)
        if failure is not None:
            await self._prompts.forget(client)
            raise failure
        on_progress(Progress(1.0, nodes_done=len(graph)))
        return FinishedRun(task, (graph, entry))

    async def _submit(self, body: Mapping[str, Any]) -> Prompt:
        prompt = await self._prompts.submit(body)
        if prompt.rejection is not None:
            await self._discard(str(body["prompt_id"]), prompt.id)
            raise prompt.rejection
        return prompt

    async def _discard(self, client: str, name: str) -> None:
        """Stop a prompt that must not run, and delete its history entry."""
        await self._prompts.stop(client)
        with contextlib.suppress(RuntimeUnavailable):  # it never started
            await self._wait_for_end(name, asyncio.Event())
        await self._prompts.forget(client)

    async def _wait_for_end(self, name: str, done_event: asyncio.Event) -> Mapping[str, Any]:
        """The history entry, once it is there. Raises `RuntimeUnavailable` when the prompt is lost."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            waited = clock() - began
            await wait_for_event(done_event, waited)
            queued = waited < ASSUME_QUEUED_SECONDS or await self._prompts.queued(name)
            entry = await self._prompts.history(name)
            if entry is not None:
                return entry
            if not queued:
                raise RuntimeUnavailable("lost", "the runtime has lost the task: it was restarted")

    async def _listen(
        self,
        client: str,
        graph: Mapping[str, Any],
        on_progress: ProgressCallback,
        done_event: asyncio.Event,
    ) -> None:
        """Report the progress of the prompt; set `done_event` at its end."""
        progress = GraphProgress(graph)
        async with self._http.socket("/ws", {"clientId": client}) as socket:
            async for frame in socket:
                event = frame.json() if frame.type is WSMsgType.TEXT else {}  # binary frames are previews
                data = event.get("data") or {}
                node = data.get("node")
                if event["type"] == "executing" and node is None and "prompt_id" in data:
                    done_event.set()
                elif (update := progress.after(event["type"], data)) is not None:
                    on_progress(update)

    async def collect(self, run: FinishedRun) -> RunResult:
        """Fetch every file and text that the workflow has made."""
        (graph, entry), client = run.payload, prompt_id(run.task.id)
        entry_outputs = entry.get("outputs") or {}
        try:
            outputs = await self._fetch_all(history.files(entry_outputs))
        except BrokenOutput:
            await self._prompts.forget(client)  # otherwise the next attempt would find the same files
            await self._prompts.clear_cache()
            raise
        except (ResponseTooLarge, TaskError):
            await self._prompts.forget(client)
            raise
        outputs += history.texts(entry_outputs, every=not outputs)
        await self._prompts.forget(client)
        if not outputs:
            text = "the workflow saved no file: it needs a node such as SaveImage"
            raise TaskError("no_output", text)
        return RunResult(outputs, graphs.seed(graph), graphs.model(graph), {"prompt": graph})

    async def _fetch_all(self, files: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Output]:
        outputs: list[Output] = []
        left = self._http.max_bytes
        for node, file in files:
            outputs.append(await self._fetch(node, file, left))
            left -= outputs[-1].data.size
        return outputs

    async def _fetch(self, node: str, file: Mapping[str, Any], max_bytes: int) -> Output:
        params = history.place(file)
        response = await self._http.call("GET", "/view", params=params, max_output_bytes=max_bytes)
        if response.status in OUTSIDE_STATUSES:
            name = "/".join(params[key] for key in ("subfolder", "filename") if key in params)
            raise TaskError("output_refused", f"node {node} saved {name} outside of the output folder")
        if not response.ok:
            text = f"/view returned HTTP {response.status} for {file['filename']}"
            raise BrokenOutput(text)
        return output_of(response.body, {"node": node}, str(file["filename"]))

    async def cancel(self, task: Task) -> None:
        """Delete it from the queue first: an interrupt before its start has no effect."""
        await self._prompts.stop(prompt_id(task.id))

    async def clear(self) -> None:
        """Nothing to stop: `run` continues with a prompt that it finds."""

    async def idle(self) -> bool:
        """Whether nothing runs and nothing is queued."""
        response = await self._http.call("GET", "/prompt", seconds=5)
        return bool(response.ok and response.json()["exec_info"]["queue_remaining"] == 0)
