"""The bucket's side of a copy: what is there, uploads in parts that can be continued, the record."""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from generator.aws import errors, explanation
from generator.models.web import PullError
from generator.solution.model_file import ModelObject

# S3 takes 10,000 parts, of 5 MiB to 5 GiB. https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PARTS_MAX, SMALLEST_PART = 10_000, 16 << 20
READ_BYTES = 16 << 20
# User-defined metadata has 2 KB at most.
METADATA_MAX = 400
ABSENT = ("404", "NoSuchKey", "NotFound")
OTHER_REGION = ("301", "PermanentRedirect", "AuthorizationHeaderMalformed")


@dataclass(frozen=True)
class Record:
    """Where an object comes from, as it is stored next to it.

    `sha256`: of the bytes that were read. `etag`: S3's, of the object that the record is about; empty while
    the upload `upload` is not complete. `replaces`: the ETag of the object that this upload will replace.
    `source_etag`: that of the source.
    """

    source: str
    page: str = ""
    revision: str = ""
    license: str = ""
    sha256: str = ""
    size: int = 0
    contents: str = ""
    etag: str = ""
    source_etag: str = ""
    upload: str = ""
    replaces: str = ""

    def is_about(self, etag: str) -> bool:
        """Whether `generator models pull` wrote the object with this ETag."""
        return etag in (self.etag, self.replaces)


@dataclass(frozen=True)
class Present:
    """An object that is in the bucket. `sha256`: as S3 has it, of whole objects only; else empty."""

    etag: str
    size: int
    sha256: str = ""


@dataclass
class Upload:
    """An upload in parts: those that S3 has, by their number, with size and CRC-32 (base64)."""

    id: str
    parts: dict[int, tuple[int, str, str]] = field(default_factory=dict)


