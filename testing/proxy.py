"""A proxy in front of the AWS emulator that adds the latency of AWS and injects faults.

It parses only as much HTTP as it needs to name each call: it shares the machine with what is measured.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

HEAD_END = b"\r\n\r\n"
S3_ERROR = b"<Error><Code>%s</Code><Message>injected</Message></Error>"
# The protocol of SNS has one more element around it; SQS names the code in a header.
SNS_ERROR = b"<ErrorResponse>%s</ErrorResponse>" % S3_ERROR
HOLD_SECONDS = 60.0
# SQS delivers a message to a second agent when a server of its own did not hear of the first one's call.
REPEAT_SECONDS = 1.0


@dataclass(frozen=True)
class Call:
    """One call to AWS: "sqs", "ReceiveMessage", "/path", b"body"."""

    service: str
    operation: str
    path: str
    body: bytes


@dataclass(eq=False)
class Fault:
    """What happens to the calls that match: first `hold` or `delay`, then `answer` replaces the response.

    With `reaches` the call is carried out and only its response is lost; without it AWS never sees the call.
    """

    match: Callable[[Call], bool]
    times: int = 1  # how many calls fail; -1: all
    after: int = 0  # how many calls pass before the first failure
    reaches: bool = False
    # "": the real response; "drop": close the connection; "repeat": messages that another agent has just got;
    # else status and code: "503 SlowDown", or "200 InternalError" for an error that S3 answers with 200.
    answer: str = ""
    delay: float = 0.0
    hold: bool = False
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    seen: int = 0

    def takes(self, call: Call) -> bool:
        """Whether the fault applies to this call; counts it."""
        if self.times == 0 or not self.match(call):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.times -= 1 if self.times > 0 else 0
        self.seen += 1
        return True


class Proxy:
    """`with Proxy(emulator_url) as proxy:` listens at `proxy.url`, in a thread of its own.

    `delays` are seconds by service.
    """

    def __init__(self, target: str, delays: Mapping[str, float] | None = None) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._delays = dict(delays or {})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.url = ""
        self._received, self._received_at = list[bytes](), 0.0

    @property
    def thread(self) -> int:
        """The number that the kernel gives to its thread."""
        return self._thread.native_id or 0

    def __enter__(self) -> "Proxy":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self.faults:
            fault.release.set()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextlib.contextmanager
    def failing(self, fault: Fault) -> Iterator[Fault]:
        """Inject the fault for the duration of the block."""
        self.faults.append(fault)
        try:
            yield fault
        finally:
            fault.release.set()
            self.faults.remove(fault)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        upstream = await asyncio.open_connection(*self._target, limit=2**20)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
                while await self._carry(reader, writer, *upstream):
                    pass
        finally:
            upstream[1].close()
            writer.close()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        from_aws: asyncio.StreamReader,
        to_aws: asyncio.StreamWriter,
    ) -> bool:
        """Carry one call and its response; False when the connection ends."""
        head = await reader.readuntil(HEAD_END)
        line, headers = _headers(head)
        if "expect" in headers:
            writer.write(b"HTTP/1.1 100 Continue" + HEAD_END)
            head = b"\r\n".join(
                header for header in head.split(b"\r\n") if not header.lower().startswith(b"expect:")
            )
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        call = _call(line, headers, body)
        self.calls.append(call.operation)
        fault = next((fault for fault in list(self.faults) if fault.takes(call)), None)
        if delay := self._delays.get(call.service, 0.0):
            await asyncio.sleep(delay)
        if fault is None or fault.reaches:
            _send(to_aws, (head, body))
            answer = await _answer(from_aws, line)
        if fault is not None:
            await _wait(fault)
            if fault.answer == "drop":
                return False
            if replacement := self._replacement(fault, call):
                answer = replacement
            elif not fault.reaches:
                _send(to_aws, (head, body))
                answer = await _answer(from_aws, line)
        self._note_messages(call, answer)
        _send(writer, answer)
        await writer.drain()
        return b"connection: close" not in answer[0].lower()

    def _replacement(self, fault: Fault, call: Call) -> list[bytes]:
        """The answer in place of the real one; empty when there is none."""
        if fault.answer == "repeat":
            recent = self._loop.time() - self._received_at < REPEAT_SECONDS
            return self._received if recent else []
        return _error(fault.answer, call.service) if fault.answer else []

    def _note_messages(self, call: Call, answer: list[bytes]) -> None:
        """Keep messages that an agent has got, but not those that are repeated."""
        has_messages = any(b"ReceiptHandle" in part for part in answer)
        if call.operation == "ReceiveMessage" and has_messages and answer is not self._received:
            self._received, self._received_at = answer, self._loop.time()


def calls_to(operation: str, part: str = "") -> Callable[[Call], bool]:
    """Matches calls of this operation or service whose path or body contains `part`."""
    return lambda call: (
        operation in (call.operation, call.service) and (part in call.path or part.encode() in call.body)
    )


def _headers(head: bytes) -> tuple[str, dict[str, str]]:
    line, *rest = head.decode("latin-1").split("\r\n")
    pairs = (header.partition(":") for header in rest if header)
    return line, {name.lower(): value.strip() for name, _, value in pairs}


def _call(line: str, headers: Mapping[str, str], body: bytes) -> Call:
    method, path, _ = line.split(" ", 2)
    if target := headers.get("x-amz-target"):
        return Call("sqs", target.rpartition(".")[2], path, body)
    if "x-www-form-urlencoded" in headers.get("content-type", ""):
        return Call("sns", parse_qs(body[:2000].decode("latin-1")).get("Action", [""])[0], path, body)
    return Call("s3", f"{method.capitalize()}Object", path, b"")


async def _answer(reader: asyncio.StreamReader, line: str) -> list[bytes]:
    head = await reader.readuntil(HEAD_END)
    _, headers = _headers(head)
    parts = [head]
    if line.startswith("HEAD "):
        return parts
    if headers.get("transfer-encoding") == "chunked":
        while True:
            size = await reader.readuntil(b"\r\n")
            parts += [size, await reader.readexactly(int(size, 16) + 2)]
            if int(size, 16) == 0:
                return parts
    parts.append(await reader.readexactly(int(headers.get("content-length", "0"))))
    return parts


def _send(writer: asyncio.StreamWriter, parts: Iterable[bytes]) -> None:
    """Write the parts that are not empty: Python 3.12 never closes a transport after an empty one."""
    writer.writelines([part for part in parts if part])


async def _wait(fault: Fault) -> None:
    await asyncio.sleep(fault.delay)
    fault.held.set()
    if fault.hold:
        await asyncio.to_thread(fault.release.wait, HOLD_SECONDS)


def _error(answer: str, service: str) -> list[bytes]:
    code = answer.partition(" ")[2].encode()
    body = (SNS_ERROR if service == "sns" else S3_ERROR) % code
    length = str(len(body)).encode()
    head = b"HTTP/1.1 %s\r\nContent-Type: application/xml\r\nx-amzn-query-error: %s;Receiver\r\n" % (
        answer.encode(),
        code,
    )
    return [head + b"Content-Length: " + length + HEAD_END, body]
