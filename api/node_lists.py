"""Checks workflows against the nodes that agents of their runtime wrote, and models against their bucket."""

import json
import logging
import math
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from queue_agent.task.protocol import (
    NODES_DAYS,
    NODES_MAX_BYTES,
    NODES_MAX_JSON_BYTES,
    nodes_expire,
    nodes_key,
)

from api.node_checks import NodeError, Nodes, node_errors
from api.settings import Runtime

_logger = logging.getLogger("api")
# For this long the nodes that were read, or that there are none, are believed.
_BELIEVED_SECONDS, _ABSENT_SECONDS = 60.0, 2.0
# Nodes of so many runtimes are kept in memory.
_MAX_STORED = 16
# So many files are remembered as being in their bucket, for as long as nodes are believed.
_MAX_FOUND = 1000
# Pages of 1,000 objects in which a model is looked for.
_MODEL_PAGES = 10
_GZIP = 31


@dataclass(frozen=True)
class _Stored:
    """The nodes of a runtime as they were read, and when (monotonic)."""

    nodes: Nodes | None
    read: float

    @property
    def believed(self) -> bool:
        """Whether they need not be read again."""
        seconds = _ABSENT_SECONDS if self.nodes is None else _BELIEVED_SECONDS
        return time.monotonic() - self.read < seconds


class NodeLists:
    """The nodes of all ComfyUI runtimes, kept between requests."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self._stored: dict[Runtime, _Stored] = {}
        self._found: dict[tuple[Runtime, str], float] = {}

    def errors(self, runtime: Runtime, workflow: Mapping[str, Any]) -> list[NodeError]:
        """What is wrong with a workflow in API format; nothing as long as the nodes are not known.

        Before it is refused, the nodes are read again, and the bucket is asked for models.
        """
        stored, again = self._stored.get(runtime), False
        if stored is None or not stored.believed:
            stored, again = self._read(runtime), True
        errors = _errors(workflow, stored.nodes)
        if errors and not again:
            errors = _errors(workflow, self._read(runtime).nodes)
        files = {error.file for error in errors if error.file}
        absent = self.absent(runtime, files) if files else set()
        return [error for error in errors if not error.file or error.file in absent]

    def _read(self, runtime: Runtime) -> _Stored:
        """Read the nodes of a runtime. What cannot be read is as if it were not there: the agent is next."""
        try:
            nodes = self._nodes(runtime)
        except (BotoCoreError, ClientError, LookupError, ValueError, zlib.error) as error:
            _logger.warning("the nodes of %s were not read: %s", runtime.name, error)
            nodes = None
        if len(self._stored) >= _MAX_STORED:
            self._stored.clear()
        stored = self._stored[runtime] = _Stored(nodes, time.monotonic())
        return stored

    def _nodes(self, runtime: Runtime) -> Nodes | None:
        try:
            response = self._s3.get_object(Bucket=runtime.bucket, Key=nodes_key(runtime.image))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        age = time.time() - response["LastModified"].timestamp()
        if nodes_expire(runtime.image) and age > NODES_DAYS * 86_400:
            return None
        if response["ContentLength"] > NODES_MAX_BYTES:
            return None
        decompress = zlib.decompressobj(_GZIP)
        text = decompress.decompress(response["Body"].read(), NODES_MAX_JSON_BYTES)
        document = json.loads(text) if decompress.eof else None
        if not isinstance(document, dict) or not isinstance(document["classes"], dict):
            return None
        return Nodes(document["classes"], frozenset(document["replaced"]))

    def absent(self, runtime: Runtime, files: set[str]) -> set[str]:
        """Those of the files that the bucket of the models does not have, in any folder.

        One that was there is believed to be for a minute; in a bucket that cannot be listed, every one is.
        """
        now = time.monotonic()
        asked = {
            name for name in files if now - self._found.get((runtime, name), -math.inf) > _BELIEVED_SECONDS
        }
        absent = self._not_listed(runtime, asked) if asked and runtime.models_bucket else set()
        if len(self._found) + len(asked) > _MAX_FOUND:
            self._found.clear()
        self._found |= dict.fromkeys(((runtime, name) for name in asked - absent), now)
        return absent

    def _not_listed(self, runtime: Runtime, files: set[str]) -> set[str]:
        absent, request = set(files), {"Bucket": runtime.models_bucket, "Prefix": runtime.models_prefix}
        try:
            for _ in range(_MODEL_PAGES):
                page = self._s3.list_objects_v2(**request)
                keys = [f"/{item['Key']}" for item in page.get("Contents", [])]
                absent = {name for name in absent if not any(_is_file(key, name) for key in keys)}
                if not page.get("IsTruncated"):
                    return absent
                request["ContinuationToken"] = page["NextContinuationToken"]
        except (BotoCoreError, ClientError) as error:
            _logger.warning("the models of %s were not listed: %s", runtime.name, error)
        return set()


def _errors(workflow: Mapping[str, Any], nodes: Nodes | None) -> list[NodeError]:
    try:
        return node_errors(workflow, nodes) if nodes is not None else []
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # An extension may describe its nodes in a way of its own.
        _logger.warning("the nodes could not be compared: %r", error)
        return []


def _is_file(key: str, name: str) -> bool:
    """Whether a key is that of a file that a workflow names; a name without extension may be of several."""
    name = name.replace("\\", "/")
    return key.endswith(f"/{name}") or ("." not in name.rpartition("/")[2] and f"/{name}" in key)
