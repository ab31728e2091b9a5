"""Hugging Face, Civitai and their storage on loopback, over HTTPS, as a download meets them.

Modeled on src/huggingface_hub/file_download.py (X-Linked-Etag, X-Repo-Commit, X-Error-Code), on
https://developer.civitai.com/site/reference/model-versions, and on reports that the storage of Civitai
refuses requests with its token. The storage is another host: 127.0.0.1, where the sites are localhost.
"""

import hashlib
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import trustme

from testing.relay import Server

TOKEN = "hf_secret-of-the-test"
CIVITAI_TOKEN = "civitai-secret-of-the-test"
COMMIT = "71153311d3dbb46851df1931d3ca6e939de83304"


@dataclass
class Request:
    """One request that a server got."""

    host: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Faults:
    """What goes wrong at the storage. Counts are of requests, and go down."""

    # Send half of the bytes that are announced.
    truncated: int = 0
    # Answer 503.
    busy: int = 0
    # The signed address is no longer valid.
    expired: int = 0
    # End the connection without an answer where a part begins at or after this byte.
    dead_from: int | None = None
    # Lead to this address in place of the bytes.
    redirect: str = ""
    ranges: bool = True
    etag: bool = True
    # Answer this status and body to whatever asks for bytes after the first time.
    later: tuple[int, bytes] | None = None
    opened: int = 0
    # Answer this in place of the card of a repository.
    card: tuple[int, bytes] | None = None
    # Headers of Hugging Face's answer about a file, and another status.
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 302


@dataclass
class ModelSites:
    """Files by their names; `gated` ones need the token. `published`: another SHA-256 than the true one."""

    files: dict[str, bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    published: dict[str, str] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=lambda: {"license": "openrail++"})
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)
    commercial_use: object = field(default_factory=lambda: ["Image"])
    faults: Faults = field(default_factory=Faults)
    requests: list[Request] = field(default_factory=list)
    hugging_face: str = ""
    civitai: str = ""
    storage: str = ""

    def sent(self) -> int:
        """How many bytes of files the storage was asked for."""
        spans = [re.fullmatch(r"bytes=(\d+)-(\d+)", one.headers.get("range", "")) for one in self.requests]
        return sum(int(span[2]) - int(span[1]) + 1 for span in spans if span and span[1] != span[2])

    def environment(self) -> dict[str, str]:
        """The variables that lead the command here."""
        return {"HF_ENDPOINT": self.hugging_face, "CIVITAI_ENDPOINT": self.civitai}


