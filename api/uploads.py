"""Uploads: a presigned URL for one file, and the address by which its owner's tasks name it."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

from queue_agent.task.protocol import UPLOAD_MAX_BYTES, s3_url, upload_folder

from api.problem import invalid_request
from api.records import LINK_SECONDS, Records
from api.schema import RUNTIME_NAME_PATTERN, Schema
from api.settings import Runtime
from api.state import timestamp
from api.validation import schema_errors

UPLOADS_PATH = "/v1alpha2/uploads"
UPLOAD_SCHEMA: Schema = {
    "type": "object",
    "required": ["runtime", "content_type", "bytes"],
    "additionalProperties": False,
    "properties": {
        "runtime": {
            "type": "string",
            "pattern": RUNTIME_NAME_PATTERN,
            "description": "The runtime whose tasks will name the file.",
        },
        "content_type": {
            "type": "string",
            "pattern": "^(image|video|audio)/[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$",
            "description": "The type of the file, such as image/png.",
        },
        "bytes": {
            "type": "integer",
            "exclusiveMinimum": 0,
            "maximum": UPLOAD_MAX_BYTES,
            "description": "The exact size of the file.",
        },
    },
}


def checked_upload(body: Any) -> Mapping[str, Any]:
    """The body of POST /v1alpha2/uploads. Raises `ProblemError`: 400."""
    errors = list(schema_errors(body, UPLOAD_SCHEMA, "" if isinstance(body, dict) else "body"))
    if errors:
        raise invalid_request(errors)
    return dict(body)


def new_upload(
    body: Mapping[str, Any], runtime: Runtime, records: Records, owner: str, seconds: int
) -> dict[str, Any]:
    """Where to put the file, and its address, which expires as records do, after `seconds`."""
    key = f"{upload_folder(owner)}{uuid.uuid4().hex}"
    size, content_type, now = int(body["bytes"]), str(body["content_type"]), time.time()
    return {
        "address": s3_url(runtime.bucket, key),
        "method": "PUT",
        "url": records.upload_link(key, size, content_type),
        "headers": {"content-type": content_type, "content-length": str(size)},
        "url_expires_at": timestamp(now + LINK_SECONDS),
        "expires_at": timestamp(now + seconds),
    }
