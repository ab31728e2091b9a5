"""The model bucket: what an object is, and where its bytes can be read."""

import base64
import html
import http.client
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import get_cert_path

from queue_agent.models.parts import Version

TIMEOUT_SECONDS = 20.0
URL_SECONDS = 3600
# STS may not know a new role yet, and the agent of EKS Pod Identity may start after this container. Less than
# a program waits for (SILENCE_SECONDS of direct_models.py).
CREDENTIALS_SECONDS, CREDENTIALS_PAUSE = 45.0, 3.0
# Of the XML in which S3 says why it refuses a request.
ERROR_BYTES = 4096
CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 4, "mode": "standard"})


class ModelError(Exception):
    """A file cannot be downloaded; the text says why."""


class Bucket:
    """One bucket. Objects are read by signed URLs and plain connections: the SDK needs far more CPU time."""

    def __init__(self, name: str, region: str, endpoint: str | None) -> None:
        self._name, self._region, self._endpoint = name, region, endpoint
        self._made: Any = None

    def version(self, key: str) -> Version:
        """The object as it is now. Raises ModelError."""
        try:
            head = self._client().head_object(Bucket=self._name, Key=key, ChecksumMode="ENABLED")
        except (BotoCoreError, ClientError) as error:
            raise ModelError(f"s3://{self._name}/{key}: {self._reason(key, error)}") from error
        return version_of(head)

    def url(self, key: str) -> str:
        """A URL at which the object can be read for an hour, or as long as the role's session lasts.

        Waits for credentials. Raises ModelError when there are none.
        """
        until = time.monotonic() + CREDENTIALS_SECONDS
        parameters = {"Bucket": self._name, "Key": key}
        while True:
            try:
                signed = self._client().generate_presigned_url(
                    "get_object", parameters, ExpiresIn=URL_SECONDS
                )
                return str(signed)
            except (BotoCoreError, ClientError) as error:
                self._made = None  # a client without credentials never looks for them again
                if time.monotonic() >= until:
                    raise ModelError(f"s3://{self._name}/{key}: no credentials: {error}") from error
            time.sleep(CREDENTIALS_PAUSE)

    def _client(self) -> Any:
        self._made = self._made or botocore.session.get_session().create_client(
            "s3", region_name=self._region, endpoint_url=self._endpoint, config=CONFIG
        )
        return self._made

    def _reason(self, key: str, error: Exception) -> str:
        """Why S3 refuses an object. An answer to HeadObject has no text: only that to GetObject tells."""
        if not isinstance(error, ClientError) or error.response["Error"].get("Code") != "403":
            return str(error)
        try:
            self._client().get_object(Bucket=self._name, Key=key, Range="bytes=0-0")["Body"].close()
        except (BotoCoreError, ClientError) as told:
            return str(told)
        return str(error)


def refusal(body: bytes) -> str:
    """Code and message of S3's XML, in which it says why it refuses a request; empty if it has none."""
    text = body.decode("utf-8", "replace")
    found = (re.search(f"<{name}>([^<]*)</{name}>", text) for name in ("Code", "Message"))
    return ": ".join(html.unescape(match[1]) for match in found if match)


def version_of(head: Mapping[str, object]) -> Version:
    """What an answer to HeadObject says; checksums of a multipart upload's parts are of no use here."""
    whole = head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    crc32, sha256 = (
        str(head[name]) if whole and name in head and "-" not in str(head[name]) else None
        for name in ("ChecksumCRC32", "ChecksumSHA256")
    )
    return Version(
        size=int(str(head["ContentLength"])),
        etag=str(head["ETag"]),
        crc32=None if crc32 is None else int.from_bytes(base64.b64decode(crc32), "big"),
        sha256=None if sha256 is None else base64.b64decode(sha256),
    )


def connect(url: str) -> http.client.HTTPConnection:
    """A connection to the host of a URL, which verifies the host as the SDK does."""
    parts = urlsplit(url)
    if parts.scheme == "http":  # an endpoint for tests
        return http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    context = ssl.create_default_context(cafile=get_cert_path(True))
    return http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS, context=context)
