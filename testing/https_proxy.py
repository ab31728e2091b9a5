"""A proxy for HTTPS that answers in place of hosts on the internet.

The program under test uses the real URLs; the proxy's certificate authority is in its environment.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import trustme

from testing.relay import Server, forward, respond

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class HttpsProxy(Server):
    """Answers for `hosts`. `env` holds the environment variables that send a program through the proxy."""

    def __init__(self, hosts: Sequence[str], folder: Path, answer: Answer) -> None:
        authority = trustme.CA()
        self._trusted = folder / "authority.pem"
        authority.cert_pem.write_to_path(self._trusted)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*hosts).configure_cert(self._tls)
        self._answer = answer
        super().__init__(self._connect)

    @property
    def env(self) -> Mapping[str, str]:
        loopback = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1")
        proxy = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), self.url)
        return {**loopback, **proxy, "SSL_CERT_FILE": str(self._trusted)}

    def _connect(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """On CONNECT, take the place of the host: the client starts TLS on this connection."""
        if handler.command != "CONNECT":
            self._answer(handler, body)
            return
        handler.send_response(200)
        handler.end_headers()
        handler.connection = self._tls.wrap_socket(handler.connection, server_side=True)
        handler.rfile = handler.connection.makefile("rb", -1)
        handler.wfile = handler.connection.makefile("wb", 0)
        handler.close_connection = False


class ApiGatewayProxy(HttpsProxy):
    """Sends calls to `{id}.execute-api.{region}.amazonaws.com` to the emulator."""

    def __init__(self, emulator: str, region: str, folder: Path) -> None:
        self._emulator = emulator
        super().__init__([f"*.execute-api.{region}.amazonaws.com"], folder, self._forward)

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        api = handler.headers["Host"].partition(".")[0]
        stage, _, path = handler.path.lstrip("/").partition("/")
        target = f"/restapis/{api}/{stage}/_user_request_/{path}"
        respond(handler, forward(handler, body, self._emulator, target))