def part_bytes(size: int) -> int:
    """The size of the parts of a file, the same in every run: multiples of 16 MiB."""
    return -(-size // (PARTS_MAX * SMALLEST_PART)) * SMALLEST_PART if size else SMALLEST_PART


class Store:
    """One object of a bucket. Its methods raise PullError."""

    def __init__(self, client: Any, target: ModelObject) -> None:
        self._client, self._target = client, target
        self._where = {"Bucket": target.bucket, "Key": target.key}

    def present(self) -> Present | None:
        """The object, if there is one."""
        try:
            head = self._client.head_object(**self._where, ChecksumMode="ENABLED")
        except errors.refusals() as error:
            if errors.code(error) in ABSENT:
                self._check_bucket()
                return None
            raise self._failed(error) from error
        checksum = str(head.get("ChecksumSHA256", ""))
        whole = "" if "-" in checksum else base64.b64decode(checksum).hex()
        return Present(head["ETag"], head["ContentLength"], whole)

    def record(self) -> Record | None:
        """The record next to the object; None if there is none, or none of ours."""
        try:
            answer = self._client.get_object(Bucket=self._target.bucket, Key=self._target.record)
            data = json.loads(answer["Body"].read(1 << 20))
        except errors.refusals() as error:
            if errors.code(error) in ABSENT:
                return None
            raise self._failed(error) from error
        except ValueError:
            return None
        names = {one.name: type(one.default) if one.name != "source" else str for one in fields(Record)}
        known = {name: data[name] for name in names if isinstance(data, dict) and name in data}
        well_formed = "source" in known and all(isinstance(known[name], names[name]) for name in known)
        return Record(**known) if well_formed else None

    def write_record(self, record: Record) -> None:
        """Write the record next to the object."""
        body = json.dumps({key: value for key, value in asdict(record).items() if value}, indent=2) + "\n"
        place = {"Bucket": self._target.bucket, "Key": self._target.record}
        self._call("put_object", **place, Body=body.encode(), ContentType="application/json")

    def put(self, data: bytes, record: Record) -> str:
        """Write a small object; its ETag."""
        answer = self._call(
            "put_object", **self._where, Body=data, ChecksumCRC32=crc32(data), Metadata=metadata(record)
        )
        return str(answer["ETag"])

    def begin(self, record: Record) -> Upload:
        """Begin an upload in parts; S3 will know the CRC-32 of the whole object."""
        answer = self._call(
            "create_multipart_upload",
            **self._where,
            ChecksumAlgorithm="CRC32",
            ChecksumType="FULL_OBJECT",
            Metadata=metadata(record),
        )
        return Upload(str(answer["UploadId"]))

    def resume(self, upload_id: str) -> Upload | None:
        """An upload that an earlier run began, with its parts; None if it is no longer there."""
        upload = Upload(upload_id)
        try:
            for page in self._client.get_paginator("list_parts").paginate(**self._where, UploadId=upload_id):
                for part in page.get("Parts", ()):
                    entry = (part["Size"], part.get("ChecksumCRC32", ""), part["ETag"])
                    upload.parts[part["PartNumber"]] = entry
        except errors.refusals() as error:
            if errors.code(error) in ("NoSuchUpload", *ABSENT):
                return None
            raise self._failed(error) from error
        return upload

    def send(self, upload: Upload, number: int, data: bytes) -> bool:
        """Send a part, unless S3 has it: whether it was sent."""
        crc = crc32(data)
        if upload.parts.get(number, (0, "", ""))[:2] == (len(data), crc):
            return False
        answer = self._call(
            "upload_part",
            **self._where,
            UploadId=upload.id,
            PartNumber=number,
            Body=data,
            ChecksumCRC32=crc,
        )
        upload.parts[number] = (len(data), crc, str(answer["ETag"]))
        return True

    def complete(self, upload: Upload, count: int) -> str:
        """Make the object of its first `count` parts; its ETag."""
        parts = [
            {"PartNumber": number, "ETag": upload.parts[number][2], "ChecksumCRC32": upload.parts[number][1]}
            for number in range(1, count + 1)
        ]
        answer = self._call(
            "complete_multipart_upload",
            **self._where,
            UploadId=upload.id,
            MultipartUpload={"Parts": parts},
        )
        return str(answer["ETag"])

    def abort(self, upload: Upload) -> None:
        """Drop an upload and its parts, if it is still there."""
        try:
            self._client.abort_multipart_upload(**self._where, UploadId=upload.id)
        except errors.refusals() as error:
            if errors.code(error) not in ("NoSuchUpload", *ABSENT):
                raise self._failed(error) from error

    def sha256(self, etag: str) -> str:
        """The SHA-256 of the object, which is read for it."""
        digest = hashlib.sha256()
        body = self._call("get_object", **self._where, IfMatch=etag)["Body"]
        try:
            while data := body.read(READ_BYTES):
                digest.update(data)
        except errors.refusals() as error:
            raise self._failed(error) from error
        return digest.hexdigest()

    def add_folder(self, key: str) -> None:
        """Create an empty folder, unless something is in it."""
        if not self._call("list_objects_v2", Bucket=self._target.bucket, Prefix=key, MaxKeys=1).get(
            "KeyCount"
        ):
            self._call("put_object", Bucket=self._target.bucket, Key=key, Body=b"")

    def _check_bucket(self) -> None:
        """S3 says of an object in a bucket that does not exist only that it is not there."""
        try:
            self._client.head_bucket(Bucket=self._target.bucket)
        except errors.refusals() as error:
            if errors.code(error) in ("404", "NoSuchBucket"):
                help = f"create it in the region of the solution: aws s3 mb s3://{self._target.bucket}"
                raise PullError(f"the bucket {self._target.bucket} does not exist", help) from error
            raise self._failed(error) from error

    def _call(self, operation: str, **parameters: Any) -> Any:
        try:
            return getattr(self._client, operation)(**parameters)
        except errors.refusals() as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> PullError:
        where, help = f"the bucket {self._target.bucket}", ""
        if errors.denied(error):
            help = (
                "allow it as iam/models-policy.json of the build does, and see the policies of bucket and key"
            )
        elif errors.code(error) in OTHER_REGION:
            help = (
                "the bucket is in another region: set its region in the config, or use a bucket of this one"
            )
        elif not errors.explained(error):
            help = "run it again: it continues"
        reason = explanation.one_line(error) if help else errors.reason(error)
        return PullError(f"{where}: {reason}", help, unreachable=True)


def metadata(record: Record) -> Mapping[str, str]:
    """What S3 keeps with the object: ASCII only, so other characters become `?`."""
    texts = {"source": record.source, "license": record.license, "sha256": record.sha256}
    ascii_texts = {
        name: text.encode("ascii", "replace").decode()[:METADATA_MAX] for name, text in texts.items()
    }
    return {name: " ".join(text.split()) for name, text in ascii_texts.items() if text}


def crc32(data: bytes) -> str:
    """The CRC-32 as S3 writes it."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
