"""InvokeAI 6: https://github.com/invoke-ai/InvokeAI, checked against the OpenAPI document of 6.14.2.

A graph is queued in SQLite and run later; its success or failure is in the queue item. A task may have
several items. The task's id is their `destination`, by which an agent that was restarted finds the work that
it had queued. The items of each attempt have a `batch_id` of their own, which InvokeAI accepts repeatedly.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from queue_agent.adapters.invokeai import content as contents
from queue_agent.adapters.invokeai import graph as graphs
from queue_agent.adapters.invokeai import models, socketio
from queue_agent.adapters.invokeai.files import Files
from queue_agent.adapters.invokeai.queue import ORIGIN, UNFINISHED, Item, Queue, is_broken, newest
from queue_agent.adapters.shared import data_uris
from queue_agent.adapters.shared.http import Http, ResponseTooLarge
from queue_agent.adapters.shared.listener import listening, wait_for_event
from queue_agent.adapters.shared.outputs import BrokenOutput
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
from queue_agent.task.invokeai import at, invokeai_graph
from queue_agent.task.protocol import TASK_TYPES

ACCEPTED_TASK_TYPES = TASK_TYPES["invokeai"]


@dataclass(frozen=True)
class Run:
    """One of the runs of the graph that a task asks for: its batch, as InvokeAI takes it."""

    batch: Mapping[str, Any]
    values: Sequence[contents.Value]  # those that the task's batch has put into the graph


class InvokeAi:
    """One InvokeAI in single-user mode."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._queue, self._files = Queue(http), Files(http)
        # The batch ids of items that were cancelled. One that had just ended is deleted by the next run.
        self._cancelled: set[str] = set()

    def model(self, task: Task) -> str | None:
        """The first model that the graph names."""
        return graphs.model(invokeai_graph(task.content))

    def image_fields(self, task: Task) -> Sequence[FieldPath]:
        """`image_name` of every field that takes an image; a URL or a data URI is accepted there."""
        return contents.image_fields(task.content)

    def media_fields(self, task: Task) -> Sequence[FieldPath]:
        """`video_name` of every field that takes a video, in the same way."""
        return contents.video_fields(task.content)

    async def nodes(self) -> None:
        """None: its tasks have no nodes that the API could check."""

    async def ready(self) -> bool:
        """Whether the queue responds, which means that database and processor are up."""
        return await self._queue.responds()

    async def warm_up(self) -> None:
        """Nothing to check: the graph chooses the model."""

    async def prepare(self, task: Task, images: Mapping[FieldPath, InputImage]) -> Prepared:
        """Validate the graph, upload its images and videos, replace the names of models by their keys."""
        if task.tasktype not in ACCEPTED_TASK_TYPES:
            raise TaskError(
                "unknown_tasktype", f"{task.tasktype!r} is not one of {', '.join(ACCEPTED_TASK_TYPES)}"
            )
        content = await off_loop(task.size, contents.checked, task)
        async with self._deleting_uploads_of(task):
            for kind, fields in (("image", self.image_fields), ("video", self.media_fields)):
                paths = await off_loop(task.size, fields, task)
                await self._upload(task, content, kind, paths, images)
            sessions = await off_loop(task.size, contents.sessions, content)
            await models.resolve(self._http, [session.graph for session in sessions])
            names = {"batch_id": _batch_id(task), "origin": ORIGIN, "destination": task.id}
            common = {**contents.workflow(content), "runs": 1, **names}
            return Prepared(task, [Run({"graph": one.graph, **common}, one.values) for one in sessions])

    @contextlib.asynccontextmanager
    async def _deleting_uploads_of(self, task: Task) -> AsyncIterator[None]:
        """Delete what was uploaded for a task that the block refuses."""
        try:
            yield
        except TaskError:
            with contextlib.suppress(RuntimeUnavailable):
                await self._files.delete_uploads(_batch_id(task))
            raise

    async def _upload(
        self,
        task: Task,
        content: dict[str, Any],
        kind: str,
        paths: Sequence[FieldPath],
        fetched: Mapping[FieldPath, InputImage],
    ) -> None:
        """Upload the inputs at the paths, each file once, and put their names there in their place."""
        names: dict[str, str] = {}
        for path in paths:
            text = at(content, path)
            if text not in names:
                source = f"the {kind} at {'.'.join(map(str, path[:-1]))}"
                file = fetched.get(path) or await data_uris.input_file(text, source, media=kind == "video")
                names[text] = text if file is None else await self._files.upload(_batch_id(task), kind, file)
            contents.replace(content, path, names[text])

    async def run(self, prepared: Prepared, on_progress: ProgressCallback) -> FinishedRun:
        """Queue the graphs unless their items are there from an earlier attempt, then wait for their end."""
        runs: Sequence[Run] = prepared.payload
        count = len(runs)
        items = await self._earlier(prepared.task, count) or await self._enqueue(prepared.task, runs)
        ids = [int(item["item_id"]) for item in items]
        samplers, done_event = graphs.samplers(runs[0].batch["graph"]), asyncio.Event()
        async with listening(self._listen(ids, samplers, on_progress, done_event)):
            await self._wait_for_end(prepared.task, str(items[0]["batch_id"]), count, done_event)
        done = [await self._queue.item(item_id) for item_id in ids]
        failed = [item for item in done if item.get("status") != "completed"]
        if failed:
            # The last step of a canceled item still runs and makes an image: the next run deletes it.
            await self._clean(prepared.task, [item for item in done if item.get("status") != "canceled"])
            raise graphs.failure(min(failed, key=lambda item: item.get("status") == "canceled"))
        on_progress(Progress(1.0))
        return FinishedRun(prepared.task, list(zip(done, runs, strict=True)))

    async def _earlier(self, task: Task, count: int) -> list[Item]:
        """The items of an earlier attempt at the task, all unfinished or completed; [] when there are none.

        Deletes what other attempts and tasks have left, but not what was uploaded for this one.
        """
        batches: dict[str, list[Item]] = defaultdict(list)
        for item in await self._queue.items():
            batches[str(item["batch_id"])].append(item)
        self._cancelled &= batches.keys()
        usable = [items for items in batches.values() if _is_usable(items, task, count)]
        earlier = max(usable, key=newest, default=[])
        for items in batches.values():
            broken = any(is_broken(item) or item["batch_id"] in self._cancelled for item in items)
            # An agent that was killed while it queued the graphs has left some of them.
            own = any(item.get("destination") == task.id for item in items)
            for item in items if items is not earlier and (broken or own) else ():
                await (self._cancel(item) if item.get("status") in UNFINISHED else self._delete(item))
        return sorted(earlier, key=lambda item: int(item["item_id"]))

    async def _wait_for_end(self, task: Task, batch_id: str, count: int, done_event: asyncio.Event) -> None:
        """Wait until every item of the batch has ended; after a failure the others are cancelled.

        Raises `RuntimeUnavailable` when items are lost.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            counts = await self._queue.counts(batch_id)
            if int(counts.get("total") or 0) < count:
                raise RuntimeUnavailable("lost", "the runtime has lost the task: it was restarted")
            if not any(counts.get(state) for state in UNFINISHED):
                return
            if counts.get("failed") or counts.get("canceled"):
                await self.cancel(task)
            await wait_for_event(done_event, clock() - began)

    async def _listen(
        self,
        ids: Sequence[int],
        samplers: Sequence[str],
        on_progress: ProgressCallback,
        done_event: asyncio.Event,
    ) -> None:
        """Report the share of all sampling that is done; set `done_event` at the end of each item."""
        done = {item_id: dict.fromkeys(samplers, 0.0) for item_id in ids}
        async with self._http.socket("/ws/socket.io/", socketio.QUERY) as socket:
            async for name, event in socketio.events(socket, "subscribe_queue", {"queue_id": "default"}):
                shares = done.get(event.get("item_id", 0))
                if shares is None:
                    continue
                node, share = event.get("invocation_source_id"), event.get("percentage")
                if name == "queue_item_status_changed" and event.get("status") not in UNFINISHED:
                    shares.update(dict.fromkeys(shares, 1.0))
                    done_event.set()
                elif name == "invocation_progress" and node in shares and share is not None:
                    shares[node] = max(shares[node], float(share))
                total = len(ids) * len(samplers)
                if total and name == "invocation_progress":
                    value = sum(sum(item.values()) for item in done.values()) / total
                    on_progress(Progress(value, node=node))

    async def _enqueue(self, task: Task, runs: Sequence[Run]) -> list[Item]:
        """Queue the graphs; their items in the order in which they run."""
        items: list[Item] = []
        try:
            async with self._deleting_uploads_of(task):
                for run in runs:
                    item, queued = await self._queue.add(run.batch)
                    items.append(item)
                    _check_fields(run, queued)
        except (TaskError, RuntimeUnavailable):
            with contextlib.suppress(RuntimeUnavailable):
                for item in items:
                    await self._cancel(item)
            raise
        return items

    async def collect(self, run: FinishedRun) -> RunResult:
        """Fetch the files of the nodes that are not intermediate; then delete everything of the task."""
        runs: Sequence[tuple[Item, Run]] = run.payload
        items = [item for item, _ in runs]
        try:
            outputs = await self._outputs(runs)
        except (BrokenOutput, ResponseTooLarge):
            await self._clean(run.task, items)  # otherwise the next attempt would find the same files
            raise
        await self._clean(run.task, items)
        if not outputs:
            text = "the graph made no image and no video but intermediate ones"
            raise TaskError("no_output", text)
        graph = items[0]["session"]["graph"]
        return RunResult(outputs, graphs.seed(graph), graphs.model(graph), {"graph": graph})

    async def _outputs(self, runs: Sequence[tuple[Item, Run]]) -> list[Output]:
        """The outputs of the items, each with the values that the batch gave it."""
        outputs: list[Output] = []
        left = self._http.max_bytes
        for item, run in runs:
            values = [asdict(value) for value in run.values]
            metadata = {"field_values": values} if values else {}
            for node, file in graphs.outputs(item["session"]):
                outputs.append(await self._files.fetch(file, {"node": node, **metadata}, left))
                left -= outputs[-1].data.size
        return outputs

    async def _clean(self, task: Task, items: Sequence[Item]) -> None:
        """Delete items with their files, and what was uploaded for the task."""
        for item in items:
            await self._delete(item)
        await self._files.delete_uploads(_batch_id(task))

    async def _delete(self, item: Item) -> None:
        """Delete an item, its files, also intermediate ones, and what was uploaded for its batch."""
        await self._files.delete(graphs.files(item.get("session") or {}))
        await self._files.delete_uploads(str(item["batch_id"]))
        await self._queue.delete(item)

    async def cancel(self, task: Task) -> None:
        """Cancel every unfinished item of the task; a running step ends within a second."""
        for item in await self._queue.items():
            if item.get("destination") == task.id and item.get("status") in UNFINISHED:
                await self._cancel(item)

    async def _cancel(self, item: Item) -> None:
        self._cancelled.add(str(item["batch_id"]))
        await self._queue.cancel(item)

    async def clear(self) -> None:
        """Nothing to stop: `run` continues with an item that it finds."""

    async def idle(self) -> bool:
        """Whether the processor is idle and nothing is queued."""
        return await self._queue.is_idle()


def _check_fields(run: Run, queued: Mapping[str, Any]) -> None:
    """Raise `TaskError` for a value of the batch whose field InvokeAI has dropped: its node has none."""
    for value in run.values:
        if value.field_name not in queued["nodes"][value.node_path]:
            text = f"data names the field {value.field_name}, which the node {value.node_path} does not have"
            raise TaskError("bad_graph", text)


def _batch_id(task: Task) -> str:
    return f"{task.id}.{task.attempt}"


def _is_usable(items: Sequence[Item], task: Task, count: int) -> bool:
    """Whether the items are all of an earlier attempt at the task, unfinished or completed."""
    return len(items) == count and all(
        item.get("destination") == task.id and item.get("status") in (*UNFINISHED, "completed")
        for item in items
    )
