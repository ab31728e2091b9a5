"""A server of pictures, and of what is none, for tests of inputs by URL."""

import asyncio
import io
import socket

from aiohttp import web
from aiohttp.abc import AbstractResolver
from PIL import Image
from queue_agent.task.addresses import PublicResolver

HOST = "pictures.test"
UNRESOLVED = {
    "no-such-host.test": socket.EAI_NONAME,
    "no-address.test": socket.EAI_NODATA,
    "dns-down.test": socket.EAI_AGAIN,
}


def image(kind: str = "PNG", size: tuple[int, int] = (30, 20)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size).save(out, kind)
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 50,000 pixels wide and high."""
    plain = bytearray(image())
    plain[16:24] = (50_000).to_bytes(4, "big") * 2
    return bytes(plain)


class Here(AbstractResolver):
    """Leads one name to this machine, as a name of the internet leads to its server."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET):
        if host in UNRESOLVED:
            raise socket.gaierror(UNRESOLVED[host], "injected")
        if host != HOST:
            return await PublicResolver().resolve(host, port, family)
        return [
            {"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}
        ]

    async def close(self) -> None:
        pass


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"\x89PNG" * 16384)


async def slow(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"\x89PNG")
        await asyncio.sleep(0.2)


async def redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.query["to"])


def answering(body: bytes, **options):
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, **options)

    return handler


async def without_cookie(request: web.Request) -> web.Response:
    return web.Response(status=404) if request.cookies else web.Response(body=image())


async def some_time(_: web.Request) -> web.Response:
    await asyncio.sleep(1.2)
    return web.Response(body=image())


# In the bucket of the runtime: uploads of two keys, and the picture of another task.
OWN_KEYS = (
    f".assets/web-shop/uploads/{'a' * 32}",
    f".assets/default/uploads/{'b' * 32}",
    "cat/cat-1.png",
)
ROUTES = [
    web.get("/some-time", some_time),
    web.get("/cookie", answering(image(), headers={"Set-Cookie": "who=first; Path=/"})),
    web.get("/without-cookie", without_cookie),
    web.get("/cat.png", answering(image(), content_type="text/html")),
    web.get("/cat.jpg", answering(image("JPEG"))),
    web.get("/page", answering(b"<html>" * 100, content_type="image/png")),
    web.get("/svg", answering(b"<svg xmlns='http://www.w3.org/2000/svg'/>", content_type="image/svg+xml")),
    web.get("/bomb", answering(bomb())),
    web.get("/gzip", answering(image(), headers={"Content-Encoding": "gzip"})),
    web.get("/nearly-big", answering(image() + b"x" * 90_000)),
    web.get("/big", answering(b"x" * 200_000)),
    web.get("/none", answering(b"", status=404)),
    web.get("/broken", answering(b"", status=503)),
    web.get("/late", answering(b"", status=408)),
    web.get("/endless", endless),
    web.get("/slow", slow),
    web.get("/gone", redirect),
    web.get("/loop", answering(b"", status=302, headers={"Location": "/loop"})),
]
