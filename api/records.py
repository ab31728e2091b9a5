"""The JSON objects of tasks in a runtime's bucket, and links to results. Conditional writes decide races."""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

# A link expires after this time, or earlier with the function's own credentials.
LINK_SECONDS = 3600
ABSENT_CODES = ("NoSuchKey", "404")
CONFLICT_CODES = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


@dataclass(frozen=True)
class StoredObject:
    """The value of a JSON object, and the version that was read."""

    value: dict[str, Any]
    etag: str


class Records:
    """The JSON objects of one bucket. Every method may raise `ClientError` or `BotoCoreError`."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, key: str) -> StoredObject | None:
        """The object; None when there is none."""
        try:
            response = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT_CODES:
                return None
            raise
        return StoredObject(json.loads(response["Body"].read()), response["ETag"])

    def create(self, key: str, value: dict[str, Any]) -> bool:
        """Write a new object; False when there is one already."""
        return self._put(key, value, IfNoneMatch="*")

    def replace(self, key: str, value: dict[str, Any], etag: str) -> bool:
        """Replace the version that was read; False when the object has changed since."""
        return self._put(key, value, IfMatch=etag)

    def overwrite(self, key: str, value: dict[str, Any]) -> None:
        """Write an object, whether or not there is one."""
        self._put(key, value)

    def link(self, key: str) -> str:
        """A presigned URL by which anyone may read the object, for at most LINK_SECONDS."""
        params = {"Bucket": self._bucket, "Key": key}
        return str(self._s3.generate_presigned_url("get_object", Params=params, ExpiresIn=LINK_SECONDS))

    def _put(self, key: str, value: dict[str, Any], **condition: str) -> bool:
        body = json.dumps(value).encode()
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/json", **condition
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in CONFLICT_CODES:
                return False
            raise
        return True
