"""The session queue of InvokeAI: `/api/v1/queue/default`.

Every unknown path returns 200 with a web page, so a response counts only when it is JSON of the expected
shape.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from queue_agent.adapters.invokeai import graph as graphs
from queue_agent.adapters.shared.faults import failed_response, words_of
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import RuntimeUnavailable, TaskError

PATH = "/api/v1/queue/default"
JSON = "application/json"
ORIGIN = "queue-agent"
UNFINISHED = ("pending", "in_progress", "waiting")
Item = Mapping[str, Any]


class Queue:
    """The queue of one server, which runs its items one by one."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def responds(self) -> bool:
        """Whether it responds to a short probe, which means that database and processor are up."""
        response = await self._http.probe(f"{PATH}/status")
        return response is not None and response.ok and response.content_type == JSON

    async def is_idle(self) -> bool:
        """Whether the processor is idle and nothing is queued."""
        status = await self._get(f"{PATH}/status")
        queue, processor = status.get("queue") or {}, status.get("processor") or {}
        return not processor.get("is_processing") and not any(queue.get(state) for state in UNFINISHED)

    async def items(self) -> list[Item]:
        """The agent's items: few, because each is deleted when its files are fetched."""
        response = await self._http.call("GET", f"{PATH}/list_all")
        if not response.ok or response.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"HTTP {response.status} for the queue")
        return [item for item in response.json() if item.get("origin") == ORIGIN]

    async def add(self, batch: Mapping[str, Any]) -> tuple[Item, Mapping[str, Any]]:
        """Queue a batch of one run: its item, and the graph as InvokeAI has read it.

        Raises `TaskError` when InvokeAI rejects the graph.
        """
        body = {"batch": batch, "prepend": False}
        response = await self._http.call("POST", f"{PATH}/enqueue_batch", payload=body)
        if response.status in {400, 413, 422}:
            raise TaskError("bad_graph", graphs.rejection(response.json()))
        if response.status >= 500:
            raise failed_response(response, own=words_of(batch))
        if not response.ok or response.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"{response.status}: {response.reason()}")
        receipt = response.json()
        if not receipt.get("enqueued"):
            text = "InvokeAI returned 200 and queued nothing: its queue is full"
            raise RuntimeUnavailable("queue_full", text)
        if not receipt.get("item_ids"):
            raise RuntimeUnavailable("runtime_too_old", "the agent needs InvokeAI 6.0 or later")
        # Newest first are all items with this batch id.
        item = {"item_id": max(receipt["item_ids"]), "batch_id": receipt["batch"]["batch_id"]}
        return item, receipt["batch"]["graph"]

    async def counts(self, batch_id: str) -> Mapping[str, Any]:
        """How many items with this batch id are in each state, and in `total`."""
        return await self._get(f"{PATH}/b/{batch_id}/status")

    async def item(self, item_id: int) -> Item:
        """One item with its session."""
        return await self._get(f"{PATH}/i/{item_id}")

    async def cancel(self, item: Item) -> None:
        """Cancel an item; a running step ends within a second."""
        await self._http.call("PUT", f"{PATH}/i/{item['item_id']}/cancel")

    async def delete(self, item: Item) -> None:
        """Delete an item that has ended."""
        await self._http.call("DELETE", f"{PATH}/i/{item['item_id']}")

    async def _get(self, path: str) -> Mapping[str, Any]:
        response = await self._http.call("GET", path)
        if not response.ok or response.content_type != JSON:
            raise RuntimeUnavailable("runtime_error", f"HTTP {response.status} for {path}")
        document = response.json()
        return document if isinstance(document, Mapping) else {}


def is_broken(item: Item) -> bool:
    """Whether the item ended without its outputs."""
    return item.get("status") in ("failed", "canceled")


def newest(items: Sequence[Item]) -> int:
    """The id of the item that was queued last."""
    return max(int(item["item_id"]) for item in items)
