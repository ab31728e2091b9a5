"""HTTP servers on loopback that answer calls themselves or forward them."""

import http.client
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Headers that belong to one connection, or that are set anew for each response.
OWN_HEADERS = ("transfer-encoding", "content-length", "connection", "date", "server")


class Server:
    """A threaded server on loopback. `answer` gets the handler and the body, and writes the response."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> None:
        server, self.calls = self, 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                server.calls += 1
                answer(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_CONNECT = handle_any  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speak TLS, with the certificate of `context`; before the server starts."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:", 1)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True)
class Reply:
    """The response of a server."""

    status: int
    headers: Sequence[tuple[str, str]]
    content: bytes


def forward(handler: BaseHTTPRequestHandler, body: bytes, target: str, path: str = "") -> Reply:
    """Send the same call to `target`, with another path if one is given; its response."""
    connection = http.client.HTTPConnection(urlsplit(target).netloc, timeout=30)
    try:
        headers = {key: value for key, value in handler.headers.items() if key.lower() != "host"}
        connection.request(handler.command, path or handler.path, body or None, headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def respond(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """Write the response."""
    handler.send_response(reply.status)
    for key, value in reply.headers:
        if key.lower() not in OWN_HEADERS:
            handler.send_header(key, value)
    headers = {key.lower(): value for key, value in reply.headers}
    length = headers.get("content-length", "0") if handler.command == "HEAD" else str(len(reply.content))
    handler.send_header("Content-Length", length)
    handler.end_headers()
    handler.wfile.write(reply.content)
