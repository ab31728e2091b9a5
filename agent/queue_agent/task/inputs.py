"""Fetches the input images of a task by URL, only from public addresses and allowed buckets."""

import asyncio
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import (
    ClientConnectorDNSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)
from aiohttp import ClientError as HttpError
from aiohttp.abc import AbstractResolver
from botocore.exceptions import BotoCoreError, ClientError
from yarl import URL

from queue_agent.aws_errors import error_code, is_permanent
from queue_agent.blobs import Blob, Scratch
from queue_agent.concurrency import gather_or_cancel
from queue_agent.contract import FieldPath, InputImage, RuntimeUnavailable, TaskError
from queue_agent.task.addresses import RefusedAddressError
from queue_agent.task.assets import Reference
from queue_agent.task.images import look, look_any
from queue_agent.task.input_urls import checked_url, urls_in, without_query
from queue_agent.task.protocol import DEFAULT_SENDER, upload_folder
from queue_agent.task.public_addresses import is_public
from queue_agent.task.url_rules import bucket_problem

MAX_REDIRECTS = 5
# The total size of the inputs of one task, as a multiple of the maximum for one input, and at most.
MAX_INPUTS_PER_TASK = 4
MAX_TOTAL_BYTES = 2**30
MAX_INPUTS = 32
# Parallel downloads of one task.
PARALLEL_DOWNLOADS = 4
CHUNK_BYTES = 65536
# The name does not exist, or has no address: another attempt would get the same answer.
NO_SUCH_HOST = (socket.EAI_NONAME, socket.EAI_NODATA)
# As the HTTP API gives them.
UPLOAD_NAME = re.compile("[0-9a-f]{32}")
REDIRECT_STATUSES = (301, 302, 303, 307, 308)
# Besides 5xx, what another attempt may end: time-outs and limits.
PASSING_STATUSES = (408, 425, 429)

# A URL, and whether it is of a video or audio file; or a reference.
_Source = tuple[str, bool] | Reference


@dataclass(frozen=True)
class InputLimits:
    """The maximum size of one input, the duration of all of a task, and the buckets they may come from."""

    max_bytes: int
    seconds: float
    buckets: tuple[str, ...]
    own_bucket: str = ""  # of asset references

    def total_bytes(self, count: int) -> int:
        """The maximum size of so many inputs of one task together."""
        return min(self.max_bytes * min(count, MAX_INPUTS_PER_TASK), MAX_TOTAL_BYTES)


