"""Hosts of the world on this machine: a proxy for HTTPS that answers in their place.

A program then uses the very URLs that it would use outside, under a certificate that it is told to trust.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import trustme

from testing.relay import Server, ask, give

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class Proxy(Server):
    """The proxy for some hosts. `env` is what a program needs in its environment to go through it."""

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
        """CONNECT: the client speaks TLS from here on, as with the host itself."""
        if handler.command != "CONNECT":
            self._answer(handler, body)
            return
        handler.send_response(200)
        handler.end_headers()
        handler.connection = self._tls.wrap_socket(handler.connection, server_side=True)
        handler.rfile = handler.connection.makefile("rb", -1)
        handler.wfile = handler.connection.makefile("wb", 0)
        handler.close_connection = False


class Gateway(Proxy):
    """What AWS calls an HTTP API (`{id}.execute-api.{region}.amazonaws.com`), from the emulator."""

    def __init__(self, emulator: str, region: str, folder: Path) -> None:
        self._emulator = emulator
        super().__init__([f"*.execute-api.{region}.amazonaws.com"], folder, self._forward)

    def _forward(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        api = handler.headers["Host"].partition(".")[0]
        stage, _, path = handler.path.lstrip("/").partition("/")
        give(handler, ask(handler, body, self._emulator, f"/restapis/{api}/{stage}/_user_request_/{path}"))
