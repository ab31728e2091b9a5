"""HTTP calls to the runtime on loopback: no retries, responses of limited size, errors as in the contract."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    FormData,
    TCPConnector,
)

from queue_agent.contract import RuntimeUnavailable

CHUNK_BYTES = 2**20
PROBE_SECONDS = 5.0
# Of a call that does not use the GPU. The run itself is limited by the task's deadline in the core.
CALL_SECONDS = 60.0
# uvicorn closes a connection that was idle for 5 s (--timeout-keep-alive), aiohttp's server later.
KEEP_ALIVE_SECONDS = 1.0
REASON_MAX_CHARACTERS = 2000


class ResponseTooLarge(RuntimeUnavailable):
    """A response has more than `max_bytes`. In the run of a task, it would have again at the next attempt."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__("runtime_answer", f"the response has more than {max_bytes} bytes")


@dataclass(frozen=True)
class Response:
    """A response of the runtime."""

    status: int
    content_type: str
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The parsed body. Raises `RuntimeUnavailable` when it is not JSON: then this is another API."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise RuntimeUnavailable("runtime_answer", f"the response {self.status} is not JSON") from None

    def reason(self) -> str:
        """The error message of the runtime, short enough for a callback."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return self.body.decode(errors="replace")[:REASON_MAX_CHARACTERS]
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
    return ClientSession(connector=TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS))


class Http:
    """Calls to one runtime."""

    def __init__(self, session: ClientSession, base: str, max_bytes: int) -> None:
        self._session, self.base, self._max = session, base, max_bytes

    async def call(
        self,
        method: str,
        path: str,
        *,
        payload: Any = None,
        form: FormData | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = CALL_SECONDS,
    ) -> Response:
        """One call, never retried. Raises `RuntimeUnavailable` without a complete response.

        `seconds` is the timeout; None: no timeout.
        """
        try:
            async with self._session.request(
                method,
                self.base + path,
                json=payload,
                data=form,
                params=params,
                headers=headers,
                timeout=ClientTimeout(total=seconds, sock_connect=PROBE_SECONDS),
                allow_redirects=False,
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    body += chunk
                    if len(body) > self._max:
                        raise ResponseTooLarge(self._max)
                return Response(response.status, response.content_type, bytes(body))
        except (ClientError, TimeoutError, OSError) as error:
            raise RuntimeUnavailable(
                "runtime_down", f"{type(error).__name__}: {error}"[:REASON_MAX_CHARACTERS]
            ) from error

    @contextlib.asynccontextmanager
    async def socket(self, path: str, params: Mapping[str, str]) -> AsyncIterator[ClientWebSocketResponse]:
        """A WebSocket, for progress only. Raises `RuntimeUnavailable` when it cannot be opened."""
        try:
            async with self._session.ws_connect(
                self.base + path, params=params, max_msg_size=self._max
            ) as socket:
                yield socket
        except (ClientError, TimeoutError, OSError) as error:
            raise RuntimeUnavailable("runtime_down", f"{type(error).__name__}: {error}") from error

    async def probe(self, path: str) -> Response | None:
        """A GET with a short timeout; None when the runtime does not respond."""
        try:
            return await self.call("GET", path, seconds=PROBE_SECONDS)
        except RuntimeUnavailable:
            return None
