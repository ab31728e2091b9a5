"""Keeps the runtime's nodes in the bucket: with them the API checks workflows before a GPU is started."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

from queue_agent.blobs import Blob
from queue_agent.flow.services import Services
from queue_agent.flow.stages import exception_of
from queue_agent.ops.logs import log
from queue_agent.task.protocol import NODES_MAX_BYTES, NODES_MAX_JSON_BYTES, nodes_key

# The object of a tag expires; models come and go, too.
REPEAT_SECONDS = 86_400.0
# After a failure, doubled each time, up to the period above.
RETRY_SECONDS = 5.0


async def keep_nodes(services: Services, available: asyncio.Event) -> None:
    """Write the nodes once the runtime is ready and again each day, or soon after a failure. Never raises."""
    retry = RETRY_SECONDS
    while services.settings.runtime_image:
        await available.wait()
        if (error := await exception_of(write_nodes(services))) is None:
            retry = RETRY_SECONDS
            await asyncio.sleep(REPEAT_SECONDS)
        else:
            # Without them the API accepts what the runtime refuses later.
            log.warning("the nodes of the runtime were not written", extra={"error": repr(error)[:200]})
            await asyncio.sleep(retry)
            retry = min(2 * retry, REPEAT_SECONDS)


async def write_nodes(services: Services) -> None:
    """Write the nodes of the runtime, unless the same were written today."""
    nodes = await services.adapter.nodes()
    data = None if nodes is None else await asyncio.to_thread(_packed, nodes)
    if data is None:
        return
    key = nodes_key(services.settings.runtime_image)
    stored = await services.store.read(key)
    if stored is None or stored.data != data or stored.age >= REPEAT_SECONDS:
        await services.store.put(key, Blob(data), "application/gzip")
        log.info("the nodes of the runtime were written", extra={"key": key, "bytes": len(data)})


def _packed(nodes: Mapping[str, Any]) -> bytes | None:
    """The nodes as gzipped JSON, the same bytes for the same nodes; None where the API could not read it."""
    text = json.dumps(nodes, sort_keys=True, separators=(",", ":")).encode()
    data = gzip.compress(text, mtime=0)
    if len(text) > NODES_MAX_JSON_BYTES or len(data) > NODES_MAX_BYTES:
        log.warning(
            "the runtime has too many nodes for the API to check workflows", extra={"bytes": len(text)}
        )
        return None
    return data
