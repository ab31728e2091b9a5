"""The JSON objects of tasks in a runtime's bucket, and links to results. Conditional writes decide races."""

import json
from collections.abc import Mapping
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


@dataclass(frozen=True)
class ObjectHead:
    """Size in bytes, type, Unix time of the last write and metadata of an object."""

    size: int
    content_type: str
    modified: float
    metadata: Mapping[str, str]


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

    def upload_link(self, key: str, size: int, content_type: str) -> str:
        """A presigned URL by which anyone may write the object, of exactly this size and type."""
        # Both are headers that are signed: S3 refuses a request with others.
        params = {
            "Bucket": self._bucket,
            "Key": key,
            "ContentLength": size,
            "ContentType": content_type,
        }
        return str(self._s3.generate_presigned_url("put_object", Params=params, ExpiresIn=LINK_SECONDS))

    def names(self, folder: str, after: str, count: int) -> list[str]:
        """The names of at most `count` objects of a folder, in order, after the name `after`."""
        start = {"StartAfter": folder + after} if after else {}
        answer = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=folder, MaxKeys=count, **start)
        return [item["Key"].removeprefix(folder) for item in answer.get("Contents", [])]

    def look(self, key: str) -> ObjectHead | None:
        """What S3 knows about an object, without its content; None when there is none."""
        try:
            response = self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT_CODES:
                return None
            raise
        return ObjectHead(
            response["ContentLength"],
            response["ContentType"],
            response["LastModified"].timestamp(),
            response["Metadata"],
        )

    def upload(self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        """Write a file of a client."""
        self._s3.put_object(
            Bucket=self._bucket, Key=key, Body=data, ContentType=content_type, Metadata=metadata
        )

    def refresh(self, key: str, head: ObjectHead) -> None:
        """Let an object be as old as a new one, for its expiration."""
        self._s3.copy_object(
            Bucket=self._bucket,
            Key=key,
            CopySource={"Bucket": self._bucket, "Key": key},
            ContentType=head.content_type,
            Metadata=head.metadata,
            MetadataDirective="REPLACE",
        )

    def delete(self, key: str) -> None:
        """Delete an object, whether or not there is one."""
        self._s3.delete_object(Bucket=self._bucket, Key=key)

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
