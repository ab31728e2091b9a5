"""The files of the simulated ComfyUI: uploads, outputs and previews, in memory."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass, field

from aiohttp import web

# The beginnings of files that this simulation does not draw: enough to recognize them.
OTHER_FILES = {
    "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "webm": b"\x1a\x45\xdf\xa3" + b"\0" * 28 + b"webm",
    "flac": b"fLaC" + b"\0" * 38,
    "glb": b"glTF\2\0\0\0" + b"\0" * 8,
}


@dataclass
class Files:
    """The files of one server, by (name, subfolder, type); the type is input, output or temp."""

    content: dict[tuple[str, str, str], bytes] = field(default_factory=dict)

    def uploads(self) -> set[str]:
        """The names by which workflows load uploaded files."""
        inputs = (key for key in self.content if key[2] == "input")
        return {f"{folder}/{name}" if folder else name for name, folder, _ in inputs}

    def upload(self, path: str) -> bytes | None:
        """The uploaded file that a workflow names; None when there is none."""
        folder, _, name = path.rpartition("/")
        return self.content.get((name, folder, "input"))

    async def upload_file(self, request: web.Request) -> web.Response:
        """Answer `/upload/image`, which takes files of every kind."""
        form = await request.post()
        image = form["image"]
        if not isinstance(image, web.FileField):
            return web.Response(status=400)
        folder = str(form.get("subfolder", ""))
        self.content[image.filename, folder, "input"] = image.file.read()
        return web.json_response({"name": image.filename, "subfolder": folder, "type": "input"})

    async def view(self, request: web.Request) -> web.Response:
        """Answer `/view`."""
        query = request.query
        name, kind = query.get("filename", ""), query.get("type", "output")
        if not name or name.startswith("/") or ".." in name or kind not in ("output", "temp", "input"):
            return web.Response(status=400)
        if ".." in query.get("subfolder", ""):
            return web.Response(status=403)
        key = (name, query.get("subfolder", ""), kind)
        if key not in self.content:
            return web.Response(status=404)
        return web.Response(body=self.content[key], content_type=mimetypes.guess_type(name)[0] or "image/png")

    async def sweep(self, _: web.Request) -> web.Response:
        """Delete all files, as the loop of the chart's profile does after a while; not the cache."""
        self.content.clear()
        return web.Response()
