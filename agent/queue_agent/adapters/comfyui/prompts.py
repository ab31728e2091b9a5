"""The prompts on a ComfyUI: submits, finds, stops and deletes them.

Queue and history are in memory: a prompt that is in neither is lost. The id of a prompt is a function of its
task, so an agent that was restarted finds the work that it had submitted.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from queue_agent.adapters.comfyui import history
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import RuntimeUnavailable, TaskError
from queue_agent.task.workflow import class_of, lost_links

NAMESPACE = uuid.UUID("6f9d4b0e-2c55-4f0a-9d52-0c8f3f6b7a11")
# The place of the extra data in a prompt's row, in `/queue` and in the history.
EXTRA_DATA = 3
# Nodes that load models, and the inputs in which they name them.
MODEL_LOADERS = (
    ("CheckpointLoaderSimple", "ckpt_name"),
    ("UNETLoader", "unet_name"),
    ("LoraLoader", "lora_name"),
)
# An agent that does not know how a server names its prompts looks at this many history entries.
MAX_HISTORY_ENTRIES = 100


def prompt_id(task_id: str) -> str:
    """The id of a task's prompt, and of the WebSocket client that follows it.

    A canonical UUID: versions since 0.25 (June 2026, `validate_job_id`) accept nothing else.
    """
    return str(uuid.uuid5(NAMESPACE, task_id))


@dataclass(frozen=True)
class Prompt:
    """A prompt on the server: its id there, and its history entry once it has ended."""

    id: str
    entry: Mapping[str, Any] | None = None
    # The server has queued the workflow without the outputs that are invalid.
    rejection: TaskError | RuntimeUnavailable | None = None


class Prompts:
    """The prompts of one server. `client` is the result of `prompt_id`.

    Versions before 0.3.45 (July 2025) ignore the prompt's id and choose one; the client's id they keep.
    """

    def __init__(self, http: Http) -> None:
        self._http = http
        self._server_ids: dict[str, str] = {}
        self._ids_kept: bool | None = None  # None: no prompt was submitted yet

    async def find(self, client: str) -> Prompt | None:
        """The prompt of an earlier attempt: queued, running or ended."""
        # In this order: a prompt that leaves the queue in between is in the history by then.
        queued = [_id(row) for row in await self._rows() if _is_of(row, client)]
        entry = await self.history(client)
        if entry is not None or self._ids_kept:
            return Prompt(client, entry) if entry is not None or queued else None
        for name, ended in (await self._recent()).items():
            if _is_of(ended.get("prompt"), client):
                return self._named(client, name, ended)
        return self._named(client, queued[0]) if queued else None

    async def submit(self, body: Mapping[str, Any]) -> Prompt:
        """Queue a prompt. Raises `TaskError` when the server rejects the whole workflow."""
        response = await self._http.call("POST", "/prompt", payload=body)
        if response.status == 413:
            raise TaskError("bad_workflow", "the workflow is too large")
        if response.status == 400:
            raise await self._rejection(response.json(), body["prompt"])
        if not response.ok:
            reason = f"{response.status}: {response.reason()}"
            raise await self._unknown_node(body["prompt"]) or RuntimeUnavailable("runtime_error", reason)
        receipt = response.json()
        client, name = str(body["prompt_id"]), receipt.get("prompt_id")
        if not isinstance(name, str):
            raise RuntimeUnavailable("runtime_answer", "the response to a workflow has no prompt_id")
        self._ids_kept = name == client
        prompt = self._named(client, name)
        if not receipt.get("node_errors"):
            return prompt
        return replace(prompt, rejection=history.rejected(receipt, body["prompt"]))

    async def check_links(self, graph: Mapping[str, Any]) -> None:
        """Raise `TaskError` for a lost link that the server would follow without a check."""
        for node_id, name, source in lost_links(graph):
            kind = class_of(graph[node_id])
            response = await self._http.call("GET", f"/object_info/{quote(kind, safe='')}")
            if response.ok and not history.declares(response.json(), kind, name):
                text = f"node {node_id} ({kind}): {name[:80]} is linked to node {source[:80]}"
                raise TaskError("bad_workflow", f"{text}, which the workflow does not have")

    async def _rejection(self, document: Any, graph: Mapping[str, Any]) -> TaskError | RuntimeUnavailable:
        """The error for a workflow that was rejected. Without any model, the mount of the bucket is gone."""
        if not history.finds_no_files(document):
            return history.rejected(document, graph)
        for node, name in MODEL_LOADERS:
            response = await self._http.call("GET", f"/object_info/{node}")
            if response.ok and history.choices(response.json(), node, name):
                return history.rejected(document, graph)
        return RuntimeUnavailable("node_error", f"there are no models: {history.rejection(document)}")

    async def _unknown_node(self, graph: Mapping[str, Any]) -> TaskError | None:
        """The error when the workflow has a node that the server lacks: versions of 2024 answer 500 to it."""
        for name in sorted({class_of(node) for node in graph.values()}):
            response = await self._http.call("GET", f"/object_info/{quote(name, safe='')}")
            if response.ok and response.json() == {}:
                return TaskError("bad_workflow", f"this ComfyUI has no node {name}")
        return None

    async def queued(self, name: str) -> bool:
        """Whether the server has this prompt in its queue, or runs it."""
        return any(_id(row) == name for row in await self._rows())

    async def history(self, name: str) -> Mapping[str, Any] | None:
        """The history entry of this prompt, once it has ended."""
        response = await self._http.call("GET", f"/history/{name}")
        entry = response.json().get(name) if response.ok else None
        return entry if isinstance(entry, Mapping) else None

    async def stop(self, client: str) -> None:
        """Delete the prompt from the queue first: an interrupt before its start has no effect."""
        name = self._server_ids.get(client, client)
        await self._http.call("POST", "/queue", payload={"delete": [name]})
        # Versions before September 2025 interrupt any prompt; only the core's own can be running.
        await self._http.call("POST", "/interrupt", payload={"prompt_id": name})

    async def forget(self, client: str) -> None:
        """Delete the history entry, which would hold the whole workflow until 10,000 others have come."""
        name = self._server_ids.pop(client, client)
        await self._http.call("POST", "/history", payload={"delete": [name]})

    async def clear_cache(self) -> None:
        """Let every node run again: the results that the server keeps may name files that are gone."""
        await self._http.call("POST", "/free", payload={"free_memory": True})

    def _named(self, client: str, name: str, entry: Mapping[str, Any] | None = None) -> Prompt:
        if name != client:
            self._server_ids[client] = name
        return Prompt(name, entry)

    async def _rows(self) -> Iterable[Any]:
        queue = (await self._http.call("GET", "/queue")).json()
        return [row for key in ("queue_running", "queue_pending") for row in queue.get(key) or ()]

    async def _recent(self) -> Mapping[str, Any]:
        response = await self._http.call("GET", "/history", params={"max_items": str(MAX_HISTORY_ENTRIES)})
        entries = response.json() if response.ok else {}
        return entries if isinstance(entries, Mapping) else {}


def _id(row: Any) -> str:
    return str(row[1])


def _is_of(row: Any, client: str) -> bool:
    """Whether a row of the queue or of the history is the prompt of this client."""
    if not isinstance(row, list) or len(row) <= EXTRA_DATA:
        return False
    extra = row[EXTRA_DATA]
    return _id(row) == client or (isinstance(extra, Mapping) and extra.get("client_id") == client)
