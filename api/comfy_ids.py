"""The ids of the Comfy API v2: UUIDs of which each says what it is of. Pure, but for random numbers.

A job's id ends in 0000; the id of its output number n is the same with n there. An uploaded asset has a UUID
of version 8, made from its owner and its hash, so that the same bytes get the same id.
"""

import hashlib
import os
import re
import uuid

_OUTPUT_DIGITS = 4
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-([48])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
HASH_PATTERN = "^blake3:[0-9a-f]{64}$"
_HASH = re.compile(HASH_PATTERN, re.IGNORECASE)


def new_job_id() -> str:
    """The id of a job that was sent without an idempotency key: 106 random bits."""
    return _job_uuid(os.urandom(16))


def job_id_of_key(owner: str, runtime: str, key: str) -> str:
    """The id of the job that was sent with this idempotency key: the same key finds the same job."""
    return _job_uuid(hashlib.sha256("\0".join([owner, runtime, key]).encode()).digest()[:16])


def asset_id_of(owner: str, digest: str) -> str:
    """The id of the asset with this BLAKE3 hash in hexadecimal."""
    return _uuid(hashlib.sha256(f"{owner}\0{digest}".encode()).digest()[:16], 8)


def output_id(job_id: str, number: int) -> str:
    """The id of a job's output, counted from 1."""
    return f"{job_id[:-_OUTPUT_DIGITS]}{number:0{_OUTPUT_DIGITS}x}"


def is_job_id(text: str) -> bool:
    """Whether a job can have this id."""
    return _version(text) == "4" and text.endswith("0" * _OUTPUT_DIGITS)


def is_upload_id(text: str) -> bool:
    """Whether an uploaded asset can have this id."""
    return _version(text) == "8"


def job_of_output(text: str) -> tuple[str, int] | None:
    """The job and the number of the output with this id; None when no output can have it."""
    number = int(text[-_OUTPUT_DIGITS:], 16) if _version(text) == "4" else 0
    return (text[:-_OUTPUT_DIGITS] + "0" * _OUTPUT_DIGITS, number) if number else None


def digest_of(text: str) -> str | None:
    """The hexadecimal digits of `blake3:…`; None when it is not one."""
    return text.partition(":")[2].lower() if _HASH.fullmatch(text) else None


def _version(text: str) -> str:
    match = _UUID.fullmatch(text)
    return match[1] if match else ""


def _job_uuid(data: bytes) -> str:
    return _uuid(data[:14] + b"\0\0", 4)


def _uuid(data: bytes, version: int) -> str:
    marked = bytearray(data)
    marked[6] = marked[6] & 0x0F | version << 4
    marked[8] = marked[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(marked)))
