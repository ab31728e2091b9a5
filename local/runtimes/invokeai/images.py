"""The pictures that the InvokeAI simulation holds."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from PIL import Image


@dataclass(frozen=True)
class Stored:
    """One picture."""

    name: str
    data: bytes
    width: int
    height: int
    intermediate: bool
    metadata: Any
    origin: str

    def shown(self) -> dict[str, Any]:
        """Its record, as the API shows it."""
        time = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.000")
        return {
            "image_name": self.name,
            "image_url": f"api/v1/images/i/{self.name}/full",
            "thumbnail_url": f"api/v1/images/i/{self.name}/thumbnail",
            "image_origin": self.origin,
            "image_category": "user" if self.origin == "external" else "general",
            "width": self.width,
            "height": self.height,
            "created_at": time,
            "updated_at": time,
            "deleted_at": None,
            "is_intermediate": self.intermediate,
            "session_id": None,
            "node_id": None,
            "starred": False,
            "has_workflow": False,
            "image_subfolder": "",
            "board_id": None,
        }


class Images:
    """All of them, with the routes to them."""

    def __init__(self) -> None:
        self._kept: dict[str, Stored] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def add(
        self, data: bytes, *, intermediate: bool, metadata: Any = None, origin: str = "internal"
    ) -> Stored:
        """Keep a picture under a new name."""
        width, height = self.size(data)
        stored = Stored(f"{uuid.uuid4()}.png", data, width, height, intermediate, metadata, origin)
        self._kept[stored.name] = stored
        return stored

    def data(self, name: str) -> bytes:
        """The bytes of a picture."""
        return self._kept[name].data

    @staticmethod
    def size(data: bytes) -> tuple[int, int]:
        """Width and height, which a broken picture has not."""
        try:
            return Image.open(io.BytesIO(data)).size
        except OSError:
            return (0, 0)

    def routes(self) -> list[web.RouteDef]:
        """Everything under /api/v1/images."""
        one = "/api/v1/images/i/{name}"
        return [
            web.post("/api/v1/images/upload", self._upload),
            web.post("/api/v1/images/delete", self._delete_some),
            web.get("/api/v1/images/", self._list),
            web.get("/api/v1/boards/none/image_names", self._names),
            web.get(f"{one}/full", self._full),
            web.get(f"{one}/thumbnail", self._full),
            web.get(f"{one}/metadata", self._metadata),
            web.get(one, self._show),
            web.delete(one, self._delete),
        ]

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form.get("file")
        if not isinstance(file, web.FileField) or self.size(data := file.file.read()) == (0, 0):
            return web.json_response({"detail": "Failed to read image"}, status=415)
        hidden = request.query.get("is_intermediate") == "true"
        return web.json_response(self.add(data, intermediate=hidden, origin="external").shown(), status=201)

    async def _full(self, request: web.Request) -> web.Response:
        stored = self._kept.get(request.match_info["name"])
        if stored is None:
            return _unknown()
        return web.Response(body=stored.data, content_type="image/png")

    async def _show(self, request: web.Request) -> web.Response:
        stored = self._kept.get(request.match_info["name"])
        return web.json_response(stored.shown()) if stored else _unknown()

    async def _metadata(self, request: web.Request) -> web.Response:
        stored = self._kept.get(request.match_info["name"])
        return web.json_response(stored.metadata) if stored else _unknown()

    async def _list(self, request: web.Request) -> web.Response:
        hidden = {"true": True, "false": False}.get(request.query.get("is_intermediate", ""))
        found = [image.shown() for image in self._kept.values() if hidden in (None, image.intermediate)]
        page = {"limit": 10, "offset": 0, "total": len(found), "items": found}
        return web.json_response(page)

    async def _names(self, _: web.Request) -> web.Response:
        """The pictures on no board; there are no boards here."""
        return web.json_response([image.name for image in self._kept.values() if not image.intermediate])

    async def _delete(self, request: web.Request) -> web.Response:
        return self._gone([request.match_info["name"]])

    async def _delete_some(self, request: web.Request) -> web.Response:
        return self._gone((await request.json())["image_names"])

    def _gone(self, names: list[str]) -> web.Response:
        gone = [name for name in names if self._kept.pop(name, None) is not None]
        failed = [name for name in names if name not in gone]
        return web.json_response(
            {"affected_boards": ["none"], "deleted_images": gone, "failed_images": failed}
        )


def _unknown() -> web.Response:
    return web.json_response({"detail": "Image not found"}, status=404)
