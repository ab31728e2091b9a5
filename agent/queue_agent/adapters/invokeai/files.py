"""The images and videos on an InvokeAI: inputs that are uploaded, outputs that are fetched and deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import FormData

from queue_agent.adapters.invokeai.graph import FILE_KINDS, File
from queue_agent.adapters.shared.http import Http
from queue_agent.adapters.shared.outputs import BrokenOutput, media_output
from queue_agent.contract import InputImage, Output, RuntimeUnavailable, TaskError

JSON = "application/json"


class Files:
    """The files of one server. Those uploaded for each batch are known until they are deleted."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._uploads: dict[str, list[File]] = {}

    async def upload(self, batch_id: str, kind: str, file: InputImage) -> str:
        """Upload an input; its name there. Raises `TaskError` when InvokeAI cannot read it."""
        form = FormData()
        name = f"{batch_id}.{file.extension}"
        form.add_field("file", file.data.reader(), filename=name, content_type=file.content_type)
        params = {f"{kind}_category": "user", "is_intermediate": "true"}
        response = await self._http.call("POST", f"{_folder(kind)}/upload", form=form, params=params)
        if response.status in (413, 415):
            raise TaskError(f"bad_{kind}", response.reason())
        if not response.ok or response.content_type != JSON:
            raise RuntimeUnavailable("upload_failed", f"{response.status}: {response.reason()}")
        name = str(response.json()[f"{kind}_name"])
        self._uploads.setdefault(batch_id, []).append(File(kind, name))
        return name

    async def fetch(self, file: File, metadata: Mapping[str, Any], max_bytes: int) -> Output:
        """An output of at most `max_bytes` with its metadata. Raises `BrokenOutput`."""
        path = f"{_folder(file.kind)}/i/{file.name}"
        response = await self._http.call("GET", f"{path}/full", max_output_bytes=max_bytes)
        if not response.ok:
            raise BrokenOutput(f"HTTP {response.status} for the {file.kind} {file.name}")
        details = await self._http.call("GET", f"{path}/metadata")
        recorded = details.json() if details.ok and details.content_type == JSON else None
        both = {**metadata, **({"metadata": recorded} if recorded else {})}
        return media_output(response.body, both, file.name)

    async def delete_uploads(self, batch_id: str) -> None:
        """Delete what was uploaded for a batch."""
        await self.delete(self._uploads.pop(batch_id, []))

    async def delete(self, files: Sequence[File]) -> None:
        """Delete these files."""
        for kind in FILE_KINDS:
            names = [file.name for file in files if file.kind == kind]
            if names:
                await self._http.call("POST", f"{_folder(kind)}/delete", payload={f"{kind}_names": names})


def _folder(kind: str) -> str:
    return f"/api/v1/{kind}s"