class Inputs:
    """Fetches inputs. `public` decides about literal addresses as `resolver` does about host names."""

    def __init__(
        self,
        s3: Any,
        limits: InputLimits,
        resolver: AbstractResolver,
        public: Callable[[str], bool] = is_public,
        *,
        tls: Any = True,
        scratch: Scratch | None = None,
    ) -> None:
        self._s3 = s3
        self._scratch = scratch or Scratch()
        self._limits = limits
        self._public = public
        # trust_env=False: a proxy of the environment would connect to addresses that nobody has checked.
        self._session = ClientSession(
            connector=TCPConnector(resolver=resolver, use_dns_cache=False, ssl=tls, force_close=True),
            timeout=ClientTimeout(total=None),
            # The cookie of one task's server must not reach it with another task.
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "queue-agent"},
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()

    def max_bytes(
        self,
        content: Mapping[str, Any],
        fields: Sequence[FieldPath],
        media_fields: Sequence[FieldPath] = (),
        assets: Mapping[FieldPath, Reference] | None = None,
    ) -> int:
        """The size that all inputs that `fetch` would fetch may have together."""
        sources = {*urls_in(content, fields, media_fields).values(), *(assets or {}).values()}
        return self._limits.total_bytes(len(sources))

    async def fetch(
        self,
        content: Mapping[str, Any],
        fields: Sequence[FieldPath],
        media_fields: Sequence[FieldPath] = (),
        assets: Mapping[FieldPath, Reference] | None = None,
        *,
        owner: str = DEFAULT_SENDER,
    ) -> dict[FieldPath, InputImage]:
        """The image, or in `media_fields` the video or audio file, of each field with a URL; the file of each
        asset reference. Uploads are those of the `owner`.

        Raises `TaskError` or `RuntimeUnavailable`.
        """
        urls: dict[FieldPath, _Source] = {**urls_in(content, fields, media_fields), **(assets or {})}
        if not urls:
            return {}
        slots = asyncio.Semaphore(PARALLEL_DOWNLOADS)
        budget = _Budget(self._limits.total_bytes(MAX_INPUTS_PER_TASK), upload_folder(owner))

        async def fetch_one(source: _Source) -> InputImage:
            async with slots:
                if isinstance(source, Reference):
                    return await self._asset(source, budget)
                return await self._file(source[0], budget, media=source[1])

        distinct = list(dict.fromkeys(urls.values()))
        if len(distinct) > MAX_INPUTS:
            message = f"the task has {len(distinct)} inputs by URL; the maximum is {MAX_INPUTS}"
            raise TaskError("too_many_inputs", message)
        try:
            async with asyncio.timeout(self._limits.seconds):
                images = await gather_or_cancel(fetch_one(source) for source in distinct)
        except TimeoutError as error:
            summary = _summary(distinct)
            message = f"the inputs took longer than {self._limits.seconds:g} s: {summary}"
            raise RuntimeUnavailable("input_unavailable", message) from error
        by_url = dict(zip(distinct, images, strict=True))
        return {field: by_url[url] for field, url in urls.items()}

    async def _file(self, text: str, budget: "_Budget", *, media: bool) -> InputImage:
        url = checked_url(text, self._public)
        try:
            data = await (self._from_s3(url, budget) if url.scheme == "s3" else self._from_web(url, budget))
        except RefusedAddressError as error:
            raise TaskError("input_refused", str(error)) from error
        except InvalidURL as error:
            raise TaskError("input_refused", f"{without_query(url)} is not a valid URL") from error
        except ClientConnectorDNSError as error:
            if isinstance(error.os_error, RefusedAddressError):
                raise TaskError("input_refused", str(error.os_error)) from error
            if isinstance(error.os_error, socket.gaierror) and error.os_error.errno in NO_SUCH_HOST:
                raise TaskError("input_not_found", f"there is no host {url.host}") from error
            raise RuntimeUnavailable("input_unavailable", f"the host {url.host} was not resolved") from error
        except (HttpError, OSError, BotoCoreError) as error:
            if isinstance(cause := error.__cause__ or error.__context__, RefusedAddressError):
                raise TaskError("input_refused", str(cause)) from error
            message = f"{without_query(url)} could not be read: {type(error).__name__}"
            raise RuntimeUnavailable("input_unavailable", message) from error
        return await look(data, without_query(url), media=media)

    async def _asset(self, asset: Reference, budget: "_Budget") -> InputImage:
        url = URL.build(scheme="s3", host=self._limits.own_bucket, path=f"/{asset.key}")
        try:
            data = await self._object(url, budget)
        except (OSError, BotoCoreError, HttpError) as error:
            message = f"{without_query(url)} could not be read: {type(error).__name__}"
            raise RuntimeUnavailable("input_unavailable", message) from error
        return await look_any(data, without_query(url), asset.name)

    async def _from_web(self, url: URL, budget: "_Budget") -> Blob:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status in REDIRECT_STATUSES:
                    url = self._next(url, response)
                    continue
                _check_response(response, without_query(url))
                return await self._body(response.content, response.content_length, without_query(url), budget)
        raise TaskError(
            "input_refused", f"{without_query(url)} is redirected more than {MAX_REDIRECTS} times"
        )

    def _next(self, url: URL, response: ClientResponse) -> URL:
        try:
            target = url.join(URL(response.headers.get("Location", "")))
        except ValueError as error:
            raise TaskError(
                "input_refused", f"{without_query(url)} is redirected to an invalid URL"
            ) from error
        if target.scheme != "https":
            raise TaskError(
                "input_refused",
                f"{without_query(url)} is redirected to a URL that does not start with https://",
            )
        return checked_url(str(target), self._public)

    async def _from_s3(self, url: URL, budget: "_Budget") -> Blob:
        folder, _, name = url.path.removeprefix("/").rpartition("/")
        own = url.host == self._limits.own_bucket and f"{folder}/" == budget.uploads
        is_upload = own and UPLOAD_NAME.fullmatch(name) is not None
        if not is_upload and (problem := bucket_problem(url.host or "", self._limits.buckets)):
            raise TaskError("input_refused", problem)
        return await self._object(url, budget)

    async def _object(self, url: URL, budget: "_Budget") -> Blob:
        try:
            response = await self._s3.get_object(Bucket=url.host, Key=url.path.removeprefix("/"))
        except ClientError as error:
            message = f"{without_query(url)} could not be read: {error_code(error)}"
            if is_permanent(error):
                raise TaskError("input_not_found", message) from error
            raise RuntimeUnavailable("input_unavailable", message) from error
        if not response.get("ETag"):  # the body is an error, which S3 answered with 200
            raise RuntimeUnavailable("input_unavailable", f"{without_query(url)} could not be read")
        async with response["Body"] as body:
            return await self._body(body, response["ContentLength"], without_query(url), budget)

    async def _body(self, stream: Any, length: int | None, source: str, budget: "_Budget") -> Blob:
        """The whole body. Nothing is read when its Content-Length is too large."""
        limit = self._limits.max_bytes
        writer = self._scratch.writer()
        too_large = (length or 0) > limit
        while not too_large and (chunk := await stream.read(CHUNK_BYTES)):
            await writer.add(chunk)
            budget.spend(len(chunk))
            too_large = writer.size > limit
        if too_large:
            raise TaskError("input_too_large", f"{source} has more than {limit} bytes")
        return await writer.close()


class _Budget:
    """What the inputs of one task may still take: bytes, and uploads of this folder."""

    def __init__(self, left: int, uploads: str) -> None:
        self._left = left
        self.uploads = uploads

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TaskError("input_too_large", "the total size of the inputs is too large")


def _check_response(response: ClientResponse, source: str) -> None:
    if response.status >= 500 or response.status in PASSING_STATUSES:
        raise RuntimeUnavailable("input_unavailable", f"{source} returned HTTP {response.status}")
    if response.status != 200:
        raise TaskError("input_not_found", f"{source} returned HTTP {response.status}")
    # A small compressed body may unpack to a huge one; the request did not allow compression.
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise TaskError("input_refused", f"{source} returned a content encoding that was not requested")


def _summary(sources: Sequence["_Source"]) -> str:
    """The first of the sources, and how many more there are."""
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    first = sources[0]
    return (first.key if isinstance(first, Reference) else without_query(URL(first[0]))) + more
