"""Fetches the images that a task names by URL: from public addresses and allowed buckets, images only."""

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import filetype
import imagesize
from aiohttp import ClientError as HttpError
from aiohttp import ClientResponse, ClientSession, ClientTimeout, InvalidURL, TCPConnector
from aiohttp.abc import AbstractResolver
from botocore.exceptions import BotoCoreError, ClientError
from yarl import URL

from queue_agent.aws.retry import code_of
from queue_agent.contract import InputImage, Path, RuntimeUnavailable, TaskError
from queue_agent.flow.together import together
from queue_agent.task.addresses import RefusedAddressError, is_literal, is_public

SCHEMES = ("https", "s3")
IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
# The runtime decodes it: 100 megapixels are 400 MB of memory there, whatever the size of the file.
MAX_PIXELS = 100_000_000
MAX_REDIRECTS = 5
MAX_URL_CHARACTERS = 4096
# All inputs of one task together may have this many times the size of one.
TASK_INPUTS = 4
# Downloads of one task at a time.
PARALLEL = 4
CHUNK_BYTES = 65536
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Limits:
    """What an input may cost, and the buckets that inputs may come from."""

    max_bytes: int
    seconds: float
    buckets: tuple[str, ...]


class Inputs:
    """Fetches inputs. `public` judges address literals as `resolver` judges names."""

    def __init__(
        self,
        s3: Any,
        limits: Limits,
        resolver: AbstractResolver,
        public: Callable[[str], bool] = is_public,
        tls: Any = True,
    ) -> None:
        self._s3 = s3
        self._limits = limits
        self._public = public
        # No proxy of the environment: it would connect to addresses that nobody checked.
        self._session = ClientSession(
            connector=TCPConnector(resolver=resolver, use_dns_cache=False, ssl=tls, force_close=True),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "queue-agent"},
        )

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._session.close()

    async def fetch(self, content: Mapping[str, Any], fields: Sequence[Path]) -> dict[Path, InputImage]:
        """The images of those `fields` that hold a URL. Raises `TaskError` or `RuntimeUnavailable`."""
        wanted = {field: text for field in fields if (text := url_at(content, field)) is not None}
        if not wanted:
            return {}
        room, budget = asyncio.Semaphore(PARALLEL), _Budget(self._limits.max_bytes * TASK_INPUTS)

        async def one(text: str) -> InputImage:
            async with room:
                return await self._image(text, budget)

        texts = list(dict.fromkeys(wanted.values()))
        images = dict(zip(texts, await together(one(text) for text in texts), strict=True))
        return {field: images[text] for field, text in wanted.items()}

    async def _image(self, text: str, budget: "_Budget") -> InputImage:
        url = checked(text, self._public)
        try:
            async with asyncio.timeout(self._limits.seconds):
                data = await (
                    self._from_s3(url, budget) if url.scheme == "s3" else self._from_web(url, budget)
                )
        except RefusedAddressError as fault:
            raise TaskError("input_refused", str(fault)) from fault
        except InvalidURL as fault:
            raise TaskError("input_refused", f"{_shown(url)} is no URL") from fault
        except TimeoutError as fault:
            message = f"{_shown(url)} took longer than {self._limits.seconds:g} s"
            raise RuntimeUnavailable("input_unavailable", message) from fault
        except (HttpError, OSError, BotoCoreError) as fault:
            if isinstance(cause := fault.__cause__ or fault.__context__, RefusedAddressError):
                raise TaskError("input_refused", str(cause)) from fault
            message = f"{_shown(url)} could not be read: {type(fault).__name__}"
            raise RuntimeUnavailable("input_unavailable", message) from fault
        return image_of(data, _shown(url))

    async def _from_web(self, url: URL, budget: "_Budget") -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status in REDIRECTS:
                    url = self._next(url, response)
                    continue
                _check_answer(response, _shown(url))
                return await self._body(response.content, response.content_length, _shown(url), budget)
        raise TaskError("input_refused", f"{_shown(url)} is redirected more than {MAX_REDIRECTS} times")

    def _next(self, url: URL, response: ClientResponse) -> URL:
        try:
            target = url.join(URL(response.headers.get("Location", "")))
        except ValueError as fault:
            raise TaskError("input_refused", f"{_shown(url)} is redirected to no URL") from fault
        if target.scheme != "https":
            raise TaskError("input_refused", f"{_shown(url)} is redirected to something that is not https")
        return checked(str(target), self._public)

    async def _from_s3(self, url: URL, budget: "_Budget") -> bytes:
        if url.host not in self._limits.buckets:
            raise TaskError("input_refused", f"inputs may not come from the bucket {url.host}")
        try:
            answer = await self._s3.get_object(Bucket=url.host, Key=url.path.removeprefix("/"))
        except ClientError as fault:
            status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            message = f"{_shown(url)} could not be read: {code_of(fault)}"
            if 400 <= status < 500 and status != 429:
                raise TaskError("input_not_found", message) from fault
            raise RuntimeUnavailable("input_unavailable", message) from fault
        async with answer["Body"] as body:
            return await self._body(body, answer["ContentLength"], _shown(url), budget)

    async def _body(self, stream: Any, length: int | None, shown: str, budget: "_Budget") -> bytes:
        """The whole body; nothing is read of one that says it is too large."""
        limit = self._limits.max_bytes
        data = bytearray()
        too_large = (length or 0) > limit
        while not too_large and (chunk := await stream.read(CHUNK_BYTES)):
            data += chunk
            budget.spend(len(chunk))
            too_large = len(data) > limit
        if too_large:
            raise TaskError("input_too_large", f"{shown} has more than {limit} bytes")
        return bytes(data)


