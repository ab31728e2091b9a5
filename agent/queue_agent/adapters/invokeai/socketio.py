"""The part of Socket.IO over a WebSocket that is needed to receive events.

Protocol: https://socket.io/docs/v4/socket-io-protocol/ on https://socket.io/docs/v4/engine-io-protocol/.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType

QUERY = {"EIO": "4", "transport": "websocket"}
# Packet types of Engine.IO; a message (4) is followed by the packet type of Socket.IO.
OPEN, PING, PONG, CONNECT, EVENT = "0", "2", "3", "40", "42"


async def events(
    socket: ClientWebSocketResponse, emit: str, data: object
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The name and data of every event, after the event `emit` has been sent with `data`."""
    async for frame in socket:
        text = str(frame.data) if frame.type is WSMsgType.TEXT else ""
        if text.startswith(OPEN):
            await socket.send_str(CONNECT)
        elif text.startswith(CONNECT):
            await socket.send_str(EVENT + json.dumps([emit, data]))
        elif text == PING:
            await socket.send_str(PONG)
        elif text.startswith(EVENT):
            name, payload, *_ = json.loads(text.removeprefix(EVENT))
            yield str(name), payload
