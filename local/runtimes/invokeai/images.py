"""The pictures and videos of the InvokeAI simulation."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from PIL import Image

# The beginning of an MP4 file, which is all that the simulation makes.
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(64)


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

    def to_json(self) -> dict[str, Any]:
        """The picture's record in the API."""
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
    """All pictures by name, and their routes."""

    def __init__(self) -> None:
        self._images: dict[str, Stored] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._images

    def add(
        self, data: bytes, *, intermediate: bool, metadata: Any = None, origin: str = "internal"
    ) -> Stored:
        """Store a picture under a new name."""
        width, height = self.size(data)
        stored = Stored(f"{uuid.uuid4()}.png", data, width, height, intermediate, metadata, origin)
        self._images[stored.name] = stored
        return stored

    def data(self, name: str) -> bytes:
        """The bytes of a picture."""
        return self._images[name].data

    @staticmethod
    def size(data: bytes) -> tuple[int, int]:
        """Width and height in pixels; (0, 0) if the picture cannot be read."""
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
        return web.json_response(self.add(data, intermediate=hidden, origin="external").to_json(), status=201)

    async def _full(self, request: web.Request) -> web.Response:
        stored = self._images.get(request.match_info["name"])
        if stored is None:
            return _not_found()
        return web.Response(body=stored.data, content_type="image/png")

    async def _show(self, request: web.Request) -> web.Response:
        stored = self._images.get(request.match_info["name"])
        return web.json_response(stored.to_json()) if stored else _not_found()

    async def _metadata(self, request: web.Request) -> web.Response:
        stored = self._images.get(request.match_info["name"])
        return web.json_response(stored.metadata) if stored else _not_found()

    async def _list(self, request: web.Request) -> web.Response:
        hidden = {"true": True, "false": False}.get(request.query.get("is_intermediate", ""))
        items = [image.to_json() for image in self._images.values() if hidden in (None, image.intermediate)]
        page = {"limit": 10, "offset": 0, "total": len(items), "items": items}
        return web.json_response(page)

    async def _names(self, _: web.Request) -> web.Response:
        """The pictures without a board; the simulation has no boards."""
        return web.json_response([image.name for image in self._images.values() if not image.intermediate])

    async def _delete(self, request: web.Request) -> web.Response:
        return self._remove([request.match_info["name"]])

    async def _delete_some(self, request: web.Request) -> web.Response:
        return self._remove((await request.json())["image_names"])

    def _remove(self, names: list[str]) -> web.Response:
        deleted = [name for name in names if self._images.pop(name, None) is not None]
        failed = [name for name in names if name not in deleted]
        return web.json_response(
            {"affected_boards": ["none"], "deleted_images": deleted, "failed_images": failed}
        )


@dataclass(frozen=True)
class Video:
    """One video."""

    name: str
    data: bytes


class Videos:
    """All videos by name, and their routes."""

    def __init__(self) -> None:
        self._videos: dict[str, Video] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._videos

    def add(self, data: bytes = MP4) -> Video:
        """Store a video under a new name."""
        video = Video(f"{uuid.uuid4()}.mp4", data)
        self._videos[video.name] = video
        return video

    def routes(self) -> list[web.RouteDef]:
        """The part of /api/v1/videos that the queue agent calls."""
        return [
            web.post("/api/v1/videos/upload", self._upload),
            web.post("/api/v1/videos/delete", self._delete),
            web.get("/api/v1/videos/", self._list),
            web.get("/api/v1/videos/i/{name}/full", self._full),
            web.get("/api/v1/videos/i/{name}/metadata", self._metadata),
        ]

    async def _upload(self, request: web.Request) -> web.Response:
        file = (await request.post()).get("file")
        data = file.file.read() if isinstance(file, web.FileField) else b""
        if data[4:8] != b"ftyp":
            return web.json_response({"detail": "Not an MP4 video file"}, status=415)
        return web.json_response({"video_name": self.add(data).name}, status=201)

    async def _full(self, request: web.Request) -> web.Response:
        video = self._videos.get(request.match_info["name"])
        return web.Response(body=video.data, content_type="video/mp4") if video else _not_found()

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response(None) if request.match_info["name"] in self else _not_found()

    async def _list(self, _: web.Request) -> web.Response:
        items = [{"video_name": name} for name in self._videos]
        return web.json_response({"limit": 10, "offset": 0, "total": len(items), "items": items})

    async def _delete(self, request: web.Request) -> web.Response:
        names = (await request.json())["video_names"]
        deleted = [name for name in names if self._videos.pop(name, None) is not None]
        return web.json_response(
            {"affected_boards": ["none"], "deleted_videos": deleted, "failed_videos": []}
        )


def _not_found() -> web.Response:
    return web.json_response({"detail": "Image not found"}, status=404)
