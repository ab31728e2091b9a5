"""HTTP to the runtime on loopback: no retries, answers of bounded size, faults as the core sorts them."""

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

CHUNK = 2**20
PROBE_SECONDS = 5.0
# A call that does no work on the GPU; the run itself is bounded by the task's deadline in the core.
CALL_SECONDS = 60.0
# uvicorn closes a connection that was idle for 5 s (its --timeout-keep-alive), aiohttp's server later.
KEEP_SECONDS = 1.0
OUT_OF_MEMORY = ("outofmemoryerror", "out of memory")
LONGEST_REASON = 2000


@dataclass(frozen=True)
class Answer:
    """What the runtime said."""

    status: int
    content_type: str
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body parsed. Raises RuntimeUnavailable when it is no JSON: then this is not the API."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise RuntimeUnavailable("runtime_answer", f"no JSON in an answer {self.status}") from None

    def reason(self) -> str:
        """The error in it, in the words of the runtime, short enough for a callback."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return self.body.decode(errors="replace")[:LONGEST_REASON]
        if not isinstance(said, Mapping):
            return str(said)[:LONGEST_REASON]
        # A1111 says `errors`, Forge `message`, FastAPI `detail`.
        parts = [said.get(key) for key in ("error", "detail", "errors", "message")]
        texts = [part if isinstance(part, str) else json.dumps(part) for part in parts if part]
        return ": ".join(texts)[:LONGEST_REASON]


def session() -> ClientSession:
    """Connections that end before the runtime ends them.

    A POST that meets the end of an idle connection could not be told from one that was worked on.
    """
    return ClientSession(connector=TCPConnector(limit=0, keepalive_timeout=KEEP_SECONDS))


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
    ) -> Answer:
        """One call, never repeated. Raises RuntimeUnavailable when no whole answer comes.

        The session is one of `session()`.
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
                async for chunk in response.content.iter_chunked(CHUNK):
                    body += chunk
                    if len(body) > self._max:
                        raise RuntimeUnavailable(
                            "runtime_answer", f"an answer of more than {self._max} bytes"
                        )
                return Answer(response.status, response.content_type, bytes(body))
        except (ClientError, TimeoutError, OSError) as error:
            raise RuntimeUnavailable(
                "runtime_down", f"{type(error).__name__}: {error}"[:LONGEST_REASON]
            ) from error

    @contextlib.asynccontextmanager
    async def socket(self, path: str, params: Mapping[str, str]) -> AsyncIterator[ClientWebSocketResponse]:
        """A websocket, for progress only. Raises RuntimeUnavailable when there is none."""
        try:
            async with self._session.ws_connect(
                self.base + path, params=params, max_msg_size=self._max
            ) as found:
                yield found
        except (ClientError, TimeoutError, OSError) as error:
            raise RuntimeUnavailable("runtime_down", f"{type(error).__name__}: {error}") from error

    async def probe(self, path: str) -> Answer | None:
        """A quick look; None when nothing answers."""
        try:
            return await self.call("GET", path, seconds=PROBE_SECONDS)
        except RuntimeUnavailable:
            return None


def out_of_memory(reason: str) -> bool:
    """Whether an error of any runtime says that the GPU's memory was too small."""
    return any(mark in reason.lower() for mark in OUT_OF_MEMORY)
