"""The events of the InvokeAI simulation: Socket.IO over WebSockets, for all subscribers."""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import Any

from aiohttp import WSMsgType, web

OPENED = {"upgrades": [], "pingTimeout": 20000, "pingInterval": 25000, "maxPayload": 1_000_000}


class Events:
    """The subscribers of the queue's events."""

    def __init__(self) -> None:
        self._subscribers: set[web.WebSocketResponse] = set()

    def routes(self) -> list[web.RouteDef]:
        """The endpoint of Socket.IO; it supports no polling."""
        return [web.get("/ws/socket.io/", self._connect)]

    async def send(self, name: str, data: dict[str, Any]) -> None:
        """Send an event to all subscribers."""
        text = "42" + json.dumps([name, {"queue_id": "default", **data}])
        for subscriber in list(self._subscribers):
            with contextlib.suppress(ConnectionError):  # closed meanwhile
                await subscriber.send_str(text)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("transport") != "websocket":
            return web.json_response({"code": 0, "message": "Transport unknown"}, status=400)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("0" + json.dumps({"sid": uuid.uuid4().hex, **OPENED}))
        async for frame in socket:
            text = str(frame.data) if frame.type is WSMsgType.TEXT else ""
            if text == "40":
                await socket.send_str("40" + json.dumps({"sid": uuid.uuid4().hex}))
            elif text.startswith("42") and json.loads(text[2:])[0] == "subscribe_queue":
                self._subscribers.add(socket)
        self._subscribers.discard(socket)
        return socket
