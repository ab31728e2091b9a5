"""The bucket of the runtime: outputs, and JSON objects that are written only if nobody else was first."""

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from queue_agent.aws.retry import OnRetry, call_with_retry, etag_of
from queue_agent.aws_errors import error_code
from queue_agent.blobs import Blob

ABSENT_CODES = ("NoSuchKey", "NotFound", "404")
# IfMatch on an object that has been deleted answers 404.
CONFLICT_CODES = ("PreconditionFailed", "412", *ABSENT_CODES)
# Hashing this much takes about a millisecond. More is hashed in a thread, so that the next task can start.
INLINE_HASH_BYTES = 2**20
# A link expires after this time, or earlier with the credentials of the pod.
LINK_SECONDS = 3600


@dataclass(frozen=True)
class StoredObject:
    """An object and the version that was read; `age` is in seconds since it was written, by S3's clock."""

    data: bytes
    etag: str
    age: float = 0.0


class Store:
    """One bucket. A failed call is retried for `retry_seconds`, then it raises `AwsUnavailable`."""

    def __init__(self, s3: Any, bucket: str, retry_seconds: float, on_retry: OnRetry) -> None:
        self._s3 = s3
        self._retry_seconds = retry_seconds
        self._on_retry = on_retry
        self.bucket = bucket

    async def put(self, key: str, data: Blob, content_type: str, digest: bytes = b"") -> None:
        """Write an object, whether or not there is one. S3 refuses other bytes than those of the SHA-256
        `digest`, if there is one.
        """
        checksum = {"ChecksumSHA256": base64.b64encode(digest).decode()} if digest else {}
        await self._put(key, data, content_type, checksum, self._retry_seconds, hold_permanent=False)

    async def create(self, key: str, data: bytes, retry_seconds: float | None = None) -> str | None:
        """Write a new JSON object and return its ETag; None when there is one already."""
        return await self._put_json(key, data, {"IfNoneMatch": "*"}, retry_seconds)

    async def replace(
        self, key: str, data: bytes, etag: str, retry_seconds: float | None = None
    ) -> str | None:
        """Replace the version `etag` of a JSON object and return the new ETag; None when it has changed."""
        return await self._put_json(key, data, {"IfMatch": etag}, retry_seconds)

    async def link(self, key: str) -> str:
        """A presigned URL by which anyone may read the object, for at most LINK_SECONDS. Asks nobody."""
        place = {"Bucket": self.bucket, "Key": key}
        return str(await self._s3.generate_presigned_url("get_object", place, ExpiresIn=LINK_SECONDS))

    async def read(self, key: str) -> StoredObject | None:
        """The object; None when there is none."""

        async def get() -> StoredObject:
            response = await self._s3.get_object(Bucket=self.bucket, Key=key)
            async with response["Body"] as body:
                return StoredObject(await body.read(), etag_of(response), _age(response))

        try:
            return await call_with_retry("GetObject", get, self._retry_seconds, self._on_retry)
        except ClientError as error:
            if error_code(error) in ABSENT_CODES:
                return None
            raise

    async def _put_json(
        self, key: str, data: bytes, condition: dict[str, str], retry_seconds: float | None
    ) -> str | None:
        seconds = self._retry_seconds if retry_seconds is None else retry_seconds
        try:
            return await self._put(key, Blob(data), "application/json", condition, seconds)
        except ClientError as error:
            if error_code(error) in CONFLICT_CODES:
                return None
            raise

    async def _put(
        self,
        key: str,
        data: Blob,
        content_type: str,
        headers: dict[str, str],
        retry_seconds: float,
        *,
        hold_permanent: bool = True,
    ) -> str:
        async def put() -> str:
            return etag_of(
                await self._s3.put_object(
                    Bucket=self.bucket, Key=key, Body=data.body(), ContentType=content_type, **headers
                )
            )

        return await call_with_retry(
            "PutObject", put, retry_seconds, self._on_retry, hold_permanent=hold_permanent
        )


def _age(response: dict[str, Any]) -> float:
    """The least number of seconds since an object was written. Both times are S3's, in whole seconds, so this
    machine's clock does not matter.
    """
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        now = parsedate_to_datetime(date)
    except ValueError:
        now = datetime.now(UTC)
    written: datetime = response["LastModified"]
    return max(0.0, (now - written).total_seconds() - 1.0)


async def sha256(data: Blob) -> bytes:
    """The SHA-256 digest."""
    return _sha256(data) if data.size <= INLINE_HASH_BYTES else await asyncio.to_thread(_sha256, data)


def _sha256(data: Blob) -> bytes:
    digest = hashlib.sha256()
    for chunk in data.chunks():
        digest.update(chunk)
    return digest.digest()
