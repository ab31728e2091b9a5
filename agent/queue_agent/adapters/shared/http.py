"""HTTP calls to the runtime on loopback: no retries, responses of limited size, errors as in the contract."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    FormData,
    TCPConnector,
)

from queue_agent.adapters.shared import documents
from queue_agent.adapters.shared.documents import Document
from queue_agent.blobs import CHUNK_BYTES, Blob, Scratch
from queue_agent.contract import RuntimeUnavailable

JSON = "application/json"
# Of a response that holds no outputs, and of an event.
MAX_CONTROL_BYTES = 32 * 2**20
MAX_EVENT_BYTES = 16 * 2**20
# What is read from a connection at once.
READ_BYTES = 2**18
PROBE_SECONDS = 5.0
# Of a call that does not use the GPU. The run itself is limited by the task's deadline in the core.
CALL_SECONDS = 60.0
# uvicorn closes a connection that was idle for 5 s (--timeout-keep-alive), aiohttp's server later.
KEEP_ALIVE_SECONDS = 1.0
REASON_MAX_CHARACTERS = 2000
MAX_REASON_BYTES = 2**20


class ResponseTooLarge(RuntimeUnavailable):
    """A response has more than `max_bytes`. In the run of a task, it would have again at the next attempt."""

    def __init__(self, subject: str, max_bytes: int) -> None:
        super().__init__("runtime_answer", f"{subject} more than {max_bytes} bytes")


@dataclass(frozen=True)
class Response:
    """A response of the runtime."""

    status: int
    content_type: str
    body: Blob
    scratch: Scratch

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The parsed body. Raises `RuntimeUnavailable` when it is not JSON: then this is another API."""
        try:
            return json.loads(self.body.read())
        except ValueError:
            raise RuntimeUnavailable("runtime_answer", f"the response {self.status} is not JSON") from None

    async def document(self) -> Document:
        """The parsed body, which may hold large files. Raises `RuntimeUnavailable` and `ScratchFull`."""
        if self.body.size <= documents.LONG_BYTES:
            return Document(self.json())
        return await asyncio.to_thread(documents.parse, self.body, self.scratch)

    def reason(self) -> str:
        """The error message of the runtime, short enough for a callback."""
        body = self.body.read(0, MAX_REASON_BYTES)
        try:
            document = json.loads(body)
        except ValueError:
            return body.decode(errors="replace")[:REASON_MAX_CHARACTERS]
        if not isinstance(document, Mapping):
            return str(document)[:REASON_MAX_CHARACTERS]
        # A1111 has `errors`, Forge `message`, FastAPI `detail`.
        parts = [document.get(key) for key in ("error", "detail", "errors", "message")]
        texts = [part if isinstance(part, str) else json.dumps(part) for part in parts if part]
        return ": ".join(texts)[:REASON_MAX_CHARACTERS]


def session() -> ClientSession:
    """A session that closes idle connections before the runtime does.

    When the runtime closes a connection during a POST, it is unknown whether it has processed the request.
    """
    connector = TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
    return ClientSession(connector=connector, read_bufsize=READ_BYTES)