class _Budget:
    """The bytes that the inputs of one task may still have."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TaskError("input_too_large", "the inputs of the task are too large together")


def url_at(content: Mapping[str, Any], field: Path) -> str | None:
    """The URL that stands there; None when something else does, such as base64."""
    value: Any = content
    for step in field:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value if isinstance(value, str) and "://" in value[:16] else None


def checked(text: str, public: Callable[[str], bool]) -> URL:
    """The URL, when it may be asked for at all. Raises `TaskError`."""
    try:
        url = URL(text) if len(text) <= MAX_URL_CHARACTERS else URL()
        host, port = url.host, url.port
    except ValueError as fault:
        raise TaskError("input_refused", "an input is no URL") from fault
    if url.scheme not in SCHEMES or not host:
        raise TaskError("input_refused", "an input by URL must start with https:// or s3://")
    if url.user is not None or (url.scheme == "https" and not port):
        raise TaskError(
            "input_refused", f"the URL of an input at {host} carries a user or an impossible port"
        )
    if url.scheme == "https" and is_literal(host) and not public(host):
        raise TaskError("input_refused", f"{host} is not a public address")
    return url


def image_of(data: bytes, shown: str) -> InputImage:
    """The image in these bytes, by what they are and not by what somebody calls them. Raises `TaskError`."""
    kind = filetype.guess(data[:8192])
    if kind is None or kind.mime not in IMAGE_TYPES:
        raise TaskError("input_not_image", f"{shown} is not a PNG, JPEG, WebP, GIF or BMP image")
    width, height = imagesize.get(io.BytesIO(data))
    if width <= 0 or height <= 0:
        raise TaskError("input_not_image", f"{shown} is a damaged image")
    if width * height > MAX_PIXELS:
        raise TaskError("input_too_large", f"{shown} has {width} x {height} pixels, more than {MAX_PIXELS}")
    return InputImage(data, kind.mime, kind.extension)


def _check_answer(response: ClientResponse, shown: str) -> None:
    if response.status >= 500 or response.status == 429:
        raise RuntimeUnavailable("input_unavailable", f"{shown} answers {response.status}")
    if response.status != 200:
        raise TaskError("input_not_found", f"{shown} answers {response.status}")
    # A small body may unpack to a huge one; we asked for none.
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise TaskError("input_refused", f"{shown} answers in an encoding that was not asked for")


def _shown(url: URL) -> str:
    """The URL without its query: signatures stand there."""
    return str(url.with_query(None).with_fragment(None))[:200]
