"""Assets of the Comfy API v2: files that a client uploads, and the outputs of its jobs.

An upload is one object, `.assets/{owner}/{id}`, whose metadata holds its name and hash. It expires as task
records do; to upload or name the same bytes again makes it new. Each owner has bytes of its own: a hash does
not reveal what others have.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote

from queue_agent.task.protocol import asset_key, request_key, result_key

from api.blake3 import blake3_hex
from api.comfy_documents import Link
from api.comfy_errors import ComfyError, invalid, not_found
from api.comfy_ids import asset_id_of, digest_of, is_upload_id, job_of_output
from api.multipart import form_parts
from api.node_inputs import MODEL_EXTENSIONS
from api.records import ObjectHead, Records
from api.state import timestamp

MEDIA_TYPE_PATTERN = "^[A-Za-z0-9]+/[A-Za-z0-9.+-]+$"
_MAX_NAME_CHARACTERS = 255
_MAX_REFERENCES = 32  # of the agent, for one task
_NO_ASSET = "There is no such asset."
_IN_USE = "An output belongs to its job and is deleted with the runtime's bucket."


@dataclass(frozen=True)
class Assets:
    """The assets of one owner in a runtime's bucket; `seconds` is how long an upload stays."""

    records: Records
    owner: str
    seconds: int
    link: Callable[[str], Link]

    def upload(self, body: bytes, content_type: str) -> tuple[HTTPStatus, dict[str, Any]]:
        """Store the file of a form, unless it is there. Raises `ComfyError`."""
        try:
            parts = form_parts(body, content_type)
        except ValueError as error:
            raise invalid(f"The upload cannot be read: {error}.") from None
        file = next((part for part in parts if part.name == "file"), None)
        fields = {part.name: part.text for part in parts if part.name != "file"}
        if file is None:
            raise invalid("The form has no part `file`.")
        name = _checked_name(fields.get("file_path", ""))
        digest = blake3_hex(file.data)
        expected = fields.get("expected_hash")
        if expected is not None and digest_of(expected) != digest:
            message = f"The received bytes have the hash blake3:{digest}, not expected_hash."
            raise ComfyError(HTTPStatus.CONFLICT, "hash_mismatch", message)
        if existing := self._existing(digest):
            return HTTPStatus.OK, existing
        kind = fields.get("content_type") or file.content_type or "application/octet-stream"
        if not re.fullmatch(MEDIA_TYPE_PATTERN, kind):
            raise invalid("`content_type` must be a media type such as image/png.")
        metadata = {"name": quote(name), "digest": digest, "created": str(time.time())}
        asset_id = asset_id_of(self.owner, digest)
        self.records.upload(asset_key(self.owner, asset_id), file.data, kind, metadata)
        return HTTPStatus.CREATED, {**self.get(asset_id), "created_new": True}

    def from_hash(self, body: Any) -> dict[str, Any]:
        """The asset with the bytes of this hash. Raises `ComfyError`: 404 when the owner has none."""
        if not isinstance(body, dict) or not isinstance(body.get("hash"), str):
            raise invalid("The body must be a JSON object with the string `hash`.")
        digest = digest_of(body["hash"])
        existing = self._existing(digest) if digest else None
        if existing is None:
            raise not_found("There are no bytes with this hash: upload them.", "blob_not_found")
        return existing

    def has(self, text: str) -> bool:
        """Whether the owner has bytes with the hash `blake3:…`."""
        digest = digest_of(text)
        return digest is not None and self._head(asset_id_of(self.owner, digest)) is not None

    def get(self, asset_id: str) -> dict[str, Any]:
        """An upload or an output. Raises `ComfyError`: 404."""
        if (head := self._head(asset_id)) is not None:
            return self._document(asset_id, head)
        job_id, output, result = self._output(asset_id)
        link = self.link(output["key"])
        return {
            "id": asset_id,
            "hash": None,
            "size_bytes": output["bytes"],
            "content_type": output["content_type"],
            "file_path": output["key"].rpartition("/")[2],
            "created_at": timestamp(result.get("finished") or time.time()),
            "url": link.url,
            "url_expires_at": timestamp(link.expires),
            "job_id": job_id,
        }

    def content(self, asset_id: str) -> str:
        """A short-lived URL of the content. Raises `ComfyError`: 404."""
        return self.link(self._file(asset_id)["key"]).url

    def delete(self, asset_id: str) -> None:
        """Delete an upload. Raises `ComfyError`: 404, or 409 for an output."""
        if self._head(asset_id) is None:
            self._output(asset_id)
            raise ComfyError(HTTPStatus.CONFLICT, "asset_in_use", _IN_USE)
        self.records.delete(asset_key(self.owner, asset_id))

    def files(self, references: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
        """The file `{key, name}` of each asset that a workflow refers to. Raises `ComfyError`: 422."""
        files: dict[str, dict[str, str]] = {}
        missing: list[str] = []
        for reference in references:
            info = reference.get("info")
            asset_id = str(info.get("id", "")) if isinstance(info, dict) else ""
            if asset_id in files or asset_id in missing:
                continue
            if len(files) == _MAX_REFERENCES:
                raise invalid(
                    f"The workflow refers to more than {_MAX_REFERENCES} assets.", "invalid_workflow"
                )
            try:
                files[asset_id] = self._file(asset_id)
            except ComfyError:
                missing.append(asset_id)
        if missing:
            names = ", ".join(asset_id[:64] or "(no id)" for asset_id in missing)
            raise invalid(f"There is no asset {names}.", "missing_asset", missing_ids=missing)
        return files

    def _file(self, asset_id: str) -> dict[str, str]:
        if (head := self._head(asset_id)) is not None:
            return {"key": asset_key(self.owner, asset_id), "name": unquote(head.metadata["name"])}
        _, output, _ = self._output(asset_id)
        return {"key": output["key"], "name": output["key"].rpartition("/")[2]}

    def _head(self, asset_id: str) -> ObjectHead | None:
        return self.records.look(asset_key(self.owner, asset_id)) if is_upload_id(asset_id) else None

    def _existing(self, digest: str) -> dict[str, Any] | None:
        """The asset with these bytes, whose time starts again."""
        asset_id = asset_id_of(self.owner, digest)
        if (head := self._head(asset_id)) is None:
            return None
        self.records.refresh(asset_key(self.owner, asset_id), head)
        return {**self.get(asset_id), "created_new": False}

    def _output(self, asset_id: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The job, the output and the job's result. Raises `ComfyError`: 404."""
        place = job_of_output(asset_id)
        request = self.records.read(request_key(place[0])) if place else None
        if place is None or request is None or request.value.get("sender") != self.owner:
            raise not_found(_NO_ASSET)
        job_id, number = place
        result = self.records.read(result_key(request.value["metadata"]["prefix"], job_id))
        outputs = result.value.get("outputs", []) if result else []
        if result is None or number > len(outputs):
            raise not_found(_NO_ASSET)
        return job_id, outputs[number - 1], result.value

    def _document(self, asset_id: str, head: ObjectHead) -> dict[str, Any]:
        link = self.link(asset_key(self.owner, asset_id))
        return {
            "id": asset_id,
            "hash": f"blake3:{head.metadata['digest']}",
            "size_bytes": head.size,
            "content_type": head.content_type,
            "file_path": unquote(head.metadata["name"]),
            "created_at": timestamp(float(head.metadata["created"])),
            "url": link.url,
            "url_expires_at": timestamp(link.expires),
            "expires_at": timestamp(head.modified + self.seconds),
        }


def _checked_name(name: str) -> str:
    """The name of an uploaded file. Raises `ComfyError`."""
    if not name or len(name) > _MAX_NAME_CHARACTERS or not name.isprintable():
        raise invalid(f"`file_path` must have 1 to {_MAX_NAME_CHARACTERS} printable characters.")
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0]:
        raise invalid("`file_path` must be a relative path without `..`.")
    if name.lower().endswith(MODEL_EXTENSIONS) or parts[0] == "models":
        raise invalid("Model files are not uploaded here: put them into the models bucket of the runtime.")
    return name