@contextmanager
def running(folder: Path) -> Iterator[tuple[ModelSites, Path]]:
    """The sites, and the file with the certificate of their authority."""
    sites, authority = ModelSites(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    answers = (_hugging_face, _civitai, _storage)
    servers = [Server(_recording(sites, answer)) for answer in answers]
    for server, name in zip(servers, ("hugging_face", "civitai", "storage"), strict=True):
        server.encrypt(context)
        port = urlsplit(server.url).port
        setattr(sites, name, f"https://{'127.0.0.1' if name == 'storage' else 'localhost'}:{port}")
    with servers[0], servers[1], servers[2]:
        yield sites, certificate


def _recording(sites: ModelSites, answer: Any) -> Any:
    def handle(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        host = headers.get("host", "")
        sites.requests.append(Request(host, handler.command, handler.path, headers))
        answer(sites, handler, headers)

    return handle


def _reply(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes = b"") -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    if "Content-Length" not in headers:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def _hugging_face(sites: ModelSites, handler: BaseHTTPRequestHandler, headers: dict[str, str]) -> None:
    path = urlsplit(handler.path).path
    if path.startswith("/api/models/"):
        body = json.dumps({"cardData": sites.card, "sha": COMMIT, "tags": ["license:other"]}).encode()
        status, body = sites.faults.card or (200, body)
        _reply(handler, status, {"Content-Type": "application/json"}, body)
        return
    name = unquote(path.rpartition("/")[2])
    if path.startswith("/nobody/"):
        _reply(handler, 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        return
    if "/resolve/" not in path or name not in sites.files:
        _reply(handler, 404, {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        return
    if name in sites.gated and headers.get("authorization") != f"Bearer {TOKEN}":
        status = 403 if "authorization" in headers else 401
        _reply(
            handler,
            status,
            {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model is restricted."},
        )
        return
    content = sites.files[name]
    common = {"X-Repo-Commit": COMMIT}
    if name.endswith((".json", ".txt")):  # not in LFS: sent by the site itself
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        _ranged(handler, headers, content, common | {"ETag": f'"{blob}"'}, sites.faults)
        return
    digest = sites.published.get(name, hashlib.sha256(content).hexdigest())
    linked = {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
    linked |= {"Location": f"{sites.storage}/{quote(name)}?signature=valid"}
    _reply(handler, sites.faults.status, common | linked | sites.faults.headers)


def _civitai(sites: ModelSites, handler: BaseHTTPRequestHandler, headers: dict[str, str]) -> None:
    parts = urlsplit(handler.path)
    *_, kind, number = ["", *parts.path.strip("/").split("/")]
    if kind == "model-versions" and int(number) in sites.versions:
        _reply(
            handler,
            200,
            {"Content-Type": "application/json"},
            json.dumps(sites.versions[int(number)]).encode(),
        )
    elif parts.path.startswith("/api/v1/models/"):
        rights = {
            "allowCommercialUse": sites.commercial_use,
            "allowNoCredit": True,
            "allowDerivatives": False,
        }
        _reply(handler, 200, {"Content-Type": "application/json"}, json.dumps(rights).encode())
    elif parts.path == "/login":
        _reply(handler, 200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><title>Sign in</title>")
    elif parts.path.startswith("/api/download/models/") and int(number) in sites.versions:
        chosen = [int(value) for value in parse_qs(parts.query).get("fileId", ())]
        files = sites.versions[int(number)]["files"]
        name = next(file["name"] for file in files if (file["id"] in chosen if chosen else file["primary"]))
        if name in sites.gated and headers.get("authorization") != f"Bearer {CIVITAI_TOKEN}":
            if "authorization" in headers:
                _reply(handler, 403, {})
            else:
                _reply(handler, 302, {"Location": "/login?reason=download-auth"})
            return
        _reply(handler, 307, {"Location": f"{sites.storage}/{quote(name)}?signature=valid"})
    else:
        _reply(handler, 404, {"Content-Type": "application/json"}, b'{"error":"No model with this id"}')


def _storage(sites: ModelSites, handler: BaseHTTPRequestHandler, headers: dict[str, str]) -> None:
    parts, faults = urlsplit(handler.path), sites.faults
    if "authorization" in headers:
        _reply(handler, 400, {}, b"InvalidArgument: only one auth mechanism allowed")
        return
    name = unquote(parts.path.lstrip("/"))
    if name not in sites.files:
        _reply(handler, 404, {})
    elif faults.expired and headers.get("range") != "bytes=0-0":
        faults.expired -= 1
        _reply(handler, 403, {}, b"Request has expired")
    elif faults.redirect:
        _reply(handler, 302, {"Location": faults.redirect})
    elif faults.busy:
        faults.busy -= 1
        _reply(handler, 503, {"Retry-After": "0"})
    else:
        content = sites.files[name]
        etag = {"ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'} if faults.etag else {}
        _ranged(handler, headers, content, etag, faults)


def _ranged(
    handler: BaseHTTPRequestHandler,
    headers: dict[str, str],
    content: bytes,
    more: dict[str, str],
    faults: Faults,
) -> None:
    faults.opened += 1
    if faults.later and faults.opened > 1:
        _reply(handler, faults.later[0], {"Content-Type": "text/plain"}, faults.later[1])
        return
    span = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
    body, status, own = content, 200, {"Content-Type": "application/octet-stream"}
    if span and faults.ranges:
        start, end = int(span[1]), min(int(span[2] or len(content)), len(content) - 1)
        body, status = content[start : end + 1], 206
        own["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    if span and faults.dead_from is not None and int(span[1]) >= faults.dead_from:
        handler.close_connection = True
        return
    if faults.truncated and len(body) > 1:
        faults.truncated -= 1
        handler.close_connection = True
        _reply(handler, status, own | more | {"Content-Length": str(len(body))}, body[: len(body) // 2])
        return
    _reply(handler, status, own | more, body)