class Http:
    """Calls to one runtime. The outputs of one task have at most `max_bytes` together."""

    def __init__(
        self, session: ClientSession, base: str, max_bytes: int, scratch: Scratch | None = None
    ) -> None:
        self._session, self.base, self.max_bytes = session, base, max_bytes
        self.scratch = scratch or Scratch()

    async def call(
        self,
        method: str,
        path: str,
        *,
        payload: Any = None,
        body: Blob | None = None,
        form: FormData | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = CALL_SECONDS,
        max_output_bytes: int | None = None,
    ) -> Response:
        """One call, never retried. Raises `RuntimeUnavailable` without a complete response.

        `body` is JSON, in place of `payload`. `seconds` is the timeout; None: no timeout. `max_output_bytes`:
        the response holds outputs, and those of the task may have so many more bytes.
        """
        try:
            async with self._session.request(
                method,
                self.base + path,
                json=payload,
                data=form if body is None else _sent(body),
                params=params,
                headers={**(_headers(body) if body is not None else {}), **(headers or {})},
                timeout=ClientTimeout(total=seconds, sock_connect=PROBE_SECONDS),
                allow_redirects=False,
            ) as response:
                return await self.read(response, max_output_bytes)
        except (ClientError, TimeoutError, OSError) as error:
            raise _down(error) from error

    async def document_of(self, body: Blob) -> Any:
        """The JSON of a request, without its files. Raises `RuntimeUnavailable` and `ScratchFull`."""
        return (await asyncio.to_thread(documents.parse, body, self.scratch)).value

    async def post(self, path: str, body: Blob) -> "OpenResponse":
        """One POST of a JSON body without a timeout; returns as soon as the head of the response is here.

        Raises `RuntimeUnavailable`.
        """
        try:
            response = await self._session.post(
                self.base + path,
                data=_sent(body),
                headers=_headers(body),
                timeout=ClientTimeout(total=None, sock_connect=PROBE_SECONDS),
                allow_redirects=False,
            )
        except (ClientError, TimeoutError, OSError) as error:
            raise _down(error) from error
        return OpenResponse(self, response)

    async def read(self, response: ClientResponse, max_output_bytes: int | None) -> Response:
        """The whole response. Raises `ResponseTooLarge`, `ScratchFull` and what aiohttp raises."""
        limit = MAX_CONTROL_BYTES if max_output_bytes is None else max_output_bytes
        writer = self.scratch.writer()
        async for chunk in response.content.iter_any():
            await writer.add(chunk)
            if writer.size > limit:
                if max_output_bytes is None:
                    raise ResponseTooLarge("the response has", limit)
                raise ResponseTooLarge("the outputs of the task have", self.max_bytes)
        return Response(response.status, response.content_type, await writer.close(), self.scratch)

    @contextlib.asynccontextmanager
    async def socket(self, path: str, params: Mapping[str, str]) -> AsyncIterator[ClientWebSocketResponse]:
        """A WebSocket, for progress only. Raises `RuntimeUnavailable` when it cannot be opened."""
        try:
            async with self._session.ws_connect(
                self.base + path, params=params, max_msg_size=MAX_EVENT_BYTES
            ) as socket:
                yield socket
        except (ClientError, TimeoutError, OSError) as error:
            raise _down(error) from error

    async def probe(self, path: str) -> Response | None:
        """A GET with a short timeout; None when the runtime does not respond."""
        try:
            return await self.call("GET", path, seconds=PROBE_SECONDS)
        except RuntimeUnavailable:
            return None


@dataclass(frozen=True)
class OpenResponse:
    """A response of which only the head was read so far. It must be read or closed."""

    _http: Http
    _response: ClientResponse

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self._response.status < 300

    async def read(self) -> Response:
        """The whole response, which holds outputs. Raises `RuntimeUnavailable` and `ScratchFull`."""
        try:
            async with asyncio.timeout(CALL_SECONDS), self._response as response:
                return await self._http.read(response, self._http.max_bytes)
        except (ClientError, TimeoutError, OSError) as error:
            raise _down(error) from error

    def close(self) -> None:
        """Close the connection: nobody needs the rest."""
        self._response.close()


def _down(error: Exception) -> RuntimeUnavailable:
    return RuntimeUnavailable("runtime_down", f"{type(error).__name__}: {error}"[:REASON_MAX_CHARACTERS])


def _headers(body: Blob) -> dict[str, str]:
    return {"Content-Type": JSON, "Content-Length": str(body.size)}


def _sent(body: Blob) -> bytes | AsyncIterator[bytes]:
    return _chunks(body) if body.size > CHUNK_BYTES else body.read()


async def _chunks(body: Blob) -> AsyncIterator[bytes]:
    """The bytes of a large body, which may be in a file."""
    for offset in range(0, body.size, CHUNK_BYTES):
        yield await asyncio.to_thread(body.read, offset, CHUNK_BYTES)
