"""The bucket of the runtime: outputs, and the small objects that are written only if nobody was faster."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from queue_agent.aws.retry import Note, code_of, insist

ABSENT = ("NoSuchKey", "NotFound", "404")
LOST = ("PreconditionFailed", "412")
# Hashing this much takes about a millisecond: more is done in a thread, so that the GPU's next task starts.
INLINE_HASH_BYTES = 2**20


class Lost(Exception):  # noqa: N818 (the outcome of a race)
    """Somebody else wrote the object first."""


@dataclass(frozen=True)
class Stored:
    """An object and the version of it that was read."""

    data: bytes
    etag: str


class Store:
    """One bucket."""

    def __init__(self, s3: Any, bucket: str, seconds: float, note: Note) -> None:
        self._s3 = s3
        self._seconds = seconds
        self._note = note
        self.bucket = bucket

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write an object, whatever was there."""
        await self._put(key, data, content_type, {}, self._seconds)

    async def create(self, key: str, data: bytes, seconds: float | None = None) -> str:
        """Write a JSON object that must not be there yet; its ETag. Raises `Lost`."""
        return await self._put_json(key, data, {"IfNoneMatch": "*"}, seconds)

    async def replace(self, key: str, data: bytes, etag: str, seconds: float | None = None) -> str:
        """Write a JSON object over the version that was read; the new ETag. Raises `Lost`."""
        return await self._put_json(key, data, {"IfMatch": etag}, seconds)

    async def read(self, key: str) -> Stored | None:
        """The object, or None."""

        async def get() -> Stored:
            answer = await self._s3.get_object(Bucket=self.bucket, Key=key)
            async with answer["Body"] as body:
                return Stored(await body.read(), answer["ETag"])

        try:
            return await insist("GetObject", get, self._seconds, self._note)
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise

    async def _put_json(self, key: str, data: bytes, condition: dict[str, str], seconds: float | None) -> str:
        patience = self._seconds if seconds is None else seconds
        try:
            return await self._put(key, data, "application/json", condition, patience)
        except ClientError as error:
            # IfMatch on an object that is gone answers 404.
            if code_of(error) in LOST + ABSENT:
                raise Lost(key) from error
            raise

    async def _put(
        self, key: str, data: bytes, content_type: str, condition: dict[str, str], patience: float
    ) -> str:
        answer = await insist(
            "PutObject",
            lambda: self._s3.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, **condition
            ),
            patience,
            self._note,
        )
        return str(answer["ETag"])


async def sha256(data: bytes) -> str:
    """The digest of an output."""
    if len(data) <= INLINE_HASH_BYTES:
        return hashlib.sha256(data).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
