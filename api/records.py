"""The records of tasks in a runtime's bucket, and links to results. S3 is the referee of races."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

# A link outlives neither this nor the function's own credentials.
LINK_SECONDS = 3600
ABSENT = ("NoSuchKey", "404")
LOST = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


@dataclass(frozen=True)
class StoredObject:
    """What an object says, and the version of it that was read."""

    value: dict[str, Any]
    etag: str


class Records:
    """The JSON objects of one bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, key: str) -> StoredObject | None:
        """An object, or nothing when there is none."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT:
                return None
            raise
        return StoredObject(json.loads(answer["Body"].read()), answer["ETag"])

    def create(self, key: str, value: dict[str, Any]) -> bool:
        """Write an object; false when there is one already."""
        return self._put(key, value, IfNoneMatch="*")

    def replace(self, key: str, value: dict[str, Any], etag: str) -> bool:
        """Write an object over the version that was read; false when it has changed since."""
        return self._put(key, value, IfMatch=etag)

    def overwrite(self, key: str, value: dict[str, Any]) -> None:
        """Write an object, whatever is there."""
        self._put(key, value)

    def link(self, key: str) -> str:
        """A URL by which anyone may read an object for a while."""
        where = {"Bucket": self._bucket, "Key": key}
        return str(self._s3.generate_presigned_url("get_object", Params=where, ExpiresIn=LINK_SECONDS))

    def _put(self, key: str, value: dict[str, Any], **condition: str) -> bool:
        body = json.dumps(value).encode()
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in LOST:
                return False
            raise
        return True


def request_key(task: str) -> str:
    """Where the API writes down what was asked."""
    return f".tasks/{task}/request.json"


def claim_key(task: str) -> str:
    """Where an agent writes down that it works on it, and the API that it was cancelled."""
    return f".tasks/{task}/claim.json"


def folder(prefix: str, task: str) -> str:
    """Where the results of a task are."""
    return f"{prefix}/{task}" if prefix else task
